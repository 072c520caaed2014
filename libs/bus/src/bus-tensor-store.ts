import { ServingError, decodeInstances, encodeInstances, encodeInstancesInto, isFailure } from '@mserve/wire';
import type { DirectPlace, HeldBytes, Instance, InstanceResult, Instances, PlacedResult, SharedPlace } from '@mserve/wire';
import type { Bus } from './bus.js';
import { OwnerUnreachable, type DirectReader } from './direct/direct-reader.js';
import { HeldOutputs, bytesOf, takeResults } from './held-outputs.js';
import { isHere } from './placed-result.js';
import { BorrowedMemory, type SharedBytes, type SharedMemory } from './shared-memory.js';
import type { TensorReader, TensorStore } from './tensor-store.js';
import type { TensorCounts, TensorDetour, TensorWay } from './tensor-ways.js';

/** Up to how many bytes of instances go along with a ticket. */
const maxInlineBytes = 8192;
const mostReached = 4096;

export interface BusTensorStoreOptions {
  /** What large tensors go through where their reader is on this machine. Default: none, they are fetched over the bus. */
  readonly memory?: SharedMemory | undefined;
  /** From how many bytes on the tensors of a ticket or an answer go through it. */
  readonly fromBytes?: number | undefined;
  /** How bytes come from owners that give them over TCP. Default: over the bus. */
  readonly direct?: DirectReader | undefined;
  /** Where this process gives them so. Default: nowhere. */
  readonly directPlace?: DirectPlace | undefined;
  /** Told of the first detour of each kind. */
  readonly onDetour?: ((detour: TensorDetour) => void) | undefined;
}

/**
 * The store of fleet mode: small instances go along with the ticket, large ones stay with their owner until they are released. Readers on the same machine read those where they are, others fetch
 * them over the bus.
 */
export class BusTensorStore implements TensorStore {
  private readonly memory: SharedMemory | undefined;
  private readonly fromBytes: number;
  private readonly direct: DirectReader | undefined;
  private readonly directPlace: DirectPlace | undefined;
  private readonly onDetour: (detour: TensorDetour) => void;
  private readonly bytes: Record<TensorWay, number> = { inline: 0, shared: 0, direct: 0, bus: 0 };
  private readonly detours: Record<TensorDetour, number> = { 'no-room': 0, apart: 0, gone: 0, unreachable: 0 };
  /** Slabs of other processes that were read from. */
  private readonly reached = new Set<number>();

  constructor(
    private readonly bus: Bus,
    { memory, fromBytes = maxInlineBytes, direct, directPlace, onDetour = () => undefined }: BusTensorStoreOptions = {},
  ) {
    this.fromBytes = fromBytes;
    this.direct = direct;
    this.directPlace = directPlace;
    this.memory = memory;
    this.onDetour = onDetour;
  }

  get counts(): TensorCounts {
    return { bytes: this.bytes, detours: this.detours };
  }

  /** RESOURCE_EXHAUSTED for more instances than a ticket may carry. */
  place(instances: readonly Instance[]): Instances {
    if (this.memory !== undefined && bytesOfAll(instances) >= this.fromBytes) {
      const shared = this.share(instances, (bytes, onForgotten) => this.bus.hold(bytes, onForgotten));
      if (shared !== undefined) return { kind: 'held', ...shared };
    }
    const { sizes, bytes } = encodeInstances(instances);
    if (bytes.byteLength <= maxInlineBytes) return { kind: 'inline', sizes, bytes };
    return { kind: 'held', sizes, held: this.withDirect(this.bus.hold(bytes)) };
  }

  /** INVALID_ARGUMENT (thrown, or rejected when they had to be fetched) for bytes that are not such instances. Tensors are views. */
  read(instances: Instances, reader?: TensorReader): readonly Instance[] | Promise<readonly Instance[]> {
    if (instances.kind === 'inline') {
      this.bytes.inline += instances.bytes.byteLength;
      return decodeInstances(instances.sizes, instances.bytes);
    }
    if (instances.kind === 'held') {
      const { sizes, held } = instances;
      const bytes = this.readShared(held);
      return bytes instanceof Uint8Array ? decodeInstances(sizes, bytes) : this.fetch(sizes, held, bytes, reader);
    }
    throw new ServingError('INVALID_ARGUMENT', 'instances are local, this process takes those that travelled only');
  }

  /** Outputs go along up to half of what the bus sends in one piece, where shared memory does not take them: holding what is smaller would cost a round trip more. */
  placeResults(results: readonly InstanceResult[]): readonly PlacedResult[] {
    return this.shareResults(results) ?? this.holdResults(results);
  }

  readResults(results: readonly PlacedResult[], reader?: TensorReader): readonly InstanceResult[] | Promise<readonly InstanceResult[]> {
    if (!results.every(isHere)) return takeResults((held) => this.take(held, reader), results);
    this.bytes.inline += bytesOfResults(results);
    return results;
  }

  releaseResults(results: readonly PlacedResult[]): void {
    for (const result of results) if (!isHere(result)) this.bus.release(result.held);
  }

  release(instances: Instances): void {
    if (instances.kind === 'held') this.bus.release(instances.held);
  }

  borrowedBy(read: readonly (Instance | InstanceResult)[]): BorrowedMemory | undefined {
    return this.memory && BorrowedMemory.of(this.memory, read);
  }

