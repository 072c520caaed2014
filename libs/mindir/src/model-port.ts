import type { DType } from '@mserve/wire';

/** An input or output of a model. */
export interface ModelPort {
  readonly name: string;
  readonly dtype: DType;
  /** -1 = decided at run time. Undefined: not even the rank is known. */
  readonly shape: readonly number[] | undefined;
}
