import type { ServableStatus } from '@mserve/bus';
import { b64Types, type MethodSignature, type TensorSignature } from '@mserve/wire';
import type { InferPaths, MediaType, Operation, SchemaObject } from './schema.js';
import {
  dataSchemas,
  hasClasses,
  msOutputSchema,
  msValueExample,
  msValueSchema,
  oipInputExample,
  oipTensorSchema,
} from './tensor-schema.js';

/** Schemas that all infer operations share; for `components`. */
export const sharedSchemas: Readonly<Record<string, SchemaObject>> = {
  Base64Tensor: {
    type: 'object',
    description: 'The bytes of a tensor: elements in C order, little-endian; bool is one byte each.',
    required: ['b64'],
    additionalProperties: false,
    properties: {
      b64: { type: 'string', contentEncoding: 'base64' },
      type: {
        enum: b64Types,
        description: 'default: bytes',
      },
      shape: { type: 'array', items: { type: 'integer', minimum: 0 }, description: 'default: one element' },
    },
  },
  AnyTensor: {
    description: 'an element, elements of one kind nested in arrays, or base64',
    anyOf: [
      { type: ['number', 'string', 'boolean'] },
      { type: 'array', items: { $ref: '#/components/schemas/AnyTensor' }, minItems: 1 },
      { $ref: '#/components/schemas/Base64Tensor' },
    ],
  },
  Classification: {
    type: 'object',
    description:
      'an output for which the request asked with the parameter classification: the highest values, value:index or value:index:label',
    required: ['name', 'shape', 'datatype', 'data'],
    properties: {
      name: { type: 'string' },
      datatype: { const: 'BYTES' },
      shape: { type: 'array', items: { type: 'integer', minimum: 0 } },
      data: { type: 'array', items: { type: 'string' } },
    },
  },
  ...dataSchemas,
  MsError: { type: 'object', required: ['error_msg'], properties: { error_msg: { type: 'string' } } },
  OipError: { type: 'object', required: ['error'], properties: { error: { type: 'string' } } },
};

const statuses: readonly (readonly [status: string, description: string])[] = [
  ['400', 'the request is wrong'],
  ['404', 'no such servable, version or method'],
  ['408', 'the request came too slowly'],
  ['413', 'the request is too large'],
  ['415', 'the content type or the compression is not supported'],
  ['429', 'too many requests are waiting; try again'],
  ['500', 'the servable failed'],
  ['503', 'nobody can serve this now; try again'],
  ['504', 'the deadline passed'],
];

/** Answers to refused requests; for `components`. */
export const sharedResponses: Readonly<
  Record<string, { readonly description: string; readonly content: Readonly<Record<string, MediaType>> }>
> = Object.fromEntries(
  (['MsError', 'OipError'] as const).flatMap((error) =>
    statuses.map(([status, description]) => [
      `${error}${status}`,
      { description, content: { 'application/json': { schema: { $ref: `#/components/schemas/${error}` } } } },
    ]),
  ),
);

function refusals(error: 'MsError' | 'OipError'): Record<string, { $ref: string }> {
  return Object.fromEntries(statuses.map(([status]) => [status, { $ref: `#/components/responses/${error}${status}` }]));
}

function objectOf(tensors: readonly TensorSignature[], schemaOf: (tensor: TensorSignature) => SchemaObject): SchemaObject {
  return {
    type: 'object',
    required: tensors.flatMap(({ name, optional }) => (optional === true ? [] : [name])),
    properties: Object.fromEntries(tensors.map((tensor) => [tensor.name, schemaOf(tensor)])),
  };
}

/** Those that may be left out are not guessed. */
function shownInputs({ inputs }: MethodSignature): readonly TensorSignature[] {
  return inputs.filter(({ optional, example }) => optional !== true || example !== undefined);
}

/** undefined when an input has no example. */
function msExample(method: MethodSignature): object | undefined {
  const values = shownInputs(method).map((input) => [input.name, msValueExample(input)] as const);
  if (values.some(([, value]) => value === undefined)) return undefined;
  return { instances: [Object.fromEntries(values)] };
}

/** undefined when an input has no example. */
function oipExample(method: MethodSignature): object | undefined {
  const inputs = shownInputs(method).map((input) => oipInputExample(input, method.batched));
  return inputs.includes(undefined) ? undefined : { inputs };
}

