import { ServingError, decodeInstances, encodeInstances, failureFrom, failureOf } from '@mserve/wire';
import type { Failure, Instance, InstanceResult, PlacedResult } from '@mserve/wire';
import type { Bus } from './bus.js';
import { isHere } from './placed-result.js';

/** Outputs of several instances are held, and taken, together up to this many bytes; more of them only when one instance alone has more. */
const maxGroupBytes = 64 * 1024 * 1024;

/** Instances of one answer whose outputs stay with their worker, and are held as one. */
interface Group {
  readonly indexes: number[];
  readonly outputs: Instance[];
  bytes: number;
}

/** Bytes of the tensors of one instance. */
export function bytesOf(outputs: Instance): number {
  let bytes = 0;
  for (let i = 0; i < outputs.length; i++) bytes += outputs[i]?.bytes.byteLength ?? 0;
  return bytes;
}

/**
 * The outputs of one answer that stay with their worker. Those of several instances are held one after the other under one id, each result refers to its
 * part: a reader may take them together, or each for itself.
 */
export class HeldOutputs {
  private readonly groups: Group[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly results: readonly InstanceResult[],
  ) {}

  /** The outputs of the result at `index` stay here; they have so many bytes. */
  add(index: number, outputs: Instance, bytes: number): void {
    const last = this.groups.at(-1);
    if (last === undefined || last.bytes + bytes > maxGroupBytes) {
      this.groups.push({ indexes: [index], outputs: [outputs], bytes });
      return;
    }
    last.indexes.push(index);
    last.outputs.push(outputs);
    last.bytes += bytes;
  }

  /** The results, those that were added as references. */
  hold(): PlacedResult[] {
    const placed: PlacedResult[] = [...this.results];
    for (const { indexes, outputs } of this.groups) {
      const { sizes, bytes } = encodeInstances(outputs);
      const { owner, id } = this.bus.holdForOne(bytes);
      let offset = 0;
      for (let i = 0; i < indexes.length; i++) {
        const length = sizes[i] as number;
        placed[indexes[i] as number] = { held: { owner, id, offset, length } };
        offset += length;
      }
    }
    return placed;
  }
}

/** Results whose outputs lie side by side at their owner. */
interface Range {
  readonly owner: string;
  readonly id: number;
  readonly offset: number;
  length: number;
  readonly indexes: number[];
  readonly sizes: number[];
}

/**
 * The results of an answer, those that are held taken from their owner: what lies side by side in one fetch. Outputs that cannot be had become failures of
 * their instances.
 */
export async function takeResults(bus: Bus, results: readonly PlacedResult[], signal: AbortSignal | undefined): Promise<InstanceResult[]> {
  const taken = [...results] as InstanceResult[]; // every held one is replaced below
  await Promise.all(rangesOf(results).map((range) => takeRange(bus, range, taken, signal)));
  return taken;
}

function rangesOf(results: readonly PlacedResult[]): Range[] {
  const ranges: Range[] = [];
  for (const [index, result] of results.entries()) {
    if (isHere(result)) continue;
    const { owner, id, offset, length } = result.held;
    const last = ranges.at(-1);
    const isNext = last !== undefined && last.owner === owner && last.id === id && last.offset + last.length === offset;
    if (isNext && last.length + length <= maxGroupBytes) {
      last.length += length;
      last.indexes.push(index);
      last.sizes.push(length);
    } else ranges.push({ owner, id, offset, length, indexes: [index], sizes: [length] });
  }
  return ranges;
}

/** Never rejects. */
async function takeRange(bus: Bus, range: Range, taken: InstanceResult[], signal: AbortSignal | undefined): Promise<void> {
  const { owner, id, offset, length, indexes, sizes } = range;
  try {
    const outputs = decodeInstances(sizes, await bus.take({ owner, id, offset, length }, signal));
    for (let i = 0; i < indexes.length; i++) taken[indexes[i] as number] = { outputs: outputs[i] as Instance };
  } catch (thrown) {
    const failure = failureOfTake(thrown);
    for (const index of indexes) taken[index] = { failure };
  }
}

function failureOfTake(thrown: unknown): Failure {
  const error = ServingError.from(thrown);
  return error.code === 'RESOURCE_EXHAUSTED' ? failureOf('answer-too-large', { detail: error.message }) : failureFrom(error);
}
