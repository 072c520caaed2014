import type { NativeTensor, RunOptions, SessionDescription } from '@mserve/native';

/** A loaded model (one subgraph) as the executor uses it; `Session` of @mserve/native is one, specs have their own. */
export interface ModelSession {
  /** Inputs and outputs, in the order that run() takes and gives them. */
  describe(): SessionDescription;
  /**
   * Inputs in the order of the description (`inputs`, then `defaults`, undefined for the model's own value), outputs likewise. Inputs are not written to until the run is over; outputs are the caller's.
   * Never blocks; rejects when the run failed or was ended by `signal`. With `atOnce` it may give the outputs, or throw, when that is known already.
   */
  run(inputs: readonly (NativeTensor | undefined)[], options?: RunOptions): readonly NativeTensor[] | Promise<readonly NativeTensor[]>;
}
