import type { DTypeEntry } from '@mserve/wire';

/** An output over all instances; its elements are the parts, one after the other. */
export interface StackedOutput {
  readonly name: string;
  readonly entry: DTypeEntry;
  readonly shape: readonly number[];
  readonly parts: readonly Uint8Array[];
}
