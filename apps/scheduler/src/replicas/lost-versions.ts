import { versionKey, type ServableSignature } from '@mserve/wire';

/** For so long a version whose workers went without unloading it is one that may come back: its worker is started again, or heard again. */
const awaitedMs = 60_000;

interface Awaited {
  readonly signature: ServableSignature;
  readonly until: number;
}

/** Versions that no replica serves any more because their workers are gone. Clients are told to ask again, not that there is no such servable. */
export class LostVersions {
  private readonly awaited = new Map<string, Awaited>();

  add(signature: ServableSignature, now: number): void {
    this.awaited.set(versionKey(signature), { signature, until: now + awaitedMs });
  }

  /** It is served again: if that ends, this is no reason to wait for it. */
  remove(signature: ServableSignature): void {
    this.awaited.delete(versionKey(signature));
  }

  /** Whether there were any that nobody waits for any longer. */
  expire(now: number): boolean {
    const before = this.awaited.size;
    for (const [key, { until }] of this.awaited) if (until <= now) this.awaited.delete(key);
    return this.awaited.size < before;
  }

  get signatures(): ServableSignature[] {
    return [...this.awaited.values()].map(({ signature }) => signature);
  }
}
