import { dtypeOfOipName, isRecord, ServingError, type DType, type MethodSignature } from '@mserve/wire';
import { recordOf, textOf, wholeOf } from './json-value.js';

/** One input or output of a method, as far as the server knows it. */
export interface ValueDescription {
  readonly name: string;
  /** undefined: any. */
  readonly dtype: DType | undefined;
  /** Of one instance; -1 = any size. undefined: any shape. */
  readonly shape: readonly number[] | undefined;
  /** Of an input: it may be left out. */
  readonly optional: boolean;
}

/** What a client must know of a method to call it. */
export interface MethodDescription {
  readonly servable: string;
  readonly method: string;
  readonly version: number;
  /** Over the Open Inference Protocol the first dim of every tensor is the instance count. */
  readonly isBatched: boolean;
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
}

/** A method of the catalog that schedulers give. */
export function describedBySignature(servable: string, version: number, signature: MethodSignature): MethodDescription {
  const described = ({ name, dtype, shape, optional }: MethodSignature['inputs'][number]): ValueDescription => ({
    name,
    dtype,
    shape,
    optional: optional === true,
  });
  const { name: method, batched: isBatched, inputs, outputs } = signature;
  return { servable, method, version, isBatched, inputs: inputs.map(described), outputs: outputs.map(described) };
}

/**
 * Reads the metadata of a model of the Open Inference Protocol (the body of GET /v2/models/M, or of ModelMetadata), as mserve writes it: `value_types`,
 * `any_shape` and `optional_inputs` of its properties say what the protocol has no words for. `isBatched`: whether its configuration has a
 * max_batch_size. ServingError INTERNAL when it is none.
 */
export function describedByMetadata(servable: string, method: string, body: unknown, isBatched: boolean): MethodDescription {
  const metadata = recordOf(body, 'the metadata');
  const properties = recordOf(metadata['properties'] ?? {}, 'its properties');
  const kinds = recordOf(parsedProperty(properties, 'value_types') ?? {}, 'value_types');
  const anyShape = namesOf(properties, 'any_shape');
  const optional = namesOf(properties, 'optional_inputs');
  const versions: unknown = metadata['versions'];
  const latest = Array.isArray(versions) ? Math.max(...versions.map(Number)) : NaN;
  const described = (value: unknown): ValueDescription => {
    const tensor = recordOf(value, 'a tensor of the metadata');
    const name = textOf(tensor['name'], 'its name');
    const dims: unknown = tensor['shape'];
    if (!Array.isArray(dims)) throw new ServingError('INTERNAL', `the server described '${name}' without a shape`);
    const shape = dims.map((dim) => wholeOf(dim, 'a dim'));
    const dtype = dtypeOf(name, textOf(tensor['datatype'], 'its datatype'), kinds[name]);
    const isAny = anyShape.has(name) || (dtype === undefined && shape.length === 1);
    return { name, dtype, shape: isAny ? undefined : shape.slice(isBatched ? 1 : 0), optional: optional.has(name) };
  };
  return {
    servable,
    method,
    version: Number.isSafeInteger(latest) ? latest : 0,
    isBatched,
    inputs: listOf(metadata['inputs']).map(described),
    outputs: listOf(metadata['outputs']).map(described),
  };
}

function dtypeOf(name: string, datatype: string, kind: unknown): DType | undefined {
  const entry = dtypeOfOipName(datatype);
  if (entry === undefined) throw new ServingError('INTERNAL', `the server described '${name}' with the unknown datatype '${datatype}'`);
  if (datatype !== 'BYTES') return entry.dtype;
  return kind === 'string' || kind === 'bytes' ? kind : undefined;
}

function parsedProperty(properties: Readonly<Record<string, unknown>>, name: string): unknown {
  const text = properties[name];
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ServingError('INTERNAL', `the server's property ${name} is no JSON`);
  }
}

function namesOf(properties: Readonly<Record<string, unknown>>, name: string): ReadonlySet<unknown> {
  return new Set(listOf(parsedProperty(properties, name)));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The methods that a repository index lists as ready, by the names of their models. Entries that are none are passed over. */
export function readyModelsOf(index: unknown): { readonly model: string; readonly version: number }[] {
  return listOf(index).flatMap((entry) => {
    if (!isRecord(entry) || typeof entry['name'] !== 'string' || entry['state'] !== 'READY') return [];
    return [{ model: entry['name'], version: wholeOf(entry['version'] ?? 0, 'a version') }];
  });
}
