import { ServingError, decodeInstances, failureFrom, failureOf } from '@mserve/wire';
import type { DirectPlace, Failure, HeldBytes, Instance, InstanceResult, PlacedResult, SharedPlace } from '@mserve/wire';
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

  constructor(private readonly results: readonly InstanceResult[]) {}

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

  /** The results, those that were added as references to what `keep` kept; undefined when it kept nothing of a group. */
  hold(
    keep: (outputs: readonly Instance[]) => { readonly sizes: readonly number[]; readonly held: HeldBytes } | undefined,
  ): PlacedResult[] | undefined {
    const placed: PlacedResult[] = [...this.results];
    for (const { indexes, outputs } of this.groups) {
      const kept = keep(outputs);
      if (kept === undefined) return undefined;
      const { owner, id, shared, direct } = kept.held;
      let offset = 0;
      for (let i = 0; i < indexes.length; i++) {
        const length = kept.sizes[i] as number;
        placed[indexes[i] as number] = { held: { owner, id, offset, length, shared, direct } };
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
  readonly shared: SharedPlace | undefined;
  readonly direct: DirectPlace | undefined;
  length: number;
  readonly indexes: number[];
  readonly sizes: number[];
}

/** Bytes that are held for one reader, as Bus.take gives them; a plain value when they are here. */
export type Take = (held: HeldBytes) => Uint8Array | Promise<Uint8Array>;

/**
 * The results of an answer, those that are held taken from their owner: what lies side by side in one fetch. Outputs that cannot be had became failures of
 * their instances. A plain value when nothing has to be waited for.
 */
export function takeResults(take: Take, results: readonly PlacedResult[]): InstanceResult[] | Promise<InstanceResult[]> {
  const taken = [...results] as InstanceResult[]; // every held one is replaced below
  const waits = rangesOf(results).flatMap((range) => takeRange(take, range, taken) ?? []);
  return waits.length === 0 ? taken : Promise.all(waits).then(() => taken);
}

function rangesOf(results: readonly PlacedResult[]): Range[] {
  const ranges: Range[] = [];
  for (const [index, result] of results.entries()) {
    if (isHere(result)) continue;
    const { owner, id, offset, length, shared, direct } = result.held;
    const last = ranges.at(-1);
    const isNext = last !== undefined && last.owner === owner && last.id === id && last.offset + last.length === offset;
    if (isNext && last.length + length <= maxGroupBytes) {
      last.length += length;
      last.indexes.push(index);
      last.sizes.push(length);
    } else ranges.push({ owner, id, offset, shared, direct, length, indexes: [index], sizes: [length] });
  }
  return ranges;
}

/** Never throws or rejects. */
function takeRange(take: Take, range: Range, taken: InstanceResult[]): Promise<void> | undefined {
  try {
    const bytes = take(range);
    if (bytes instanceof Uint8Array) put(range, bytes, taken);
    else return takeLater(bytes, range, taken);
  } catch (thrown) {
    putFailure(range, thrown, taken);
  }
  return undefined;
}

async function takeLater(bytes: Promise<Uint8Array>, range: Range, taken: InstanceResult[]): Promise<void> {
  try {
    put(range, await bytes, taken);
  } catch (thrown) {
    putFailure(range, thrown, taken);
  }
}

function put({ indexes, sizes }: Range, bytes: Uint8Array, taken: InstanceResult[]): void {
  const outputs = decodeInstances(sizes, bytes);
  for (let i = 0; i < indexes.length; i++) taken[indexes[i] as number] = { outputs: outputs[i] as Instance };
}

function putFailure({ indexes }: Range, thrown: unknown, taken: InstanceResult[]): void {
  const failure = failureOfTake(thrown);
  for (const index of indexes) taken[index] = { failure };
}

function failureOfTake(thrown: unknown): Failure {
  const error = ServingError.from(thrown);
  return error.code === 'RESOURCE_EXHAUSTED' ? failureOf('answer-too-large', { detail: error.message }) : failureFrom(error);
}
