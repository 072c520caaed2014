import { LatencyHistogram } from './latency-histogram.js';
import type { CallFailure, LoadClient } from './load-clients.js';
import type { RequestBody } from './request-bodies.js';

/** How a load is sent. */
export interface LoadPlan {
  /** Most requests on their way at a time. */
  readonly concurrency: number;
  /** Open loop: requests a second, whatever the server does. undefined = closed loop: the next request when one is answered. */
  readonly rate?: number | undefined;
  /** Open loop: gaps between requests differ as those of independent clients (exponential); else they are the same. */
  readonly random?: (() => number) | undefined;
  /** Ends after so many seconds, */
  readonly seconds?: number | undefined;
  /** or after so many requests, whichever comes first. */
  readonly requests?: number | undefined;
  /** Seconds before anything is counted. */
  readonly warmUpSeconds: number;
}

/** Failed requests of one kind; the text is that of the first. */
export interface FailureCount extends CallFailure {
  readonly count: number;
}

/** What a load saw. */
export interface LoadResult {
  /** Answered, failed ones included; of the warm-up none. */
  readonly requests: number;
  readonly failed: number;
  readonly failures: readonly FailureCount[];
  /** Open loop: whose time had come, but that never went out: `concurrency` others were still on their way. */
  readonly unsent: number;
  /** On their way when the load was stopped. */
  readonly unfinished: number;
  /** From the end of the warm-up to the last answer. */
  readonly seconds: number;
  /** Of requests that succeeded. Open loop: from when each was due, so that a server that stalls cannot hide it; closed loop: from when it was sent. */
  readonly latency: LatencyHistogram;
  /** Of requests that succeeded, from when each was sent. */
  readonly service: LatencyHistogram;
}

const mostFailureKinds = 20;
/** A server that is gone is asked again after so long. */
const connectionPauseMs = 100;

/** One run of a load. */
export class Load {
  private readonly latency = new LatencyHistogram();
  private readonly service = new LatencyHistogram();
  private readonly failures = new Map<string, { status: string; text: string; count: number }>();
  private answered = 0;
  private failed = 0;
  private sent = 0;
  private inHand = 0;
  private begunAt = 0;
  private lastAt = 0;
  private dueCounted = 0;
  private isOver = false;
  private wake: (() => void) | undefined;

  /** @param bodies sent in turn */
  constructor(
    private readonly client: LoadClient,
    private readonly bodies: readonly RequestBody[],
    private readonly plan: LoadPlan,
  ) {}

  /** So far, for a line of progress. */
  get progress(): { readonly seconds: number; readonly answered: number; readonly failed: number; readonly inHand: number } {
    const seconds = Math.max(0, (performance.now() - this.begunAt) / 1000);
    return { seconds, answered: this.answered, failed: this.failed, inHand: this.inHand };
  }

  /** Sends until the plan is done, or `stop` aborts: then without waiting for what is on its way. */
  async run(stop: AbortSignal): Promise<LoadResult> {
    const { plan } = this;
    this.begunAt = performance.now() + plan.warmUpSeconds * 1000;
    this.lastAt = this.begunAt;
    const end = (): void => {
      this.isOver = true;
      this.wake?.();
    };
    stop.addEventListener('abort', end, { once: true });
    const timer = plan.seconds === undefined ? undefined : setTimeout(end, (plan.warmUpSeconds + plan.seconds) * 1000);
    if (stop.aborted) this.isOver = true;
    const unsent = plan.rate === undefined ? await this.closedLoop() : await this.openLoop(plan.rate);
    clearTimeout(timer);
    while (this.inHand > 0 && !stop.aborted) await this.changed();
    stop.removeEventListener('abort', end);
    return {
      requests: this.answered,
      failed: this.failed,
      failures: [...this.failures.values()].sort((a, b) => b.count - a.count),
      unsent,
      unfinished: this.inHand,
      seconds: (this.lastAt - this.begunAt) / 1000,
      latency: this.latency,
      service: this.service,
    };
  }

  private async closedLoop(): Promise<number> {
    while (this.mayGoOn()) {
      if (this.inHand < this.plan.concurrency) this.send(performance.now());
      else await this.changed();
    }
    return 0;
  }

  /** Requests have their times before the load begins: a late one is sent at once, and counts from its time. Resolves with how many were never sent. */
  private async openLoop(rate: number): Promise<number> {
    const { random } = this.plan;
    const gapMs = (): number => (random === undefined ? 1 : -Math.log(1 - random())) * (1000 / rate);
    let dueAt = performance.now();
    while (this.mayGoOn()) {
      const now = performance.now();
      if (dueAt > now) await this.changed(dueAt - now);
      else if (this.inHand >= this.plan.concurrency) await this.changed();
      else {
        this.send(dueAt);
        dueAt += gapMs();
      }
    }
    let unsent = 0;
    const wanted = this.plan.requests ?? Infinity;
    for (const now = performance.now(); dueAt <= now && this.dueCounted + unsent < wanted; dueAt += gapMs()) unsent += 1;
    return unsent;
  }

  private mayGoOn(): boolean {
    return !this.isOver && this.dueCounted < (this.plan.requests ?? Infinity);
  }

  /** An answer came, the load is over, or the time has passed. */
  private changed(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => this.wake?.(), ms);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
    });
  }

  private send(dueAt: number): void {
    const { client, bodies } = this;
    const body = bodies[this.sent++ % bodies.length];
    if (body === undefined) throw new RangeError('a load without a request');
    const sentAt = performance.now();
    const isCounted = dueAt >= this.begunAt;
    if (isCounted) this.dueCounted += 1;
    this.inHand += 1;
    const leave = (): void => {
      this.inHand -= 1;
      this.wake?.();
    };
    void client.send(body).then((failure) => {
      if (isCounted) this.count(failure, dueAt, sentAt);
      if (failure?.isConnection === true) setTimeout(leave, connectionPauseMs);
      else leave();
    });
  }

  private count(failure: CallFailure | undefined, dueAt: number, sentAt: number): void {
    const now = performance.now();
    this.answered += 1;
    this.lastAt = now;
    if (failure === undefined) {
      this.latency.record((now - dueAt) / 1000);
      this.service.record((now - sentAt) / 1000);
      return;
    }
    this.failed += 1;
    const key = this.failures.has(failure.status) || this.failures.size < mostFailureKinds ? failure.status : 'others';
    const kind = this.failures.get(key) ?? { status: key, text: failure.text, count: 0 };
    kind.count += 1;
    this.failures.set(key, kind);
  }
}