function msOperation(servable: string, method: MethodSignature, operationId: string, versionText: string): Operation {
  const instance = objectOf(method.inputs, msValueSchema);
  const output: SchemaObject = { anyOf: [objectOf(method.outputs, msOutputSchema), { $ref: '#/components/schemas/MsError' }] };
  return {
    operationId,
    tags: [servable],
    summary: `${servable}: ${method.name}${versionText}`,
    description: method.doc ?? `MindSpore Serving's REST interface to ${servable}.${method.name}.`,
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['instances'],
            properties: { instances: { anyOf: [instance, { type: 'array', items: instance, minItems: 1 }] } },
          },
          ...exampleOf(msExample(method)),
        },
      },
    },
    responses: {
      '200': {
        description: 'results in request order; a failed instance among others has an error_msg instead',
        content: {
          'application/json': {
            schema: { type: 'object', required: ['instances'], properties: { instances: { type: 'array', items: output } } },
          },
        },
      },
      ...refusals('MsError'),
    },
  };
}

function oipOperation(servable: string, method: MethodSignature, operationId: string, versionText: string): Operation {
  const inputs = method.inputs.map((input) => oipTensorSchema(input, method.batched, 'input'));
  const outputs = method.outputs.map((output) => oipTensorSchema(output, method.batched, 'output'));
  const classification: SchemaObject[] = method.outputs.some(hasClasses) ? [{ $ref: '#/components/schemas/Classification' }] : [];
  const binary: MediaType = {
    schema: {
      contentMediaType: 'application/octet-stream',
      description: 'JSON, then the bytes of the tensors; header Inference-Header-Content-Length says where the JSON ends',
    },
  };
  const request: SchemaObject = {
    type: 'object',
    required: ['inputs'],
    properties: {
      id: { type: ['string', 'null'] },
      parameters: { type: ['object', 'null'] },
      inputs: {
        type: 'array',
        ...(inputs.length === 0 ? {} : { items: { anyOf: inputs } }),
        minItems: method.inputs.filter(({ optional }) => optional !== true).length,
        maxItems: inputs.length,
      },
      outputs: {
        type: ['array', 'null'],
        items: {
          type: 'object',
          required: ['name'],
          properties: { name: { enum: method.outputs.map(({ name }) => name) }, parameters: { type: ['object', 'null'] } },
        },
      },
    },
  };
  const json: MediaType = { schema: request, ...exampleOf(oipExample(method)) };
  return {
    operationId,
    tags: [servable],
    summary: `${servable}: ${method.name}${versionText} (Open Inference Protocol)`,
    ...(method.doc === undefined ? {} : { description: method.doc }),
    requestBody: { required: true, content: { 'application/json': json, 'application/octet-stream': binary } },
    responses: {
      '200': {
        description: 'results; the first dim of every tensor is the instance',
        content: {
          'application/json': {
            schema: {
              type: 'object',
              required: ['model_name', 'outputs'],
              properties: {
                model_name: { type: 'string' },
                model_version: { type: 'string' },
                id: { type: 'string' },
                outputs: { type: 'array', items: { anyOf: [...outputs, ...classification] } },
              },
            },
          },
          'application/octet-stream': binary,
        },
      },
      ...refusals('OipError'),
    },
  };
}

function exampleOf(example: unknown): { example?: unknown } {
  return example === undefined ? {} : { example };
}

/** The infer operations of all ready servables: each method without version (the highest ready one) and in every version, in both REST interfaces. */
export function inferPaths(ready: readonly ServableStatus[]): InferPaths {
  const latest = new Map<string, number>();
  for (const { signature } of ready) latest.set(signature.servable, Math.max(latest.get(signature.servable) ?? 0, signature.version));
  const paths: InferPaths = {};
  for (const { signature } of ready) {
    const { servable, version, methods } = signature;
    for (const method of methods) {
      const model = encodeURIComponent(`${servable}.${method.name}`);
      const id = `${servable}_${method.name}`;
      const [servablePath, methodPath] = [encodeURIComponent(servable), encodeURIComponent(method.name)];
      const add = (versionText: string, idText: string, msPath: string, oipPath: string): void => {
        paths[msPath] = { post: msOperation(servable, method, `model_${id}${idText}`, versionText) };
        paths[oipPath] = { post: oipOperation(servable, method, `infer_${id}${idText}`, versionText) };
      };
      if (latest.get(servable) === version) add('', '', `/model/${servablePath}:${methodPath}`, `/v2/models/${model}/infer`);
      add(
        `, version ${version}`,
        `_v${version}`,
        `/model/${servablePath}/version/${version}:${methodPath}`,
        `/v2/models/${model}/versions/${version}/infer`,
      );
    }
  }
  return paths;
}
