import { EndOfTurn } from '@mserve/event-loop';
import type { IngressListener, IngressRequest } from '../edge/ingress.js';

/** After so many turns in a row that brought one request each, the next ones are handed over without waiting for the turn's end ... */
const singleTurns = 8;
/** ... so many of them, until the next check whether more come at a time. */
const directRequests = 32;

/**
 * Gathers what one event-loop turn brings and hands it to the listener in one call.
 * The hand-over runs in the check phase, directly after the poll phase that read the sockets. While requests come one by one (a single client)
 * there is nothing to gather: then most are handed over at once, which saves each a turn; http2 writes such an answer with the frames it just read.
 */
export class TurnGather {
  private requests: IngressRequest[] = [];
  private gone: number[] = [];
  /** Hand-overs in a row, gathered or direct, of a single request. */
  private lonely = 0;
  /** Requests handed over without gathering since the last look. */
  private direct = 0;

  private readonly end = new EndOfTurn(() => this.handOver(), 'check');

  constructor(private readonly listener: IngressListener) {}

  add(request: IngressRequest): void {
    this.requests.push(request);
    this.schedule();
  }

  /** Told after the request itself, also when both happened in the same turn. */
  addGone(token: number): void {
    this.gone.push(token);
    this.schedule();
  }

  private schedule(): void {
    if (this.end.isDue) return;
    if (this.lonely >= singleTurns && this.direct < directRequests) {
      this.direct++;
      this.end.ask('microtask');
    } else {
      this.direct = 0;
      this.end.ask('check');
    }
  }

  private handOver(): void {
    const { requests, gone } = this;
    if (requests.length > 0) {
      this.lonely = requests.length === 1 ? this.lonely + 1 : 0;
      this.requests = [];
      this.listener.onRequests(requests);
    }
    if (gone.length > 0) {
      this.gone = [];
      this.listener.onGone(gone);
    }
  }
}
