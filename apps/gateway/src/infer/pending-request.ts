import type { TensorReader } from '@mserve/bus';
import type { Expiring } from '@mserve/event-loop';
import type { Span } from '@mserve/metrics';
import {
  grantOf,
  isFailure,
  sliceInstances,
  type Failure,
  type InstanceResult,
  type Instances,
  type Ticket,
  type Answer,
  type Reason,
  type Refusal,
  type SecretNumbers,
  type StepTimes,
} from '@mserve/wire';
import type { IngressRequest } from '../edge/ingress.js';
import type { InferRequest } from '../protocols/protocol.js';
import { watchOf } from './request-span.js';

/** A request that the gateway owes an answer: keeps its instances until every one of them has a result. */
export class PendingRequest implements Expiring, TensorReader {
  deadlineIndex = -1;
  /** It named no version: the latest one is meant, whichever that is now. */
  isForLatest = false;
  /** Whom the ticket went to last. */
  scheduler = '';
  private timesSent = 0;
  /** When its bytes were read, on performance.now()'s clock; 0 when nobody asks. */
  decodedAt = 0;
  /** In which its bytes were read; 0 when nobody asks. */
  decodeSeconds = 0;
  /** Its answers shall tell their steps. */
  isTimed = false;
  /** Of the answer that came last. */
  steps: StepTimes | undefined = undefined;
  /** Of the whole request, when it is traced. */
  span: Span | undefined = undefined;
  /** Names it on the bus. A request that begins again gets another one: late results of its first ticket are nobody's. */
  readonly ticketId: number;
  /** Whoever answers it has a grant that was made with this. */
  private readonly key: number;
  private readonly count: number;
  private missing: number;
  private results: (InstanceResult | undefined)[] | undefined;
  /** Made when it is asked for: most outputs come with their answer. */
  private reading: AbortController | undefined = undefined;

  constructor(
    readonly request: IngressRequest,
    readonly infer: InferRequest,
    readonly placed: Instances,
    readonly deadlineAt: number,
    /** When it came, on performance.now()'s clock. */
    readonly cameAt: number,
    secrets: SecretNumbers,
    /** How often it began again: its version had gone, or its tensors. */
    readonly moves = 0,
  ) {
    this.ticketId = secrets.next();
    this.key = secrets.next();
    this.count = infer.instances.length;
    this.missing = this.count;
  }

  /** It takes the place of one that begins again: what is known of that one's way so far is known of this one. */
  follows(before: PendingRequest): void {
    this.isForLatest = before.isForLatest;
    this.decodedAt = before.decodedAt;
    this.decodeSeconds = before.decodeSeconds;
    this.isTimed = before.isTimed;
    this.span = before.span;
    before.span = undefined;
    this.span?.event('begins again');
  }

  sentTo(scheduler: string): void {
    this.scheduler = scheduler;
    this.timesSent++;
  }

  /** One scheduler has the ticket, and its request began but once: when it is answered, nobody works on it any more. */
  get wasSentOnce(): boolean {
    return this.timesSent === 1 && this.moves === 0;
  }

  get isComplete(): boolean {
    return this.missing === 0;
  }

  get readingSignal(): AbortSignal {
    this.reading ??= new AbortController();
    return this.reading.signal;
  }

  /** Outputs that are still with their worker are no longer worth fetching. */
  stopReading(): void {
    this.reading?.abort();
  }

  /** Whether an answer comes from a worker that was given its instances. */
  isGranted(answer: Answer): boolean {
    const { attempt, firstInstance, results, grant } = answer;
    const isOwn = answer.grantedInstances === 0;
    const first = isOwn ? firstInstance : answer.grantedFirst;
    const count = isOwn ? results.length : answer.grantedInstances;
    if (firstInstance < first || firstInstance + results.length > first + count) return false;
    return grant === grantOf(this.key, attempt, first, count);
  }

  /** Whether a refusal comes from a scheduler that was given the ticket. */
  isFromScheduler({ key }: Refusal): boolean {
    return key === this.key;
  }

  /**
   * Takes results of the instances from `firstInstance` on; the first result of an instance wins.
   * Returns how many were of no use: there already, or outside of the request.
   */
  take(firstInstance: number, results: readonly InstanceResult[]): number {
    if (firstInstance === 0 && results.length === this.count && this.results === undefined) {
      this.results = results as InstanceResult[];
      this.missing = 0;
      return 0;
    }
    // A complete list may be the sender's own: it is never written to
    if (this.missing === 0) return results.length;
    const own = (this.results ??= new Array<InstanceResult | undefined>(this.count).fill(undefined));
    let useless = 0;
    for (let i = 0; i < results.length; i++) {
      const at = firstInstance + i;
      if (at < 0 || at >= this.count || own[at] !== undefined) useless++;
      else {
        own[at] = results[i];
        this.missing--;
      }
    }
    return useless;
  }

  /** In request order; only when complete. */
  completeResults(): readonly InstanceResult[] {
    if (this.missing > 0 || this.results === undefined) throw new TypeError('results are missing');
    return this.results as InstanceResult[];
  }

  /** Why an instance was not run at all: its servable version has gone. Only when complete. */
  get versionGone(): Failure | undefined {
    return this.failureOf('servable-unavailable');
  }

  /** Whether inputs or outputs of an instance could not be fetched from the process that had them. Only when complete. */
  get hasLostTensors(): boolean {
    return this.failureOf('tensors-lost') !== undefined;
  }

  /** Of the first instance that failed. Only when complete. */
  get firstFailure(): Failure | undefined {
    for (const result of this.completeResults()) if (isFailure(result)) return result.failure;
    return undefined;
  }

  /** Tickets for what has no result yet: one, or one for each gap. */
  tickets(gateway: string): Ticket[] {
    const { results } = this;
    if (results === undefined) return [this.ticket(gateway, 0, this.count)];
    const tickets: Ticket[] = [];
    for (let from = 0; from < this.count; from++) {
      if (results[from] !== undefined) continue;
      let to = from + 1;
      while (to < this.count && results[to] === undefined) to++;
      tickets.push(this.ticket(gateway, from, to));
      from = to;
    }
    return tickets;
  }

  /** The first failure of an instance that has this reason. */
  private failureOf(reason: Reason): Failure | undefined {
    for (const result of this.results ?? []) {
      if (result !== undefined && isFailure(result) && result.failure.reason === reason) return result.failure;
    }
    return undefined;
  }

  private ticket(gateway: string, from: number, to: number): Ticket {
    const { target, priority, context } = this.infer;
    return {
      gateway,
      id: this.ticketId,
      key: this.key,
      attempt: 1,
      servable: target.servable,
      version: target.version,
      method: target.method.name,
      firstInstance: from,
      instances: sliceInstances(this.placed, from, to),
      deadlineAt: this.deadlineAt,
      priority,
      watch: watchOf(this.span, this.request, this.isTimed),
      context,
    };
  }
}
