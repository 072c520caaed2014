/** Element types of ONNX Runtime tensors that a session takes and gives. Same names as the rest of mserve. */
export type ElementType =
  | 'bool' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64'
  | 'float16' | 'bfloat16' | 'float32' | 'float64' | 'string';

/**
 * C-order, little-endian. string: each element is a uint32 length (little-endian) and its UTF-8 bytes, one after the other.
 * Given to run(): not copied, must not be written to until the run has settled. Returned by run(): owned by the caller.
 */
export interface NativeTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface ValueDescription {
  readonly name: string;
  readonly dtype: ElementType;
  /** -1 = decided at run time. */
  readonly shape: readonly number[];
  /** Names of symbolic dims by position, '' where there is none. */
  readonly dimNames: readonly string[];
}

export interface SessionDescription {
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
}

export interface SessionOptions {
  /** Threads inside one run. Default 1. 0 = ONNX Runtime's choice (one per core). */
  readonly intraOpThreads?: number;
  /** Default 1. More than 1 also switches to parallel execution of independent nodes. */
  readonly interOpThreads?: number;
  /** Native threads of this session, i.e. runs that may go on at the same time; more wait in order. Default 1. */
  readonly concurrentRuns?: number;
  /** Default 'all'. */
  readonly graphOptimization?: 'disable' | 'basic' | 'extended' | 'all';
  /** Weights given by reference instead of inside the model (models over 2 GB, no second copy): kept alive until close(). */
  readonly initializers?: readonly { readonly name: string; readonly tensor: NativeTensor }[];
  /** Folder that external data of a model given as bytes may be read from. Default: external data is refused for bytes. */
  readonly externalFolder?: string;
}

export interface RunOptions {
  /** Aborting ends the native run itself (terminate flag) and rejects with a NativeError of kind 'cancelled'. */
  readonly signal?: AbortSignal;
}
