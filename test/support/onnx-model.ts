/**
 * Writes small ONNX models without Python, for tests. Only what tests need of the ONNX protobuf; the field numbers are those of onnx.proto.
 *
 *   onnxModel({
 *     inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
 *     outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 2] }],
 *     nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
 *   })
 */
export type OnnxDtype =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float16'
  | 'bfloat16'
  | 'float32'
  | 'float64'
  | 'string'
  | 'complex64';

const typeNumbers: Readonly<Record<OnnxDtype, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  bfloat16: 16,
};

/** A graph input or output. shape: a number is fixed, a name is symbolic, -1 is unnamed; undefined = no shape declared. */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape?: readonly (number | string)[];
  /** Default tensor; others are for tests of what is refused. */
  readonly kind?: 'tensor' | 'sequence' | 'optional' | 'sparse' | 'map';
}

export interface OnnxTensor {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape: readonly number[];
  /** Little-endian, C order; or use strings / external. */
  readonly bytes?: Uint8Array;
  readonly strings?: readonly string[];
  /** The data is in another file. */
  readonly external?: { readonly location: string; readonly offset?: number; readonly length?: number };
}

export type OnnxAttribute =
  | { readonly int: number | bigint }
  | { readonly ints: readonly (number | bigint)[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly string: string }
  | { readonly tensor: Omit<OnnxTensor, 'name'> & { readonly name?: string } }
  | { readonly graph: OnnxGraph };

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  readonly domain?: string;
}

export interface OnnxGraph {
  readonly name?: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers?: readonly OnnxTensor[];
}

export interface OnnxModel extends OnnxGraph {
  /** Version of the default operator set. Default 17. */
  readonly opset?: number;
  /** Versions of other operator sets. Default: none are named. */
  readonly opsets?: Readonly<Record<string, number>>;
  /** Default 8. */
  readonly irVersion?: number;
}

type Bytes = Uint8Array;

function concat(parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function varint(value: number | bigint): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const int = (field: number, value: number | bigint): Bytes => concat([varint(field * 8), varint(value)]);
const bytes = (field: number, value: Bytes): Bytes => concat([varint(field * 8 + 2), varint(value.length), value]);
const text = (field: number, value: string): Bytes => bytes(field, new TextEncoder().encode(value));
const message = (field: number, parts: readonly Bytes[]): Bytes => bytes(field, concat(parts));

function float(field: number, value: number): Bytes {
  return concat([varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)]);
}

function tensorParts(tensor: Omit<OnnxTensor, 'name'> & { readonly name?: string }): Bytes[] {
  const parts = tensor.shape.map((dim) => int(1, dim));
  parts.push(int(2, typeNumbers[tensor.dtype]));
  for (const value of tensor.strings ?? []) parts.push(text(6, value));
  if (tensor.name !== undefined) parts.push(text(8, tensor.name));
  if (tensor.bytes !== undefined) parts.push(bytes(9, tensor.bytes));
  for (const [key, value] of Object.entries(tensor.external ?? {})) parts.push(message(13, [text(1, key), text(2, String(value))]));
  if (tensor.external !== undefined) parts.push(int(14, 1));
  return parts;
}

function attributeParts(name: string, attribute: OnnxAttribute): Bytes[] {
  const parts = [text(1, name)];
  if ('float' in attribute) parts.push(float(2, attribute.float), int(20, 1));
  else if ('int' in attribute) parts.push(int(3, attribute.int), int(20, 2));
  else if ('string' in attribute) parts.push(text(4, attribute.string), int(20, 3));
  else if ('tensor' in attribute) parts.push(message(5, tensorParts(attribute.tensor)), int(20, 4));
  else if ('graph' in attribute) parts.push(message(6, graphParts(attribute.graph)), int(20, 5));
  else if ('floats' in attribute) parts.push(...attribute.floats.map((value) => float(7, value)), int(20, 6));
  else parts.push(...attribute.ints.map((value) => int(8, value)), int(20, 7));
  return parts;
}

function typeParts(value: OnnxValue): Bytes[] {
  const dims = value.shape?.map((dim) => {
    if (dim === -1) return message(1, []);
    return message(1, [typeof dim === 'string' ? text(2, dim) : int(1, dim)]);
  });
  const tensor = [int(1, typeNumbers[value.dtype]), ...(dims === undefined ? [] : [message(2, dims)])];
  switch (value.kind ?? 'tensor') {
    case 'tensor':
      return [message(1, tensor)];
    case 'sequence':
      return [message(4, [message(1, [message(1, tensor)])])];
    case 'map':
      return [message(5, [int(1, typeNumbers.int64), message(2, [message(1, tensor)])])];
    case 'sparse':
      return [message(8, tensor)];
    case 'optional':
      return [message(9, [message(1, [message(1, tensor)])])];
  }
}

const valueParts = (value: OnnxValue): Bytes[] => [text(1, value.name), message(2, typeParts(value))];

