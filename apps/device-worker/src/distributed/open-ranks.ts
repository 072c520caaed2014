import type { ModelPort } from '@mserve/mindir';
import type { NativeTensor, RunOptions, SessionDescription, ValueDescription } from '@mserve/native';
import { ServingError } from '@mserve/wire';
import type { ModelSession } from '../execution/model-session.js';
import type { Coordinator } from './coordinator.js';

/**
 * Waits for the agents of a distributed model and gives a session for each subgraph. Closing the first one gives the agents free. Rejects as
 * {@link Coordinator.start} does; aborting `signal` ends the waiting.
 */
export async function openRanks(coordinator: Coordinator, signal?: AbortSignal): Promise<RankedSession[]> {
  const onAbort = (): void => void coordinator.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await coordinator.start();
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
  const [first, last] = [coordinator.ranks[0] ?? [], coordinator.ranks.at(-1) ?? []];
  return first.map(({ inputs }, subgraph) => new RanksSession(coordinator, subgraph, inputs, last[subgraph]?.outputs ?? []));
}

/** One subgraph of a distributed model, until it is closed. */
export interface RankedSession extends ModelSession {
  close(): Promise<void>;
}

/** One subgraph of a distributed model, as a worker runs any other model. */
class RanksSession implements RankedSession {
  private readonly description: SessionDescription;

  constructor(
    private readonly coordinator: Coordinator,
    private readonly subgraph: number,
    inputs: readonly ModelPort[],
    outputs: readonly ModelPort[],
  ) {
    this.description = { inputs: inputs.map(valueOf), outputs: outputs.map(valueOf) };
  }

  describe(): SessionDescription {
    return this.description;
  }

  run(inputs: readonly NativeTensor[], options?: RunOptions): Promise<readonly NativeTensor[]> {
    return this.coordinator.predict(this.subgraph, inputs, options?.signal);
  }

  close(): Promise<void> {
    return this.coordinator.close();
  }
}

function valueOf({ name, dtype, shape }: ModelPort): ValueDescription {
  if (dtype === 'bytes') throw new ServingError('INVALID_ARGUMENT', `'${name}' is a bytes tensor, which ranks do not exchange`);
  return { name, dtype, shape: shape ?? [], dimNames: (shape ?? []).map((dim, axis) => (dim === -1 ? `${name}_dim${axis}` : '')) };
}
