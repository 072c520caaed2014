import type { DType } from '@mserve/wire';
import type { Reduction } from '../graph/collective.js';
import type { NamedTensor } from '../onnx-model.js';

/** A value that crosses a cut; -1 = known only at run time. A shape whose rank is not known is []. */
export interface RankValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A part of a rank's graph between two collectives, as an ONNX model (see OnnxModel for `initializers`). */
export interface SegmentStep {
  readonly kind: 'segment';
  readonly model: Uint8Array;
  readonly initializers: readonly NamedTensor[];
  /** In the order of the ONNX model's inputs. */
  readonly inputs: readonly string[];
  /** In the order of the ONNX model's outputs. */
  readonly outputs: readonly string[];
}

/** What collectives over one tensor have. */
export interface OneTensor {
  readonly group: readonly number[];
  readonly input: string;
  readonly output: RankValue;
}

/** A collective of a rank's graph. All ranks are numbers in the world. */
export type CollectiveStep =
  | (OneTensor & { readonly kind: 'allReduce'; readonly reduction: Reduction })
  | (OneTensor & { readonly kind: 'allGather' })
  | (OneTensor & { readonly kind: 'reduceScatter'; readonly reduction: Reduction })
  | (OneTensor & { readonly kind: 'allToAll'; readonly splitAxis: number; readonly concatAxis: number })
  | {
      readonly kind: 'broadcast';
      readonly group: readonly number[];
      readonly root: number;
      readonly inputs: readonly string[];
      readonly outputs: readonly RankValue[];
    }
  | {
      readonly kind: 'neighborExchange';
      readonly group: readonly number[];
      readonly sendTo: readonly number[];
      readonly receiveFrom: readonly number[];
      readonly inputs: readonly string[];
      readonly outputs: readonly RankValue[];
    }
  | { readonly kind: 'send'; readonly group: readonly number[]; readonly to: number; readonly tag: number; readonly input: string }
  | {
      readonly kind: 'receive';
      readonly group: readonly number[];
      readonly from: number;
      readonly tag: number;
      readonly output: RankValue;
    };

/** What one rank does with a batch. The form is that of RankProgram in libs/native, which runs it. */
export interface RankProgram {
  /** Inputs that some step or result uses. */
  readonly inputs: readonly RankValue[];
  /** Weights and constants that a collective or a result takes as they are. */
  readonly constants: readonly NamedTensor[];
  readonly steps: readonly (SegmentStep | CollectiveStep)[];
  readonly results: readonly string[];
}
