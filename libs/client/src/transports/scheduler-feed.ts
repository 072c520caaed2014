import { subjects, topics, type Bus, type Catalog, type ServableStatus, type Subscription } from '@mserve/bus';
import { isRecord, ServingError } from '@mserve/wire';
import { recordOf, textOf, wholeOf } from '../json-value.js';
import { abortedError } from '../status.js';

/** A scheduler that said nothing for so long is taken for dead; they say hello four times a second. */
const lostMs = 1_500;

interface Known {
  readonly epoch: number;
  readonly revision: number;
  readonly heardAt: number;
}

/** Which scheduler is in charge (the lowest epoch, then the lowest address, of those that are heard), and what it lists. docs/bus.md. */
export class SchedulerFeed {
  private readonly heard = new Map<string, Known>();
  private readonly subscription: Subscription;
  private readonly timer: NodeJS.Timeout;
  private readonly listeners = new Set<() => void>();
  private loaded: { readonly scheduler: string; readonly revision: number; readonly catalog: Catalog } | undefined;
  private asked: string | undefined;
  private closed = false;

  constructor(private readonly bus: Bus) {
    this.subscription = bus.listen(topics.schedulersHello, (body) => this.hear(body));
    this.timer = setInterval(() => this.update(), lostMs / 3).unref();
  }

  /** Address of the scheduler in charge whose catalog is here. */
  get current(): string | undefined {
    const chosen = this.choose();
    return chosen !== undefined && this.loaded?.scheduler === chosen ? chosen : undefined;
  }

  /** Called whenever a catalog came, or its scheduler came back. */
  onCatalog(listener: () => void): Subscription {
    this.listeners.add(listener);
    return { unsubscribe: () => void this.listeners.delete(listener) };
  }

  /** What the scheduler in charge lists, when it is here. */
  get known(): Catalog | undefined {
    return this.current === undefined ? undefined : this.loaded?.catalog;
  }

  /** What the scheduler in charge lists; waits for one until the signal says otherwise. UNAVAILABLE when none was heard until the deadline. */
  async catalog(signal: AbortSignal): Promise<Catalog> {
    for (;;) {
      const { known } = this;
      if (known !== undefined) return known;
      await this.nextCatalog(signal).catch((error: unknown) => {
        if (error instanceof ServingError && error.code === 'DEADLINE_EXCEEDED')
          throw new ServingError('UNAVAILABLE', 'no scheduler is heard on the bus', { cause: error });
        throw error;
      });
    }
  }

  /** Resolves when a catalog or its scheduler comes; rejects with what the signal says. */
  nextCatalog(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        subscription.unsubscribe();
        signal.removeEventListener('abort', leave);
      };
      const leave = (): void => {
        stop();
        reject(abortedError(signal));
      };
      const subscription = this.onCatalog(() => {
        stop();
        resolve();
      });
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  /** It did not take a message: it is not chosen before its next hello. */
  suspect(scheduler: string): void {
    this.heard.delete(scheduler);
    this.update();
  }

  close(): void {
    this.closed = true;
    this.subscription.unsubscribe();
    clearInterval(this.timer);
    this.listeners.clear();
  }

  private hear(body: Uint8Array): void {
    const hello: unknown = JSON.parse(new TextDecoder().decode(body));
    if (!isRecord(hello) || typeof hello['address'] !== 'string') return;
    const { address, epoch, revision } = hello;
    const before = this.current;
    if (hello['leaving'] === true) this.heard.delete(address);
    else this.heard.set(address, { epoch: Number(epoch), revision: Number(revision), heardAt: performance.now() });
    // Who was silent for a while comes back with the catalog that is here already
    if (before === undefined && this.current !== undefined) this.tell();
    this.update();
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }

  private choose(): string | undefined {
    const alive = [...this.heard].filter(([, { heardAt }]) => performance.now() - heardAt <= lostMs);
    alive.sort(([a, { epoch: first }], [b, { epoch: second }]) => first - second || (a < b ? -1 : 1));
    return alive[0]?.[0];
  }

  /** Fetches the catalog of the scheduler in charge where it is not here, or an older one. */
  private update(): void {
    const chosen = this.choose();
    if (chosen === undefined || this.asked === chosen) return;
    const wanted = this.heard.get(chosen)?.revision;
    if (this.loaded?.scheduler === chosen && this.loaded.revision === wanted) return;
    void this.load(chosen);
  }

  private async load(scheduler: string): Promise<void> {
    this.asked = scheduler;
    try {
      const catalog = catalogOf(await this.bus.request(scheduler, subjects.catalogList, new TextEncoder().encode('{}')));
      if (this.closed) return;
      this.loaded = { scheduler, revision: catalog.revision, catalog };
    } catch {
      // The next hello, or the timer, brings the next try
      return;
    } finally {
      this.asked = undefined;
    }
    this.tell();
    this.update();
  }
}

/** The parts of a catalog that are read here, checked. ServingError INTERNAL when they are not there. */
function catalogOf(body: Uint8Array): Catalog {
  const catalog = recordOf(JSON.parse(new TextDecoder().decode(body)) as unknown, 'the catalog');
  const servables: unknown = catalog['servables'];
  if (!Array.isArray(servables)) throw new ServingError('INTERNAL', 'the catalog has no servables');
  for (const status of servables) {
    const { signature, readyReplicas } = recordOf(status, 'a servable of the catalog');
    const { servable, version, methods } = recordOf(signature, 'a signature');
    textOf(servable, "a servable's name");
    wholeOf(version, 'a version');
    wholeOf(readyReplicas, 'a number of replicas');
    if (!Array.isArray(methods)) throw new ServingError('INTERNAL', 'a signature has no methods');
    for (const method of methods) {
      const { name, inputs, outputs } = recordOf(method, 'a method');
      textOf(name, "a method's name");
      for (const tensor of [inputs, outputs].flat()) textOf(recordOf(tensor, 'a tensor of a method')['name'], "a tensor's name");
    }
  }
  return { revision: wholeOf(catalog['revision'], 'the revision'), servables: servables as readonly ServableStatus[] };
}
