import type { OnApplicationShutdown } from '@nestjs/common';
import type { Catalog, LoadingServable, SchedulerHello, ServableStatus, Subscription } from '@mserve/bus';
import { versionKey } from '@mserve/wire';
import type { MethodCatalog } from './method-catalog.js';
import type { SchedulerWatch } from './scheduler-watch.js';

/** Asks a scheduler for its catalog. Rejects when it does not answer. */
export type FetchCatalog = (scheduler: string) => Promise<Catalog>;

/** Keeps the method catalog as the chosen scheduler has it: fetched again whenever its hello names another revision. */
export class CatalogFeed implements OnApplicationShutdown {
  private readonly subscription: Subscription;
  private source: string | undefined;
  private wantedRevision = -1;
  private loadedRevision = -1;
  /** Whom we are asking now. A scheduler that does not answer must not hold up the next one. */
  private asked: string | undefined;
  private closed = false;
  /** As fetched last, without what was kept from before. */
  private listed: readonly ServableStatus[] = [];
  private loading: readonly LoadingServable[] = [];
  private applied: readonly ServableStatus[] = [];
  private kept: readonly ServableStatus[] = [];
  private keepTimer: NodeJS.Timeout | undefined;
  /** Since when versions are listed without a replica, on the clock of performance.now(). */
  private lostSince: ReadonlyMap<string, number> = new Map();
  private lostTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly schedulers: SchedulerWatch,
    private readonly catalog: MethodCatalog,
    private readonly fetch: FetchCatalog,
    private readonly onProblem: (text: string, error: unknown) => void,
    /** For so long after a change of scheduler, servables that the new one does not list yet are kept: it is still hearing from its workers. */
    private readonly takeoverMs: number,
    /** For so long after a version lost its last replica with a worker, its requests are taken and wait for the next one. */
    private readonly awaitMs: number,
  ) {
    this.subscription = schedulers.onChange((scheduler) => this.changeSource(scheduler));
  }

  /** A hello that may name a new revision. SchedulerWatch hears it first. */
  heard(hello: SchedulerHello): void {
    if (hello.leaving || hello.address !== this.schedulers.current) return;
    this.wantedRevision = hello.revision;
    if (this.loadedRevision !== hello.revision && this.asked !== hello.address) void this.load(hello.address);
  }

  onApplicationShutdown(): void {
    this.closed = true;
    this.subscription.unsubscribe();
    clearTimeout(this.keepTimer);
    clearTimeout(this.lostTimer);
  }

  private changeSource(scheduler: string | undefined): void {
    this.loadedRevision = -1;
    this.catalog.suspend();
    if (scheduler === undefined) return;
    if (this.source !== undefined) {
      this.kept = this.applied;
      clearTimeout(this.keepTimer);
      this.keepTimer = setTimeout(() => {
        this.kept = [];
        if (this.loadedRevision >= 0) this.apply();
      }, this.takeoverMs);
      this.keepTimer.unref();
    }
    this.source = scheduler;
    if (this.asked !== scheduler) void this.load(scheduler);
  }

  private async load(scheduler: string): Promise<void> {
    this.asked = scheduler;
    const before = this.loadedRevision;
    try {
      const { revision, servables, loading } = await this.fetch(scheduler);
      if (this.closed || scheduler !== this.schedulers.current) return;
      this.loadedRevision = revision;
      this.listed = servables;
      this.loading = loading ?? [];
      this.apply();
    } catch (error) {
      // The next hello brings the next try
      this.onProblem('the catalog could not be fetched', error);
      return;
    } finally {
      if (this.asked === scheduler) this.asked = undefined;
    }
    // A change was said while we asked; without any progress the next hello is soon enough
    if (this.wantedRevision > this.loadedRevision && this.loadedRevision > before) void this.load(scheduler);
  }

  private apply(): void {
    const ready = new Set(this.listed.filter(({ readyReplicas }) => readyReplicas > 0).map(keyOf));
    const kept = this.kept.filter((status) => !ready.has(keyOf(status)));
    const isKept = new Set(kept.map(keyOf));
    this.applied = [...this.listed.filter((status) => !isKept.has(keyOf(status))), ...kept];
    this.catalog.update(this.applied, this.loading, kept, this.awaited());
  }

  /** What is listed without a replica has lost it with its worker: nobody unloaded it. */
  private awaited(): ServableStatus[] {
    const now = performance.now();
    const lost = this.listed.filter(({ readyReplicas }) => readyReplicas === 0);
    this.lostSince = new Map(lost.map((status) => [keyOf(status), this.lostSince.get(keyOf(status)) ?? now]));
    const leftMs = (status: ServableStatus): number => (this.lostSince.get(keyOf(status)) ?? now) + this.awaitMs - now;
    const awaited = lost.filter((status) => leftMs(status) > 0);
    clearTimeout(this.lostTimer);
    if (awaited.length > 0) {
      this.lostTimer = setTimeout(() => this.apply(), Math.min(...awaited.map(leftMs)) + 1);
      this.lostTimer.unref();
    }
    return awaited;
  }
}

function keyOf({ signature }: ServableStatus): string {
  return versionKey(signature);
}
