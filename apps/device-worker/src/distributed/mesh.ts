import { setTimeout as delay } from 'node:timers/promises';
import { agentSubjects, decodeRankAnswer, encodeRankFrame, type Bus, type RankBatch } from '@mserve/bus';
import type { RankSubgraph } from '@mserve/mindir';
import type { NativeTensor } from '@mserve/native';
import { ServingError } from '@mserve/wire';
import type { Member } from './agent-roster.js';
import { causeOf, errorOf, isRetryable, RankFailure } from './rank-failure.js';

/** What a batch came to. */
export type BatchOutcome = { readonly outputs: readonly NativeTensor[] } | { readonly error: Error; readonly isRetryable: boolean };

/** What an answer may take beyond the time that the rank has. */
const answerMs = 1_000;
/** How long the others may take, after the first failure, to say why they failed. */
const settleMs = 500;

/** The ranks of one epoch, which exchange tensors until one of them fails. */
export class Mesh {
  /** Resolves when it is broken. */
  readonly broken: Promise<void>;
  private onBroken: () => void = () => undefined;
  private isOver = false;
  /** End batches in hand. */
  private readonly inHand = new Set<() => void>();
  /** Batches so far, by subgraph. */
  private readonly batches: number[];

  constructor(
    private readonly bus: Bus,
    readonly epoch: number,
    /** By rank. */
    readonly members: readonly Member[],
    /** By rank and subgraph. */
    private readonly ranks: readonly (readonly RankSubgraph[])[],
    /** Tells all ranks to leave. */
    private readonly abort: (reason: string) => void,
  ) {
    this.batches = (ranks[0] ?? []).map(() => 0);
    this.broken = new Promise((resolve) => (this.onBroken = resolve));
  }

  get isBroken(): boolean {
    return this.isOver;
  }

  /** Its ranks leave it; batches in hand fail. */
  break(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onBroken();
    for (const end of this.inHand) end();
    this.abort(reason);
  }

  /** Runs one batch. Never rejects. When `signal` is aborted nobody waits for the result; the ranks finish the batch all the same. */
  async run(subgraph: number, inputs: readonly NativeTensor[], deadlineMs: number, signal?: AbortSignal): Promise<BatchOutcome> {
    if (this.isOver) return { error: new ServingError('UNAVAILABLE', 'the ranks have left their mesh'), isRetryable: true };
    const failures: RankFailure[] = [];
    // All ranks are asked in this turn: batches come to each of them in the order of their numbers
    const answers = this.ask(subgraph, inputs, deadlineMs).map((answer) =>
      answer.catch((thrown: unknown) => {
        const failure = thrown instanceof RankFailure ? thrown : new RankFailure(0, 'protocol', String(thrown));
        failures.push(failure);
        this.break(`rank ${failure.rank} failed: ${failure.message}`);
        return undefined;
      }),
    );
    const last = answers[answers.length - 1] ?? Promise.resolve(undefined);
    const result = await this.firstOf(last, signal);
    if (result === 'cancelled') return { error: new ServingError('CANCELLED', 'nobody waits for the batch any more'), isRetryable: false };
    if (result !== undefined) return { outputs: result };
    // The result may be on its way although a rank failed behind it
    const late = await Promise.race([Promise.all(answers).then(() => last), delay(settleMs, undefined)]);
    if (late !== undefined) return { outputs: late };
    const cause = causeOf(failures);
    return { error: errorOf(cause), isRetryable: isRetryable(cause) };
  }

  /** The result; undefined when a rank failed or the mesh broke. */
  private async firstOf(
    result: Promise<NativeTensor[] | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<NativeTensor[] | undefined | 'cancelled'> {
    let end: (outcome: undefined | 'cancelled') => void = () => undefined;
    const ended = new Promise<undefined | 'cancelled'>((resolve) => (end = resolve));
    const onBroken = (): void => end(undefined);
    const onAbort = (): void => end('cancelled');
    this.inHand.add(onBroken);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    if (this.isOver) onBroken();
    try {
      return await Promise.race([result, ended]);
    } finally {
      this.inHand.delete(onBroken);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** One answer per rank; rejects with a RankFailure. */
  private ask(subgraph: number, inputs: readonly NativeTensor[], deadlineMs: number): Promise<NativeTensor[]>[] {
    const batch = (this.batches[subgraph] ?? 0) + 1;
    this.batches[subgraph] = batch;
    const frames = new Map<string, Uint8Array>();
    return this.members.map((member, rank) => {
      const wantResults = rank === this.members.length - 1;
      const uses = this.ranks[rank]?.[subgraph]?.uses ?? [];
      const key = `${wantResults} ${uses.join()}`;
      let frame = frames.get(key);
      if (frame === undefined) {
        const head: RankBatch = { worker: this.bus.address, epoch: this.epoch, subgraph, batch, wantResults, deadlineMs };
        frame = encodeRankFrame(
          head,
          uses.flatMap((index) => inputs[index] ?? []),
        );
        frames.set(key, frame);
      }
      return this.answer(member, frame, deadlineMs);
    });
  }

  private async answer({ address, rank }: Member, frame: Uint8Array, deadlineMs: number): Promise<NativeTensor[]> {
    let body: Uint8Array;
    try {
      body = await this.bus.request(address, agentSubjects.predict, frame, { timeoutMs: deadlineMs + answerMs });
    } catch (thrown) {
      const { code, message } = ServingError.from(thrown);
      throw new RankFailure(rank, code === 'DEADLINE_EXCEEDED' ? 'deadline' : 'lost', message);
    }
    const { head, tensors } = decodeRankAnswer(body);
    if (head.failure !== undefined) throw new RankFailure(rank, head.failure.kind, head.failure.message, head.failure.runtimeCode);
    return tensors.map(({ dtype, shape, bytes }) => {
      if (dtype === 'bytes') throw new RankFailure(rank, 'protocol', 'it gave a bytes tensor');
      return { dtype, shape, bytes };
    });
  }
}
