import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';

/** The requests that came in at the admin port with its token: what the public ports refuse may be done for them. */
@Injectable()
export class AdminRequests {
  private readonly admitted = new WeakSet<IncomingMessage>();

  admit(request: IncomingMessage): void {
    this.admitted.add(request);
  }

  has(request: IncomingMessage): boolean {
    return this.admitted.has(request);
  }
}
