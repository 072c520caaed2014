import { refusal, type Failure, type ServingError } from '@mserve/wire';
import type { MethodCatalog } from '../catalog/method-catalog.js';
import type { InferRequest, MethodLookup, Protocol, ResolvedMethod } from '../protocols/protocol.js';
import type { PendingRequest } from './pending-request.js';

/** How often one request may begin again. Each time takes a change of the catalog, or a worker that goes with its outputs, so more than one is rare. */
export const maxMoves = 4;
/** For so long a request waits for the catalog to say what the latest version is now. */
export const catalogWaitMs = 500;

/** Reads a request from its bytes once more, with the methods that there are now. undefined: it would be refused. */
export function decodeAgain(protocol: Protocol, { request }: PendingRequest, methods: MethodLookup): InferRequest | undefined {
  try {
    return protocol.decode(request, methods);
  } catch {
    return undefined;
  }
}

/** Nobody runs its servable now, though there was somebody when it came: one may be loading it. */
export function unavailable({ infer: { target }, isForLatest }: PendingRequest, methods: MethodCatalog): ServingError {
  const { servable, version, method } = target;
  const facts = { servable, method: method.name, version: isForLatest ? undefined : `${version}` };
  return refusal(methods.isLoading(servable, isForLatest ? 0 : version) ? 'servable-loading' : 'servable-unavailable', facts);
}

/** Looks methods up, and tells whether a lookup left the version to the catalog. */
export class VersionProbe implements MethodLookup {
  /** Of the lookups since it was set to false. */
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

/** A request whose version has gone. */
export interface Moving {
  readonly pending: PendingRequest;
  /** What the scheduler said of it: the answer when there is no other version. */
  readonly failure: Failure;
  /** performance.now() clock: until then it waits for the catalog. */
  readonly until: number;
}

/** Requests whose version has gone, until the catalog changes or they have waited long enough. */
export class MoveQueue {
  private readonly waiting = new Map<Moving, NodeJS.Timeout>();

  /** `onOver`: the catalog did not change in time. */
  constructor(private readonly onOver: (moving: Moving) => void) {}

  add(moving: Moving): void {
    const over = (): void => {
      this.waiting.delete(moving);
      this.onOver(moving);
    };
    this.waiting.set(moving, setTimeout(over, Math.max(0, moving.until - performance.now())));
  }

  /** Takes all out. */
  take(): Moving[] {
    if (this.waiting.size === 0) return [];
    const all = [...this.waiting.keys()];
    for (const timer of this.waiting.values()) clearTimeout(timer);
    this.waiting.clear();
    return all;
  }
}
