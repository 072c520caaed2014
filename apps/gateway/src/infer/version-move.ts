import type { Failure } from '@mserve/wire';
import type { MethodLookup, ResolvedMethod } from '../protocols/protocol.js';
import type { PendingRequest } from './pending-request.js';

/** How often one request may begin again. Each time takes a change of the catalog, so more than one is rare. */
export const mostMoves = 4;
/** For so long a request waits for the catalog to say what the latest version is now. */
const catalogWaitMs = 500;

/** Looks methods up, and remembers whether a lookup left the version to the catalog. */
export class VersionProbe implements MethodLookup {
  leftOpen = false;

  constructor(private readonly methods: MethodLookup) {}

  resolve(servable: string, version: number, method: string): ResolvedMethod {
    this.leftOpen ||= version === 0;
    return this.methods.resolve(servable, version, method);
  }

  resolveModel(model: string, version: string): ResolvedMethod {
    this.leftOpen ||= version === '';
    return this.methods.resolveModel(model, version);
  }
}

/** Requests whose version has gone, until the catalog changes or they have waited long enough. */
export class MoveQueue {
  private readonly waiting = new Map<PendingRequest, { readonly failure: Failure; readonly timer: NodeJS.Timeout }>();

  /** `onOver`: the catalog did not change in time. */
  constructor(private readonly onOver: (pending: PendingRequest, failure: Failure) => void) {}

  add(pending: PendingRequest, failure: Failure): void {
    const over = (): void => {
      this.waiting.delete(pending);
      this.onOver(pending, failure);
    };
    this.waiting.set(pending, { failure, timer: setTimeout(over, catalogWaitMs) });
  }

  /** Takes all out. */
  take(): [PendingRequest, Failure][] {
    if (this.waiting.size === 0) return [];
    const all = [...this.waiting].map(([pending, { failure, timer }]): [PendingRequest, Failure] => {
      clearTimeout(timer);
      return [pending, failure];
    });
    this.waiting.clear();
    return all;
  }
}
