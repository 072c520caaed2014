import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Exchange } from './exchange.js';
import type { InferRoute, IngressRequest } from './ingress.js';

/** node:http's request with a place for ours, so that no closure per request is needed. */
export class ExchangeRequest extends IncomingMessage {
  exchange: HttpExchange | undefined;
}

export class ExchangeResponse extends ServerResponse<ExchangeRequest> {
  exchange: HttpExchange | undefined;
}

/** Whose exchanges they are; told by the listeners of request and response. */
export interface ExchangeOwner {
  onChunk(request: ExchangeRequest, exchange: HttpExchange, chunk: Buffer): void;
  onEnd(exchange: HttpExchange): void;
  /** The response is over: written, or its client is gone. */
  onClose(exchange: HttpExchange): void;
}

/** One infer request over HTTP in hand: collects the body and is itself the IngressRequest. */
export class HttpExchange extends Exchange implements IngressRequest {
  readonly path: string;
  readonly verb: string;
  readonly socket: Socket;
  private readonly received: IncomingMessage;

  /** `announcedBytes` is the Content-Length, -1 when there is none. */
  constructor(
    private readonly owner: ExchangeOwner,
    request: ExchangeRequest,
    readonly response: ExchangeResponse,
    route: InferRoute,
    deadlineAt: number,
    announcedBytes: number,
  ) {
    super(route, deadlineAt, announcedBytes);
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
