import type { ContextSignature, TensorSignature } from '@mserve/wire';

/**
 * What a servable_config declares, as plain data: it is made in a thread that loads the user's file and handed to the worker
 * by structured clone, so that user code never runs on a loop that serves.
 */
export interface ServableDeclaration {
  readonly servable: string;
  readonly models: readonly ModelDeclaration[];
  readonly functions: readonly FunctionDeclaration[];
  readonly methods: readonly MethodDeclaration[];
}

/** What kind of file a model is: of an Ascend device (OM), MindSpore's (MindIR), or ONNX. */
export type ModelFormat = 'OM' | 'MindIR' | 'ONNX';

/** Who says that the rows of a batch are independent: the server proves it, the author vouches for it, or nobody. */
export type BatchingChoice = 'proven' | 'trust' | 'off';

/** One declareModel. Models are named by their key: the file names joined by `;`. */
export interface ModelDeclaration {
  readonly key: string;
  /** File names in the version directory; several files = several subgraphs. None for a distributed model. */
  readonly files: readonly string[];
  readonly format: ModelFormat;
  readonly withBatchDim: boolean;
  /** Indices of inputs that have no batch dim although the model has one. */
  readonly withoutBatchDimInputs: readonly number[];
  /** For models without a fixed batch size: most instances run at once. Default 32. */
  readonly maxBatchSize: number;
  /** Whether instances may share a run: when it is proven that rows are independent, always, or never. */
  readonly batching: BatchingChoice;
  readonly options?: ModelOptions | undefined;
  /** The model is run by agents, one per rank. */
  readonly distributed?: DistributedDeclaration | undefined;
}

/** How many ranks a distributed model has, and in how many stages: `stageSize` divides `rankSize`. */
export interface DistributedDeclaration {
  readonly rankSize: number;
  readonly stageSize: number;
}

/** Options as given, already checked (AclOptions, GpuOptions, Context). */
export type ModelOptions = { readonly kind: 'acl' | 'gpu' | 'context'; readonly values: Readonly<Record<string, unknown>> };

/** A function used as a stage. The function itself stays in the threads that loaded the config; `index` names it there. */
export interface FunctionDeclaration {
  readonly index: number;
  /** As in the original's texts: `servable.function`. */
  readonly name: string;
  readonly inputsCount: number;
  readonly outputsCount: number;
  /** undefined: called per instance. 0: batches of the automatic size. n: batches of at most n. */
  readonly batchSize: number | undefined;
  /** It gets the context of its request, or of those of its batch, as one argument more. */
  readonly takesContext: boolean;
}

/** Where a value in a method comes from. */
export type ValueSource =
  { readonly from: 'input'; readonly index: number } | { readonly from: 'stage'; readonly stage: number; readonly output: number };

/** One addStage. */
export interface StageDeclaration {
  /** From 1, as in the original's texts. */
  readonly number: number;
  readonly kind: 'function' | 'model';
  /** Index into functions (function) or into models (model; always subgraph 0). */
  readonly index: number;
  readonly inputs: readonly ValueSource[];
  readonly outputsCount: number;
  /** See FunctionDeclaration.batchSize; undefined for models. */
  readonly batchSize: number | undefined;
  readonly tag: string | undefined;
  /** What its function wants to know of the request; undefined: nothing. */
  readonly context: ContextSignature | undefined;
}

/** One registerMethod. Types and docs are there only when the author gave them (object form). */
export interface MethodDeclaration {
  readonly name: string;
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  readonly stages: readonly StageDeclaration[];
  readonly returns: readonly ValueSource[];
  readonly doc?: string | undefined;
}
