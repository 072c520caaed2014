import { dtypeEntry, type DType } from '@mserve/wire';
import type { ExternalTensors } from './container/external-tensors.js';
import { bytesOfNumbers, dtypeOfMindir } from './graph/dtypes.js';
import { GraphBuilder } from './graph/graph-builder.js';
import type { OnnxPort } from './graph/onnx-graph.js';
import { prune } from './graph/prune.js';
import { checkedTensorBytes, expectedTensorBytes } from './graph/tensor-bytes.js';
import { Tracer, type Refusal } from './trace/tracer.js';
import type { TensorValue } from './graph/value.js';
import { MindirError } from './mindir-error.js';
import type { ModelPort } from './model-port.js';
import type { OnnxModel } from './onnx-model.js';
import type { MindirModel, MindirTensor } from './proto/mindir-schema.js';
import { encodeOnnx, inlineBytes } from './graph/onnx-writer.js';
import { inputPorts, type ModelReport } from './report.js';

/** A MindIR's entry graph, traced. */
export interface TracedModel {
  readonly builder: GraphBuilder;
  readonly ports: readonly ModelPort[];
  readonly inputs: readonly TensorValue[];
  readonly results: readonly TensorValue[];
}

/** Runs a decoded MindIR on symbolic values. `owned`: the file's bytes are ours, so that weights may be moved inside them. */
export async function traceModel(
  model: MindirModel,
  builder: GraphBuilder,
  external: ExternalTensors,
  owned: boolean,
): Promise<TracedModel> {
  if (model.graph.hasMapParameters)
    throw new MindirError('unsupported', 'the model keeps weights in MapParameters (hash tables), which have no translation');
  const ports = inputPorts(model);
  builder.reserve([...ports.map(({ name }) => name), ...model.graph.parameters.map(stemOf)]);
  const parameters = await readParameters(model, ports, builder, external, owned);
  const inputs = inputValues(model, ports);
  const tracer = new Tracer(model, builder, parameters);
  const results = tracer.run(inputs);
  if (tracer.refusals.length > 0) throw new MindirError('unsupported', refusalText(tracer.refusals));
  return { builder, ports, inputs, results };
}

/** Turns a decoded MindIR into ONNX. `owned`: as in {@link traceModel}. */
export async function convert(model: MindirModel, report: ModelReport, external: ExternalTensors, owned: boolean): Promise<OnnxModel> {
  const { builder, ports, results } = await traceModel(model, new GraphBuilder(), external, owned);
  const taken = new Set([...ports.map(({ name }) => name), ...builder.initializers.map(({ name }) => name)]);
  const outputs = results.map((result, index): TensorValue => ({ ...result, name: outputName((name) => taken.has(name), index) }));
  // Outputs get names of their own; one that is an input or a weight needs a node in any case.
  const nodes = results.map((result, index) => identity(result, outputs[index] as TensorValue));
  const pruned = prune(
    [...builder.scope, ...nodes],
    builder.initializers,
    outputs.map(({ name }) => name),
  );
  const encoded = encodeOnnx({
    name: 'mindir',
    producerVersion: report.version,
    nodes: pruned.nodes,
    inputs: ports.map((port) => ({ ...port, shape: namedDims(port) })),
    outputs: outputs.map(({ name, dtype, shape }): OnnxPort => ({ name, dtype, shape: namedDims({ name, dtype, shape }) })),
    initializers: pruned.initializers,
  });
  const large = pruned.initializers.filter(({ bytes }) => bytes.byteLength > inlineBytes);
  return {
    model: encoded,
    initializers: large.map(({ name, dtype, shape, bytes }) => ({ name, tensor: { dtype, shape, bytes } })),
    inputs: ports,
    outputs: outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    report,
  };
}

function identity(
  result: TensorValue,
  output: TensorValue,
): { opType: string; name: string; inputs: string[]; outputs: string[]; attributes: Record<string, never>; domain: string } {
  return { opType: 'Identity', name: `${output.name}_identity`, inputs: [result.name], outputs: [output.name], attributes: {}, domain: '' };
}