  /** Those outputs of an answer that are worth it; undefined when there is no room for all of them. */
  private shareResults(results: readonly InstanceResult[]): PlacedResult[] | undefined {
    if (this.memory === undefined || bytesOfResults(results) < this.fromBytes) return undefined;
    const outputs = new HeldOutputs(results);
    for (let i = 0; i < results.length; i++) {
      const result = results[i] as InstanceResult;
      if (!isFailure(result)) outputs.add(i, result.outputs, bytesOf(result.outputs));
    }
    const kept: HeldBytes[] = [];
    const placed = outputs.hold((group) => {
      const shared = this.share(group, (bytes, onForgotten) => this.bus.holdForOne(bytes, undefined, onForgotten));
      if (shared !== undefined) kept.push(shared.held);
      return shared;
    });
    if (placed === undefined) for (const held of kept) this.bus.release(held);
    return placed;
  }

  private holdResults(results: readonly InstanceResult[]): readonly PlacedResult[] {
    const most = this.bus.maxMessageBytes / 2;
    let bytesAlong = 0;
    let outputs: HeldOutputs | undefined;
    for (let i = 0; i < results.length; i++) {
      const result = results[i] as InstanceResult;
      if (isFailure(result)) continue;
      const bytes = bytesOf(result.outputs);
      if (bytesAlong + bytes <= most) bytesAlong += bytes;
      else (outputs ??= new HeldOutputs(results)).add(i, result.outputs, bytes);
    }
    const placed = outputs?.hold((group) => {
      const { sizes, bytes } = encodeInstances(group);
      return { sizes, held: this.withDirect(this.bus.holdForOne(bytes)) };
    });
    return placed ?? results;
  }

  /** Undefined when there is no room. */
  private share(
    instances: readonly Instance[],
    hold: (bytes: Uint8Array, onForgotten: () => void) => HeldBytes,
  ): { readonly sizes: readonly number[]; readonly held: HeldBytes } | undefined {
    let room: SharedBytes | undefined;
    const written = encodeInstancesInto(instances, (size) => (room = this.memory?.place(size))?.bytes);
    if (written === undefined || room === undefined) {
      this.detour('no-room');
      return undefined;
    }
    const { free, place } = room;
    return { sizes: written.sizes, held: { ...this.withDirect(hold(written.bytes, free)), shared: place } };
  }

  /** Bytes that their owner shares, where they are; undefined when they have to be fetched. */
  private readShared({ offset, length, shared }: HeldBytes): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (shared === undefined || this.memory === undefined) return undefined;
    const bytes = this.memory.read(shared, offset, length);
    return bytes instanceof Promise ? bytes.then((read) => this.sharedRead(shared, read)) : this.sharedRead(shared, bytes);
  }

  private sharedRead({ slab }: SharedPlace, bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes === undefined) this.detour(this.reached.has(slab) ? 'gone' : 'apart');
    else {
      this.bytes.shared += bytes.byteLength;
      if (this.reached.size >= mostReached) this.reached.clear();
      this.reached.add(slab);
    }
    return bytes;
  }

  /** Like Bus.take. */
  private take(held: HeldBytes, reader: TensorReader | undefined): Uint8Array | Promise<Uint8Array> {
    const bytes = this.readShared(held);
    if (bytes instanceof Uint8Array) {
      // What is read in place stays until it is given back
      this.bus.release(held);
      return bytes;
    }
    return this.takeLater(held, bytes, reader);
  }

  private async takeLater(
    held: HeldBytes,
    opening: Promise<Uint8Array | undefined> | undefined,
    reader: TensorReader | undefined,
  ): Promise<Uint8Array> {
    const shared = await opening;
    if (shared !== undefined) {
      this.bus.release(held);
      return shared;
    }
    const signal = reader?.readingSignal;
    const direct = await this.takeDirect(held, signal);
    if (direct !== undefined) return direct;
    const bytes = await this.bus.take(held, signal);
    this.bytes.bus += bytes.byteLength;
    return bytes;
  }

  private async fetch(
    sizes: readonly number[],
    held: HeldBytes,
    opening: Promise<Uint8Array | undefined> | undefined,
    reader: TensorReader | undefined,
  ): Promise<readonly Instance[]> {
    const shared = await opening;
    if (shared !== undefined) return decodeInstances(sizes, shared);
    const signal = reader?.readingSignal;
    const direct = await this.fetchDirect(held, signal);
    if (direct !== undefined) return decodeInstances(sizes, direct);
    const bytes = await this.bus.fetch(held, signal);
    this.bytes.bus += bytes.byteLength;
    return decodeInstances(sizes, bytes);
  }

  private withDirect(held: HeldBytes): HeldBytes {
    return this.directPlace === undefined ? held : { ...held, direct: this.directPlace };
  }

  /** Like Bus.take; undefined where there is no such way. */
  private async takeDirect(held: HeldBytes, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.fetchDirect(held, signal);
      if (bytes !== undefined) this.bus.release(held);
      return bytes;
    } catch (thrown) {
      this.bus.release(held);
      throw thrown;
    }
  }

  /** Like Bus.fetch; undefined where there is no such way. */
  private async fetchDirect(held: HeldBytes, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const fetching = this.direct?.fetch(held, signal);
    if (fetching === undefined) return undefined;
    try {
      const bytes = await fetching;
      this.bytes.direct += bytes.byteLength;
      return bytes;
    } catch (thrown) {
      if (!(thrown instanceof OwnerUnreachable)) throw thrown;
      this.detour('unreachable');
      return undefined;
    }
  }

  private detour(detour: TensorDetour): void {
    if (this.detours[detour]++ === 0) this.onDetour(detour);
  }
}

function bytesOfAll(instances: readonly Instance[]): number {
  let bytes = 0;
  for (let i = 0; i < instances.length; i++) bytes += bytesOf(instances[i] as Instance);
  return bytes;
}

function bytesOfResults(results: readonly InstanceResult[]): number {
  let bytes = 0;
  for (let i = 0; i < results.length; i++) {
    const result = results[i] as InstanceResult;
    if (!isFailure(result)) bytes += bytesOf(result.outputs);
  }
  return bytes;
}
