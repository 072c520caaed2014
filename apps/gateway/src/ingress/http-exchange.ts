import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Exchange } from './exchange.js';
import type { Compression } from './body-inflater.js';
import type { InferRoute, IngressRequest } from '../edge/ingress.js';

/**
 * node:http's request with a place for ours. The body of an exchange does not go through the request's own stream: what the parser pushes is handed over
 * at once, which saves a small request a tenth of its CPU (buffering, ticks for 'resume', 'data' and 'end'). ADR 16.
 */
export class ExchangeRequest extends IncomingMessage {
  exchange: HttpExchange | undefined;

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    const { exchange } = this;
    if (exchange === undefined) return super.push(chunk, encoding);
    if (chunk === null) exchange.end();
    else exchange.chunk(chunk);
    return true;
  }

  /** node resumes what nobody has read when the answer is out. Of an exchange nothing is left to be read. */
  override resume(): this {
    return this.exchange === undefined ? super.resume() : this;
  }
}

/** The response of an exchange, which is told of its end directly: a listener for every response costs more than the rest of the telling. */
export class ExchangeResponse extends ServerResponse<ExchangeRequest> {
  exchange: HttpExchange | undefined;
  /** node's own: what the header Keep-Alive says, in ms. ADR 16. */
  declare _keepAliveTimeout: number;
  /** node's own: the head as text, and that it is written. ADR 16. */
  declare _header: string | null;
  declare _headerSent: boolean;

  override emit(...event: Parameters<ServerResponse['emit']>): boolean {
    if (event[0] === 'close') this.exchange?.close();
    return super.emit(...event);
  }
}

/** Whose exchanges they are; told by the listeners of request and response. */
export interface ExchangeOwner {
  onChunk(exchange: HttpExchange, chunk: Buffer): void;
  onEnd(exchange: HttpExchange): void;
  /** The response is over: written, or its client is gone. */
  onClose(exchange: HttpExchange): void;
}

/** One infer request over HTTP in hand: collects the body and is itself the IngressRequest. */
export class HttpExchange extends Exchange implements IngressRequest {
  readonly path: string;
  readonly verb: string;
  readonly socket: Socket;
  /** What is to be undone when the body is complete. */
  compression: Compression | undefined;
  /** Told when the body, wanted or not, is at its end, or the exchange is. */
  onOver: (() => void) | undefined;

  /** `announcedBytes` is the Content-Length, -1 when there is none. */
  constructor(
    private readonly owner: ExchangeOwner,
    token: number,
    private readonly request: ExchangeRequest,
    readonly response: ExchangeResponse,
    route: InferRoute,
    deadlineAt: number,
    announcedBytes: number,
  ) {
    super(token, route, deadlineAt, announcedBytes, false);
    this.path = request.url ?? '';
    this.verb = request.method ?? '';
    this.socket = request.socket;
    request.exchange = this;
    response.exchange = this;
  }

  /** A piece of the body; dropped when nobody wants it any more. */
  chunk(chunk: Buffer): void {
    if (this.state === 'receiving') this.owner.onChunk(this, chunk);
  }

  end(): void {
    if (this.state === 'receiving') this.owner.onEnd(this);
    this.onOver?.();
  }

  close(): void {
    this.owner.onClose(this);
    this.onOver?.();
    // node's parser keeps the last request of a connection, which should not keep the exchange
    if (this.request.complete) this.request.exchange = undefined;
  }

  /** With the binary extension, tensors follow the JSON text. */
  protected override tensorOffset(): number {
    const length = Number(this.headers['inference-header-content-length'] ?? 0);
    return Number.isSafeInteger(length) && length > 0 ? length : 0;
  }

  override get headers(): Readonly<Record<string, string | undefined>> {
    // Of all headers node gives only set-cookie as a list, and that one is no request header.
    return this.request.headers as Readonly<Record<string, string | undefined>>;
  }
}