/** MindIR has no user names for outputs. */
function outputName(taken: (name: string) => boolean, index: number): string {
  return [`output_${index}`, `result_${index}`].find((name) => !taken(name)) ?? `mindir_output_${index}`;
}

function namedDims({ name, shape }: ModelPort): (number | string)[] | undefined {
  return shape?.map((dim, axis) => (dim === -1 ? `${name}_dim${axis}` : dim));
}

function inputValues(model: MindirModel, ports: readonly ModelPort[]): TensorValue[] {
  return ports.map((port, index) => {
    const tensor = model.graph.inputs[index]?.tensors[0];
    if (tensor === undefined) throw new MindirError('unsupported', `input '${port.name}' is not a tensor`);
    if ((port.shape?.length ?? 0) > 64) throw new MindirError('format', `input '${port.name}' has ${port.shape?.length} dims`);
    return { kind: 'tensor', name: port.name, dtype: dtypeOfMindir(tensor.dataType, `input '${port.name}'`), shape: port.shape };
  });
}

async function readParameters(
  model: MindirModel,
  ports: readonly ModelPort[],
  builder: GraphBuilder,
  external: ExternalTensors,
  owned: boolean,
): Promise<Map<string, TensorValue>> {
  const parameters = new Map<string, TensorValue>();
  const used = new Set(ports.map(({ name }) => name));
  for (const parameter of model.graph.parameters) {
    const stem = stemOf(parameter);
    const where = `parameter '${stem}'`;
    if (parameter.compressed) throw new MindirError('unsupported', `${where} is compressed or quantised`);
    const dtype = dtypeOfMindir(parameter.dataType, where);
    const bytes = aligned(await bytesOf(parameter, dtype, external, where), dtype, owned && parameter.external === undefined);
    const name = used.has(stem) ? builder.uniqueName(stem) : stem;
    used.add(name);
    parameters.set(parameter.name, builder.initializer(name, dtype, parameter.dims, bytes));
  }
  return parameters;
}

/** The Python name of a parameter. */
function stemOf({ name, refKey }: MindirTensor): string {
  return refKey === '' ? name : refKey;
}

async function bytesOf(parameter: MindirTensor, dtype: DType, external: ExternalTensors, where: string): Promise<Uint8Array> {
  if (parameter.external !== undefined)
    return external.read(parameter.external, expectedTensorBytes(dtype, parameter.dims, where), parameter.refKey);
  return checkedTensorBytes(dtype, parameter.dims, parameter.raw ?? bytesOfNumbers(dtype, parameter.numbers), where);
}

/**
 * The same bytes at a multiple of the element size. In a buffer of our own they are moved back by at most 3 bytes, over
 * their own length prefix, which has been read: no second copy of the weights.
 */
function aligned(bytes: Uint8Array, dtype: DType, movable: boolean): Uint8Array {
  const { elementBytes } = dtypeEntry(dtype);
  const excess = bytes.byteOffset % elementBytes;
  if (excess === 0) return bytes;
  // Not slice(): that of a Buffer copies nothing.
  if (!movable || excess > 3 || bytes.byteLength <= inlineBytes) return new Uint8Array(bytes);
  const whole = new Uint8Array(bytes.buffer);
  whole.copyWithin(bytes.byteOffset - excess, bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return whole.subarray(bytes.byteOffset - excess, bytes.byteOffset - excess + bytes.byteLength);
}

const listed = 50;

/** One error for all operators without translation. */
function refusalText(refusals: readonly Refusal[]): string {
  const ops = [...new Set(refusals.map((refusal) => refusal.op))];
  const lines = refusals.slice(0, listed).map(({ op, node, graph, reason }) => `  ${op}: node '${node}' in graph '${graph}': ${reason}`);
  const rest = refusals.length > listed ? [`  and ${refusals.length - listed} more`] : [];
  return [
    `${ops.length === 1 ? 'one operator has' : `${ops.length} operators have`} no translation: ${ops.join(', ')}`,
    ...lines,
    ...rest,
  ].join('\n');
}
