import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { BoundRank, BoundSession } from './binding.js';
import { checkInput } from './input-check.js';
import { NativeError } from './native-error.js';
import { nativeLink, type Pending } from './native-link.js';
import type { Formation, LoadRank, Rank, RankEndpoint, RankOptions, RankProgram, RankRun, SegmentStep, Sharing } from './rank-contract.js';
import { encodeProgram } from './rank-program.js';
import { requestOf } from './session-request.js';
import type { NativeTensor, ValueDescription } from './tensor.js';
import { batch, formed } from './word-layout.js';

/** By the addon's numbers (Sharing of rank/shared_region.h). */
export const sharings: readonly Sharing[] = ['shared', 'other-host', 'no-space', 'forbidden', 'switched-off'];

const proofBytes = 32;
const greatestPort = 65_535;

/** Processes with the same text may share memory: the boot of the machine, as its kernel tells it. Whether they can is tried out by the ranks themselves. */
function hostName(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return hostname();
  }
}

/** What `from` shows to `to`: who does not know the token can neither make it nor use that of another pair or epoch. */
function proofOf(token: Buffer, epoch: number, from: number, to: number): Buffer {
  return createHmac('sha256', token).update(`mserve rank ${epoch} ${from} ${to}`).digest();
}

function proofsOf(formation: Formation, rank: number): Uint8Array {
  const size = formation.endpoints.length;
  const token = Buffer.from(formation.token, 'hex');
  const proofs = new Uint8Array(2 * size * proofBytes);
  for (let peer = 0; peer < size; peer++) {
    proofs.set(proofOf(token, formation.epoch, rank, peer), peer * proofBytes);
    proofs.set(proofOf(token, formation.epoch, peer, rank), (size + peer) * proofBytes);
  }
  return proofs;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= greatestPort;
}

/** The one implementation of {@link Rank}. */
class NativeRank implements Rank {
  readonly endpoint: RankEndpoint;
  readonly #bound: BoundRank;
  readonly #rank: number;
  readonly #rankSize: number;
  readonly #sharesMemory: boolean;
  readonly #inputs: readonly ValueDescription[];
  readonly #sessions: readonly BoundSession[];
  /** What the addon reads as long as the rank is open. */
  #keep: unknown;
  #epoch = -1;
  #lastBatch = -1;
  #sharing: readonly Sharing[] = [];
  #closing: Promise<void> | undefined;

  constructor(bound: BoundRank, program: RankProgram, options: RankOptions, sessions: readonly BoundSession[], keep: unknown) {
    this.#bound = bound;
    this.#rank = options.rank;
    this.#rankSize = options.rankSize;
    this.#sharesMemory = options.sharesMemory ?? true;
    this.#inputs = program.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape, dimNames: shape.map(() => '') }));
    this.#sessions = sessions;
    this.#keep = keep;
    nativeLink.reserveOutputs(Math.max(program.results.length, 1));
    this.endpoint = Object.freeze({ host: hostName(), address: options.address ?? '127.0.0.1', port: bound.port() });
  }

  get sharing(): readonly Sharing[] {
    return this.#sharing;
  }

