import type { IngressListener, IngressRequest } from './ingress.js';

let lastToken = 0;

/** A token that no other request of this process has. */
export function nextToken(): number {
  return ++lastToken;
}

/**
 * Gathers what one event-loop turn brings and hands it to the listener in one call.
 * The hand-over runs in the check phase, directly after the poll phase that read the sockets: a lone request waits microseconds.
 */
export class TurnGather {
  private requests: IngressRequest[] = [];
  private gone: number[] = [];
  private scheduled = false;

  constructor(private readonly listener: IngressListener) {}

  add(request: IngressRequest): void {
    this.requests.push(request);
    if (!this.scheduled) this.schedule();
  }

  /** Told after the request itself, also when both happened in the same turn. */
  addGone(token: number): void {
    this.gone.push(token);
    if (!this.scheduled) this.schedule();
  }

  private schedule(): void {
    this.scheduled = true;
    setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    this.scheduled = false;
    const { requests, gone } = this;
    if (requests.length > 0) {
      this.requests = [];
      this.listener.onRequests(requests);
    }
    if (gone.length > 0) {
      this.gone = [];
      this.listener.onGone(gone);
    }
  };
}
