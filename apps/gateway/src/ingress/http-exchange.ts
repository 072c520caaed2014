import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { InferRoute, IngressRequest } from './ingress.js';
import { nextToken } from './turn-gather.js';

/** node:http's request with a place for ours, so that no closure per request is needed. */
export class ExchangeRequest extends IncomingMessage {
  exchange: HttpExchange | undefined;
}

export class ExchangeResponse extends ServerResponse<ExchangeRequest> {
  exchange: HttpExchange | undefined;
}

/** A body whose length is announced gets its one buffer when this much of it is here: announcing alone costs us nothing. */
const allocateAfterBytes = 1024 * 1024;
const noBytes = new Uint8Array(0);

/**
 * receiving: its body is still coming · waiting: handed over, not answered · answered
 * · refused: answered before its body was complete · gone: the client left
 */
export type ExchangeState = 'receiving' | 'waiting' | 'answered' | 'refused' | 'gone';

/** Whose exchanges they are; told by the listeners of request and response. */
export interface ExchangeOwner {
  onChunk(request: ExchangeRequest, exchange: HttpExchange, chunk: Buffer): void;
  onEnd(exchange: HttpExchange): void;
  /** The response is over: written, or its client is gone. */
  onClose(exchange: HttpExchange): void;
}

/** One infer request over HTTP in hand: collects the body and is itself the IngressRequest. */
export class HttpExchange implements IngressRequest {
  readonly token = nextToken();
  readonly path: string;
  readonly verb: string;
  readonly socket: Socket;
  body: Uint8Array = noBytes;
  state: ExchangeState = 'receiving';
  /** Body bytes so far. */
  receivedBytes = 0;
  /** Body pieces so far. */
  receivedChunks = 0;
  private whole: Buffer | undefined;
  private chunks: Buffer[] | undefined;
  private readonly received: IncomingMessage;

  /** `announcedBytes` is the Content-Length, -1 when there is none. */
  constructor(
    private readonly owner: ExchangeOwner,
    request: ExchangeRequest,
    readonly response: ExchangeResponse,
    readonly route: InferRoute,
    readonly deadlineAt: number,
    readonly announcedBytes: number,
  ) {
    this.received = request;
    this.path = request.url ?? '';
    this.verb = request.method ?? '';
    this.socket = request.socket;
    request.exchange = this;
    response.exchange = this;
    response.on('close', onClose);
  }

  /** Starts the body coming in. */
  receive(request: ExchangeRequest): void {
    request.on('data', onData);
    request.on('end', onEnd);
  }

  chunk(request: ExchangeRequest, chunk: Buffer): void {
    if (this.state === 'receiving') this.owner.onChunk(request, this, chunk);
  }

  end(): void {
    if (this.state === 'receiving') this.owner.onEnd(this);
  }

  close(): void {
    this.owner.onClose(this);
  }

  get headers(): Readonly<Record<string, string | undefined>> {
    // Of all headers node gives only set-cookie as a list, and that one is no request header.
    return this.received.headers as Readonly<Record<string, string | undefined>>;
  }

  /** Takes one piece of the body. The caller has checked the limits. */
  take(chunk: Buffer): void {
    const before = this.receivedBytes;
    this.receivedBytes += chunk.length;
    this.receivedChunks++;
    if (this.whole !== undefined) {
      // node:http never delivers more than the Content-Length, so this always fits
      chunk.copy(this.whole, before);
      return;
    }
    if (before === 0 && chunk.length === this.announcedBytes) {
      this.body = chunk;
      return;
    }
    if (this.chunks === undefined) this.chunks = [chunk];
    else this.chunks.push(chunk);
    if (this.announcedBytes >= 0 && this.receivedBytes >= Math.min(this.announcedBytes, allocateAfterBytes)) this.allocateWhole();
  }

  /** The body is complete. */
  complete(): void {
    if (this.whole !== undefined) this.body = this.whole;
    else if (this.chunks !== undefined) this.body = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks, this.receivedBytes);
    this.chunks = undefined;
    this.whole = undefined;
    this.state = 'waiting';
  }

  /** Lets go of what was received so far. */
  forgetBody(): void {
    this.chunks = undefined;
    this.whole = undefined;
    this.body = noBytes;
  }

  private allocateWhole(): void {
    const whole = Buffer.allocUnsafeSlow(this.announcedBytes);
    let at = 0;
    for (const chunk of this.chunks ?? []) at += chunk.copy(whole, at);
    this.chunks = undefined;
    this.whole = whole;
  }
}

// Listeners find their exchange by `this`: one function each for all requests, instead of closures for every one.
function onData(this: ExchangeRequest, chunk: Buffer): void {
  this.exchange?.chunk(this, chunk);
}

function onEnd(this: ExchangeRequest): void {
  this.exchange?.end();
}

function onClose(this: ExchangeResponse): void {
  this.exchange?.close();
}