  async form(formation: Formation): Promise<void> {
    if (this.#closing !== undefined) throw new NativeError('closed', 'the rank is closed');
    this.#check(formation);
    const { epoch, endpoints, deadlineMs } = formation;
    this.#epoch = epoch;
    this.#lastBatch = -1;
    const words = new Float64Array(formed.ports + endpoints.length);
    words[formed.epoch] = epoch;
    words[formed.deadlineMs] = deadlineMs;
    words[formed.sharesMemory] = this.#sharesMemory ? 1 : 0;
    endpoints.forEach(({ port }, peer) => (words[formed.ports + peer] = port));
    const addresses = endpoints.map(({ address }) => address);
    const [codes] = await this.#settled(undefined, (slot) => this.#bound.form(slot, words, addresses, proofsOf(formation, this.#rank)));
    const { buffer, byteOffset, byteLength } = codes!.bytes.slice();
    this.#sharing = Array.from(new Int32Array(buffer, byteOffset, byteLength / 4), (code) => sharings[code]!);
  }

  async run({ batch: number, inputs, wantResults, deadlineMs }: RankRun): Promise<NativeTensor[]> {
    if (this.#closing !== undefined) throw new NativeError('closed', 'the rank is closed');
    const words = this.#wordsOf(inputs);
    if (!Number.isSafeInteger(number) || number <= this.#lastBatch) {
      throw new NativeError(
        'input',
        `batch ${number} does not follow batch ${this.#lastBatch}: batches of an epoch have growing numbers, from 0`,
      );
    }
    if (!(deadlineMs > 0)) throw new NativeError('deadline', 'the time was over before the run began');
    this.#lastBatch = number;
    words[batch.number] = number;
    words[batch.wantsResults] = wantResults ? 1 : 0;
    words[batch.deadlineMs] = deadlineMs;
    let expiry: NodeJS.Timeout | undefined;
    const results = this.#settled(inputs, (slot) => {
      words[batch.slot] = slot;
      this.#bound.run(words, ...inputs.map((input) => input.bytes));
      // Waits end by themselves; this is for segments, and for runs that wait behind another one
      expiry = setTimeout(() => this.#bound.expire(slot), Math.min(deadlineMs, longestTimeoutMs));
    });
    try {
      return await results;
    } finally {
      clearTimeout(expiry);
    }
  }

  abort(reason: string): void {
    if (this.#closing === undefined) this.#bound.abort(reason);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await new Promise<void>((resolve) => {
      const slot = nativeLink.addPending({ keep: this, resolve: () => resolve(), reject: () => resolve(), settled: undefined });
      if (!this.#bound.close(slot)) nativeLink.takePending(slot)?.resolve([]);
    });
    await closeAll(this.#sessions);
    this.#keep = undefined;
  }

  /** What the addon settles under the slot that `begin` is given. */
  #settled(keep: unknown, begin: (slot: number) => void): Promise<NativeTensor[]> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { keep: [this, this.#keep, keep], resolve, reject, settled: undefined };
      const slot = nativeLink.addPending(pending);
      try {
        begin(slot);
      } catch (error) {
        nativeLink.takePending(slot);
        throw error instanceof NativeError ? error : new NativeError('closed', (error as Error).message, { cause: error });
      }
    });
  }

  #check({ epoch, token, endpoints, deadlineMs }: Formation): void {
    if (!Number.isSafeInteger(epoch) || epoch <= this.#epoch) {
      throw new NativeError('input', `epoch ${epoch} does not follow epoch ${this.#epoch}: every formation has a larger one, from 0`);
    }
    if (!/^(?:[0-9a-f]{2}){16,}$/i.test(token)) throw new NativeError('input', 'the token of a formation is at least 16 bytes as hex');
    if (endpoints.length !== this.#rankSize) {
      throw new NativeError('input', `a formation of ${this.#rankSize} ranks was given ${endpoints.length} endpoints`);
    }
    for (const [rank, { address, port }] of endpoints.entries()) {
      if (isIP(address) === 0 || !isPort(port) || port === 0) {
        throw new NativeError('input', `the endpoint of rank ${rank} is no IP address and port: ${JSON.stringify(address)}, ${port}`);
      }
    }
    if (!(deadlineMs > 0)) throw new NativeError('deadline', 'the time was over before the formation began');
  }

  #wordsOf(inputs: readonly NativeTensor[]): Float64Array {
    if (inputs.length !== this.#inputs.length) {
      throw new NativeError('input', `the rank takes ${this.#inputs.length} inputs, got ${inputs.length}`);
    }
    const words = new Float64Array(batch.inputs + inputs.reduce((sum, { shape }) => sum + 1 + shape.length, 0));
    let at: number = batch.inputs;
    for (const [index, input] of inputs.entries()) {
      checkInput(this.#inputs[index]!, input);
      words[at++] = input.shape.length;
      words.set(input.shape, at);
      at += input.shape.length;
    }
    return words;
  }
}

/** setTimeout cannot wait longer. */
const longestTimeoutMs = 2 ** 31 - 1;

function closeAll(sessions: readonly BoundSession[]): Promise<unknown> {
  return Promise.all(sessions.map((session) => new Promise<void>((resolve) => nativeLink.closeSession(session, resolve))));
}

function openSegment(step: SegmentStep, options: RankOptions['session']): Promise<BoundSession> {
  const request = requestOf(step.model, { ...options, initializers: step.initializers, concurrentRuns: 1 });
  return new Promise((resolve, reject) => nativeLink.openSession(request, undefined, { keep: request, resolve, reject }));
}

function checkOptions({ rank, rankSize, address = '127.0.0.1', port = 0, nccl }: RankOptions): void {
  if (nccl !== undefined && (!Number.isInteger(nccl.device) || nccl.device < 0)) {
    throw new NativeError('device', `nccl.device must be the number of a CUDA device, from 0, got ${String(nccl.device)}`);
  }
  if (!Number.isInteger(rankSize) || rankSize < 1) throw new NativeError('load', `rankSize must be a count, got ${String(rankSize)}`);
  if (!Number.isInteger(rank) || rank < 0 || rank >= rankSize) {
    throw new NativeError('load', `rank must be a number from 0 to ${rankSize - 1}, got ${String(rank)}`);
  }
  if (isIP(address) === 0) throw new NativeError('load', `address must be an IP address, got ${JSON.stringify(address)}`);
  if (!isPort(port)) throw new NativeError('load', `port must be a number from 0 to ${greatestPort}, got ${String(port)}`);
}

/** Loads a rank; see {@link LoadRank}. */
export const loadRank: LoadRank = async (program, options) => {
  checkOptions(options);
  const { words, constants } = encodeProgram(program, options.rank, options.rankSize);
  const sessions: BoundSession[] = [];
  try {
    for (const step of program.steps) {
      if (options.signal?.aborted) throw new NativeError('cancelled', 'loading the rank was cancelled');
      if (step.kind === 'segment') sessions.push(await openSegment(step, options.session));
    }
    if (options.signal?.aborted) throw new NativeError('cancelled', 'loading the rank was cancelled');
    const nccl = options.nccl && { ncclPath: '', cudaPath: '', ...options.nccl };
    const bound = nativeLink.openRank({
      rank: options.rank,
      address: options.address ?? '127.0.0.1',
      port: options.port ?? 0,
      program: words,
      sessions,
      constants,
      nccl,
    });
    return new NativeRank(bound, program, options, sessions, program);
  } catch (error) {
    await closeAll(sessions);
    throw error;
  }
};
