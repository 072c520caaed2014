import type { DType } from './dtype.js';

/** What is known of one input or output of a method. Unknown parts are undefined: they are not checked and shown as "any". */
export interface TensorSignature {
  readonly name: string;
  readonly dtype?: DType | undefined;
  /** Per instance; -1 = any size. Undefined = any shape. */
  readonly shape?: readonly number[] | undefined;
  /** One sentence for the API documentation. */
  readonly doc?: string | undefined;
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
  /** Instances that are worth giving to one replica at once (SPEC 5.1: the largest model batch size; 1 without models). */
  readonly batchSize: number;
  readonly doc?: string | undefined;
}

/** One servable version as a worker can run it. */
export interface ServableSignature {
  readonly servable: string;
  /** >= 1 */
  readonly version: number;
  readonly methods: readonly MethodSignature[];
}
