import { randomBytes } from 'node:crypto';
import type { Bus } from '../bus.js';
import { checkToken } from '../names.js';
import { reportToConsole, type Report } from '../report.js';
import { MemoryBus } from './memory-bus.js';

/** A responder and the endpoint that it belongs to. */
export interface MemoryResponder {
  readonly owner: MemoryBus;
  readonly respond: (body: Uint8Array) => Promise<Uint8Array>;
}

/**
 * The medium of embedded mode: connects the participants of one process. Messages, bodies and held bytes pass by reference,
 * so nobody writes to what was sent.
 */
export class MemoryExchange {
  /** Participants that are not closed, by address. Of concern to MemoryBus only. */
  readonly endpoints = new Map<string, MemoryBus>();
  /** Of concern to MemoryBus only. */
  readonly responders = new Map<string, MemoryResponder[]>();
  readonly listeners = new Map<string, Set<(body: Uint8Array) => void>>();
  readonly report: Report;

  constructor(options: { readonly report?: Report } = {}) {
    this.report = options.report ?? reportToConsole;
  }

  /** A new participant with the address `{role}-{8 hex digits}`. TypeError when the role is not [A-Za-z0-9_-]+. */
  connect(role: string): Bus {
    checkToken('role', role);
    let address = '';
    do address = `${role}-${randomBytes(4).toString('hex')}`;
    while (this.endpoints.has(address));
    const endpoint = new MemoryBus(this, address);
    this.endpoints.set(address, endpoint);
    return endpoint;
  }
}
