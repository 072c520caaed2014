import { randomBytes } from 'node:crypto';
import type { Bus } from '../bus.js';
import { checkToken } from '../names.js';
import { reportToConsole, type Report } from '../report.js';
import { MemoryBus } from './memory-bus.js';
import type { MemoryMedium } from './memory-medium.js';

/**
 * The medium of embedded mode: connects the participants of one process. Messages, bodies and held bytes pass by reference,
 * so nobody writes to what was sent.
 */
export class MemoryExchange {
  private readonly medium: MemoryMedium;

  constructor(options: { readonly report?: Report } = {}) {
    this.medium = { endpoints: new Map(), responders: new Map(), listeners: new Map(), report: options.report ?? reportToConsole };
  }

  /** A new participant with the address `{role}-{8 hex digits}`. TypeError when the role is not [A-Za-z0-9_-]+. */
  connect(role: string): Bus {
    checkToken('role', role);
    const { endpoints } = this.medium;
    let address = '';
    do address = `${role}-${randomBytes(4).toString('hex')}`;
    while (endpoints.has(address));
    const endpoint = new MemoryBus(this.medium, address);
    endpoints.set(address, endpoint);
    return endpoint;
  }
}
