/** Element types of ONNX Runtime tensors that a session takes and gives. Same names as the rest of mserve. */
export type ElementType =
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
  | 'string';

/**
 * C-order, little-endian. string: each element is a uint32 length (little-endian) and its UTF-8 bytes, one after the other.
 * Given to run(): not copied, must not be written to, transferred or detached until the run has settled. Any offset will do: bytes
 * that are not aligned to their element size, floats to 16 bytes, are copied on the run thread: the same floats give the same bits wherever they lie. May lie in a SharedArrayBuffer.
 * Returned by run(): owned by the caller.
 */
export interface NativeTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** An input or output of a model, as the model declares it. */
export interface ValueDescription {
  readonly name: string;
  readonly dtype: ElementType;
  /** -1 = decided at run time. undefined: the model does not say how many dims there are. */
  readonly shape: readonly number[] | undefined;
  /** Names of symbolic dims by position, '' where there is none. */
  readonly dimNames: readonly string[];
  /** An output of a classifier that is a sequence of maps in the file (ZipMap), given as a tensor [rows, classes]. Left out when false. */
  readonly isUnzipped?: boolean;
}

/** What a model takes and gives. */
export interface SessionDescription {
  /** What every run must be given. */
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
  /** Largest first dim of a run, where the model was compiled for several batch sizes. */
  readonly maxBatch?: number;
  /** Inputs that the model has a value for (an initializer of the same name): runs may leave them out, and that value counts. Absent when there are none. */
  readonly defaults?: readonly ValueDescription[];
  /** With `defaults`: the inputs in the order of the file, as indices into `[...inputs, ...defaults]`. */
  readonly inputOrder?: readonly number[];
  /** Why outputs of the file are not among `outputs`, one sentence each: no tensors (sequences, maps), or of an unknown type. Left out when there are none. */
  readonly unusable?: readonly string[];
  /** The file uses operators of ai.onnx.ml, so that outputs may have names of classes. Left out when false. */
  readonly hasClassicOperators?: boolean;
}