function graphParts(graph: OnnxGraph): Bytes[] {
  return [
    ...graph.nodes.map((node) =>
      message(1, [
        ...node.inputs.map((name) => text(1, name)),
        ...node.outputs.map((name) => text(2, name)),
        text(4, node.op),
        ...Object.entries(node.attributes ?? {}).map(([name, attribute]) => message(5, attributeParts(name, attribute))),
        ...(node.domain === undefined ? [] : [text(7, node.domain)]),
      ]),
    ),
    text(2, graph.name ?? 'graph'),
    ...(graph.initializers ?? []).map((tensor) => message(5, tensorParts(tensor))),
    ...graph.inputs.map((value) => message(11, valueParts(value))),
    ...graph.outputs.map((value) => message(12, valueParts(value))),
  ];
}

/** The bytes of an ONNX file. Nothing is checked: tests want wrong models too. */
export function onnxModel(model: OnnxModel): Uint8Array {
  return concat([
    int(1, model.irVersion ?? 8),
    text(2, 'mserve-test'),
    message(7, graphParts(model)),
    ...Object.entries({ '': model.opset ?? 17, ...model.opsets }).map(([domain, version]) =>
      message(8, [text(1, domain), int(2, version)]),
    ),
  ]);
}

/** Bytes of numbers as a tensor wants them. */
export function float32Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function int64Bytes(values: readonly (number | bigint)[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values.map((value) => BigInt(value))).buffer);
}

/** y = x + x, of any dtype that Add knows (float32 by default). */
export function doubleModel(shape: readonly (number | string)[] = ['batch', 2], dtype: OnnxDtype = 'float32'): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype, shape }],
    outputs: [{ name: 'y', dtype, shape }],
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
  });
}

/** sum = a + b, float32. */
export function addModel(shape: readonly (number | string)[] = ['batch', 2], dtype: OnnxDtype = 'float32'): Uint8Array {
  return onnxModel({
    inputs: [
      { name: 'a', dtype, shape },
      { name: 'b', dtype, shape },
    ],
    outputs: [{ name: 'sum', dtype, shape }],
    nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
  });
}

/** y = a op b, element by element. ONNX Runtime looks for zeros in b first, but not for the smallest integer by -1. */
export function divisionModel(op: 'Div' | 'Mod', dtype: OnnxDtype, shape: readonly (number | string)[] = ['n']): Uint8Array {
  return onnxModel({
    inputs: [
      { name: 'a', dtype, shape },
      { name: 'b', dtype, shape },
    ],
    outputs: [{ name: 'y', dtype, shape }],
    nodes: [{ op, inputs: ['a', 'b'], outputs: ['y'] }],
  });
}

/** y = rows of a table of 4 by 2 (0 to 7) at x. An index from 4 on is beyond it. */
export function embeddingModel(): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'int64', shape: ['n', 1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 1, 2] }],
    initializers: [
      { name: 'table', dtype: 'float32', shape: [4, 2], bytes: new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7).buffer) },
    ],
    nodes: [{ op: 'Gather', inputs: ['table', 'x'], outputs: ['y'] }],
  });
}

/** y = a table of 8 numbers as `op` (Reshape, Expand or Tile) makes it by the values of x. No batch dim. */
export function shapedByValueModel(op: 'Reshape' | 'Expand' | 'Tile'): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'int64', shape: [2] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['a', 'b'] }],
    initializers: [
      { name: 'table', dtype: 'float32', shape: [4, 2], bytes: new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7).buffer) },
    ],
    nodes: [{ op, inputs: ['table', 'x'], outputs: ['y'] }],
  });
}

/** y = the Fourier transform of x. ONNX Runtime divides by the length of the signal without looking whether it is 0. */
export function spectrumModel(): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 'length', 1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 'length', 2] }],
    nodes: [{ op: 'DFT', inputs: ['x'], outputs: ['y'] }],
  });
}

/**
 * Counts until `limit` (an int64 scalar input) is reached, so that a test chooses how long a run takes:
 * 2^62 never ends, 0 ends at once. Output `count`: int64 scalar.
 */
export function loopModel(): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'limit', dtype: 'int64', shape: [] }],
    outputs: [{ name: 'count', dtype: 'int64', shape: [] }],
    initializers: [
      { name: 'zero', dtype: 'int64', shape: [], bytes: int64Bytes([0]) },
      { name: 'go', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) },
    ],
    nodes: [
      {
        op: 'Loop',
        inputs: ['limit', 'go', 'zero'],
        outputs: ['count'],
        attributes: {
          body: {
            graph: {
              name: 'body',
              inputs: [
                { name: 'step', dtype: 'int64', shape: [] },
                { name: 'goIn', dtype: 'bool', shape: [] },
                { name: 'countIn', dtype: 'int64', shape: [] },
              ],
              outputs: [
                { name: 'goOut', dtype: 'bool', shape: [] },
                { name: 'countOut', dtype: 'int64', shape: [] },
              ],
              initializers: [{ name: 'one', dtype: 'int64', shape: [], bytes: int64Bytes([1]) }],
              nodes: [
                { op: 'Identity', inputs: ['goIn'], outputs: ['goOut'] },
                { op: 'Add', inputs: ['countIn', 'one'], outputs: ['countOut'] },
              ],
            },
          },
        },
      },
    ],
  });
}
