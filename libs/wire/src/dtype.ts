/** The element types that mserve knows, by the names used everywhere inside it. */
export type DType =
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
  | 'bytes';

/** One row of the dtype table: what an element type is called in each format that mserve speaks. */
export interface DTypeEntry {
  readonly dtype: DType;
  /** Bytes per element; 0 for string and bytes, whose elements differ in size. */
  readonly elementBytes: number;
  /** Number on our own bus (mserve.bus.v1.Tensor.dtype). */
  readonly busNumber: number;
  /** `mindspore.serving.proto.DataType`; undefined where the original has none. */
  readonly msNumber: number | undefined;
  /** The name in the original's error texts, for example kMSI_Float32. */
  readonly msName: string;
  /** Open Inference Protocol datatype. string and bytes are both BYTES; Triton adds BF16. */
  readonly oipName: string;
  /** `onnx.TensorProto.DataType`; bytes has none of its own (a model sees STRING). */
  readonly onnxNumber: number | undefined;
}

function row(dtype: DType, elementBytes: number, number: number, msName: string, oipName: string, onnxNumber?: number): DTypeEntry {
  const msNumber = dtype === 'bfloat16' ? undefined : number;
  return { dtype, elementBytes, busNumber: number, msNumber, msName, oipName, onnxNumber };
}

/** All element types. Bus numbers 1..14 are those of the original's DataType, so that one table serves both. */
export const dtypeTable: readonly DTypeEntry[] = [
  row('bool', 1, 1, 'kMSI_Bool', 'BOOL', 9),
  row('int8', 1, 2, 'kMSI_Int8', 'INT8', 3),
  row('uint8', 1, 3, 'kMSI_Uint8', 'UINT8', 2),
  row('int16', 2, 4, 'kMSI_Int16', 'INT16', 5),
  row('uint16', 2, 5, 'kMSI_Uint16', 'UINT16', 4),
  row('int32', 4, 6, 'kMSI_Int32', 'INT32', 6),
  row('uint32', 4, 7, 'kMSI_Uint32', 'UINT32', 12),
  row('int64', 8, 8, 'kMSI_Int64', 'INT64', 7),
  row('uint64', 8, 9, 'kMSI_Uint64', 'UINT64', 13),
  row('float16', 2, 10, 'kMSI_Float16', 'FP16', 10),
  row('float32', 4, 11, 'kMSI_Float32', 'FP32', 1),
  row('float64', 8, 12, 'kMSI_Float64', 'FP64', 11),
  row('string', 0, 13, 'kMSI_String', 'BYTES', 8),
  row('bytes', 0, 14, 'kMSI_Bytes', 'BYTES'),
  row('bfloat16', 2, 15, 'kMSI_BFloat16', 'BF16', 16),
];

const byDType = new Map(dtypeTable.map((entry) => [entry.dtype, entry]));
const byBusNumber = new Map(dtypeTable.map((entry) => [entry.busNumber, entry]));
const byOnnxNumber = new Map(dtypeTable.flatMap((entry) => (entry.onnxNumber === undefined ? [] : [[entry.onnxNumber, entry] as const])));
// BYTES is ambiguous on purpose: which of the two it is, the method's signature says; bytes loses nothing, so it is the default.
const byOipName = new Map(dtypeTable.filter((entry) => entry.dtype !== 'string').map((entry) => [entry.oipName, entry]));

/** The row of a dtype. Throws TypeError for a name that is not in the table (a bug, not an input error). */
export function dtypeEntry(dtype: DType): DTypeEntry {
  const entry = byDType.get(dtype);
  if (entry === undefined) throw new TypeError(`unknown dtype '${String(dtype)}'`);
  return entry;
}

/** Whether a name is that of a dtype. */
export function isDType(name: string): name is DType {
  return byDType.has(name as DType);
}

/** The row with this bus number (= the original's DataType for 1..14), or undefined. */
export function dtypeOfBusNumber(number: number): DTypeEntry | undefined {
  return byBusNumber.get(number);
}

/** The row with this ONNX TensorProto.DataType, or undefined. */
export function dtypeOfOnnxNumber(number: number): DTypeEntry | undefined {
  return byOnnxNumber.get(number);
}

/** The row with this Open Inference Protocol datatype (`BYTES` gives bytes), or undefined. */
export function dtypeOfOipName(name: string): DTypeEntry | undefined {
  return byOipName.get(name);
}

/** string and bytes: elements of differing size, each kept as uint32 length (little-endian) and the bytes. */
export function isVariableSize(dtype: DType): dtype is 'string' | 'bytes' {
  return dtype === 'string' || dtype === 'bytes';
}
