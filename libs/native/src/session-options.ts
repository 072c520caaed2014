import type { NativeTensor } from './tensor.js';

/** Where a model runs. */
export interface Device {
  /** The runtime. Default 'onnxruntime', which runs ONNX models. */
  readonly backend?: string;
  /** Kind of device, by the backend's own word. Default 'cpu'. */
  readonly provider?: string;
  /** Number of the device among those of its kind. Default 0. Has no meaning for 'cpu'. */
  readonly id?: number;
  /** The provider's own settings. Default {}. One that it does not know is an error. */
  readonly options?: Readonly<Record<string, string>>;
}

/**
 * Optimizers of ONNX Runtime that change what a model computes. Pad_Fusion (1.23 to at least 1.30) folds a Pad into the pooling that follows: MaxPool
 * then never sees the zeros. graph-optimization.spec.ts tells when one of them can go.
 */
export const brokenOptimizers: readonly string[] = Object.freeze(['Pad_Fusion']);

/** How a model is opened. */
export interface SessionOptions {
  /** Default: ONNX Runtime on the CPU. */
  readonly device?: Device;
  /** Threads inside one run. Default 1. 0 = ONNX Runtime's choice (one per core). */
  readonly intraOpThreads?: number;
  /** Default 1. More than 1 also switches to parallel execution of independent nodes. */
  readonly interOpThreads?: number;
  /** Native threads of this session, i.e. runs that may go on at the same time; more wait in order. Default 1. */
  readonly concurrentRuns?: number;
  /** CPU cores (numbers of the operating system) that threads of this session may use. Linux only. Default: any. Runs then never go inline. */
  readonly coreIds?: readonly number[];
  /**
   * How many sessions will use this model, this one and those that share() makes: the pools of threads inside runs are made for them all. Default 1.
   * A run that is alone may use the whole pool.
   */
  readonly sharedBy?: number;
  /** How far ONNX Runtime rewrites the model before it runs it. 'none' runs the model as it is written. Default 'all'. */
  readonly graphOptimization?: 'none' | 'basic' | 'extended' | 'all';
  /** Names of ONNX Runtime's optimizers that are left out. Default: {@link brokenOptimizers}. */
  readonly disabledOptimizers?: readonly string[];
  /** Paths of shared libraries with operators that ONNX Runtime does not have (they export RegisterCustomOps). Their code runs in this process. Default: none. */
  readonly operatorLibraries?: readonly string[];
  /**
   * Weights given by reference instead of inside the model (models over 2 GB, no second copy): kept alive until close().
   * Copied only if the bytes are not aligned to their element size. The model must declare each as an initializer with external data (any location; no file is opened for it).
   */
  readonly initializers?: readonly { readonly name: string; readonly tensor: NativeTensor }[];
  /** Folder that external data is read from. Default: the model's own folder; external data of a model given as bytes is refused. */
  readonly externalFolder?: string;
  /**
   * Real paths of folders that symbolic links to external data may lead into, and in which another name (hard link) of the model file or of external
   * data may lie, besides the folder of external data. Default: none.
   */
  readonly linkRoots?: readonly string[];
  /** A model file given by its path is refused when it is a symbolic link or has another hard link outside of linkRoots; told from the open file, which is the one that is read. Default false. */
  readonly refuseLinks?: boolean;
  /**
   * Runs that are expected to take no longer than this many microseconds are executed on the calling thread, where handing them over would
   * cost more than they do. Expected is what recent runs took, more in proportion for larger inputs; the first eight, and those with larger inputs than any before, never are.
   * Default 0: never. Such runs cannot be cancelled.
   */
  readonly inlineBelowUs?: number;
  /** The same limit for when nothing else is in hand on this JavaScript thread (a lone client): it may be higher. Default 0. */
  readonly inlineAloneBelowUs?: number;
  /** ONNX Runtime's shared library (1.17 or a later 1.x). Default: see {@link defaultLibraryPath}, for the device's provider. */
  readonly libraryPath?: string;
}

/** How one run is made. */
export interface RunOptions {
  /** Aborting ends the native run itself (terminate flag) and rejects with a NativeError of kind 'cancelled'. */
  readonly signal?: AbortSignal;
  /** Raises SessionOptions.inlineBelowUs for this run: nobody else needs this JavaScript thread for so long. Has no effect on a session whose own limits are 0. */
  readonly inlineBelowUs?: number;
  /** The outputs of a run that was executed in place are given themselves, without a promise, and what fails at once is thrown. Default false. */
  readonly atOnce?: boolean;
}
