import type { DType } from './dtype.js';

/** A tensor in a control message. */
export interface ExampleTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Its bytes, laid out as those of a Tensor, in base64. */
  readonly b64: string;
}

/** What is known of one input or output of a method. Unknown parts are undefined: they are not checked and shown as "any". */
export interface TensorSignature {
  readonly name: string;
  readonly dtype?: DType | undefined;
  /** Per instance; -1 = any size. Undefined = any shape. */
  readonly shape?: readonly number[] | undefined;
  /** Of an input: clients may leave it out, the models that take it have a value for it. Default false. */
  readonly optional?: boolean | undefined;
  /** Of an output of a classifier with a number for each class: the labels of the classes, in their order. */
  readonly classes?: readonly string[] | readonly number[] | undefined;
  /** One sentence for the API documentation. */
  readonly doc?: string | undefined;
  /** Of an input: what the API documentation shows to try. One instance, of `dtype` and `shape` where they are known. Small: it is part of every catalog. */
  readonly example?: ExampleTensor | undefined;
}

/** What {@link BatchingReport} may say. */
export const batchingOutcomes = ['proven', 'trusted', 'off', 'none', 'unproven', 'refuted'] as const;

/**
 * Whether the rows of a batch are known to be independent: proven, trusted (the author says so), unproven, refuted; off (the author wants no batching); none
 * (the model has no batch dim).
 */
export interface BatchingReport {
  readonly outcome: (typeof batchingOutcomes)[number];
  /** For people. */
  readonly reason: string;
}

/** What a gateway must know of a method to accept, document and answer calls of it. */
export interface MethodSignature {
  readonly name: string;
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /**
   * true: over the Open Inference Protocol the first dim of every tensor is the instance count.
   * false: all its models are declared without batch dim; a call is one instance, shapes as they are.
   */
  readonly batched: boolean;
  /** Instances that are worth giving to one replica at once (the largest model batch size; 1 without models). */
  readonly batchSize: number;
  /** Whether instances share runs of the method's models; undefined for methods without models. Of several models the worst. */
  readonly batching?: BatchingReport | undefined;
  readonly doc?: string | undefined;
  /** There when functions of the method ask for the context of their requests. */
  readonly context?: ContextSignature | undefined;
  /** How it works, for people: nothing is decided by it. Left out when it has very many stages. */
  readonly graph?: StageGraph | undefined;
}

/** Where a value of a method comes from: an input of the method, by its index, or an output of a stage, by the stage's number. */
export type StageSource =
  { readonly from: 'input'; readonly index: number } | { readonly from: 'stage'; readonly stage: number; readonly output: number };

/** One step of a method, for people. */
export interface StageSignature {
  /** From 1, in the order of the method. */
  readonly number: number;
  readonly kind: 'function' | 'model';
  /** Of the function, or the file of the model. */
  readonly name: string;
  readonly inputs: readonly StageSource[];
}

/** The steps of a method, and where its outputs come from. */
export interface StageGraph {
  readonly stages: readonly StageSignature[];
  readonly returns: readonly StageSource[];
}

/** What functions want to know of the requests that they work for. */
export interface ContextSignature {
  /** Names of headers and gRPC metadata, in lower case. */
  readonly headers: readonly string[];
}

/** One servable version as a worker can run it. */
export interface ServableSignature {
  readonly servable: string;
  /** >= 1 */
  readonly version: number;
  readonly methods: readonly MethodSignature[];
}

/** Names a servable version in maps and sets. */
export function versionKey({ servable, version }: Pick<ServableSignature, 'servable' | 'version'>): string {
  return `${servable}/${version}`;
}
