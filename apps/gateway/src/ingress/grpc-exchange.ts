import { constants, sensitiveHeaders, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';
import type { TraceContext } from '@mserve/metrics';
import type { Compression } from './body-inflater.js';
import { Exchange } from './exchange.js';
import { framed, grpcContentType, messagePrefixBytes, statusText } from './grpc-wire.js';
import { cutStalledWrite } from './stalled-write.js';
import { tensorOffset } from './tensor-offset.js';
import type { InferRoute, IngressRequest } from '../edge/ingress.js';
import { traceHeaders } from '../edge/trace-headers.js';

const exchangeKey = Symbol('exchange');

/** node:http2's stream with a place for ours, so that no closure per call is needed. */
interface InferStream extends ServerHttp2Stream {
  [exchangeKey]?: GrpcExchange;
}

/** Whose exchanges they are; told by the listeners of the stream. */
export interface GrpcExchangeOwner {
  onChunk(exchange: GrpcExchange, chunk: Buffer): void;
  /** The client has sent all it has to send. */
  onEnd(exchange: GrpcExchange): void;
  /** The stream is over: answered and written out, or its client is gone. */
  onClose(exchange: GrpcExchange): void;
}

const pushToStream = Readable.prototype.push;
const okHeaders = { ':status': 200, 'content-type': grpcContentType };
const okTrailers = { 'grpc-status': '0' };
/** An id never comes twice: kept out of HPACK's table, which otherwise both sides rebuild at every answer. */
const neverIndexed = ['x-request-id'];
/** gRPC has no use for the date that node writes into every answer; where node does not know `sendDate`, it goes on doing so. */
const trailersFollow = { waitForTrailers: true, sendDate: false };

/** One unary infer call in hand: collects its message and is itself the IngressRequest. */
export class GrpcExchange extends Exchange implements IngressRequest {
  readonly path = '';
  readonly verb = 'POST';
  isCompressed = false;
  /** That its answer tells. */
  trace: TraceContext | undefined = undefined;
  /** Of its answer. */
  onWritten: (() => void) | undefined = undefined;
  private prefix: Buffer | undefined;

  constructor(
    private readonly owner: GrpcExchangeOwner,
    token: number,
    private readonly stream: ServerHttp2Stream,
    private readonly received: IncomingHttpHeaders,
    route: InferRoute,
    deadlineAt: number,
  ) {
    super(token, route, deadlineAt, -1);
    (stream as InferStream)[exchangeKey] = this;
    stream.on('error', ignore);
    stream.on('close', onClose);
    stream.push = onPush;
    // Begins to read
    stream.read(0);
  }

  override get headers(): Readonly<Record<string, string | undefined>> {
    // Of all headers node gives only set-cookie as a list, and that one is no request header.
    return this.received as Readonly<Record<string, string | undefined>>;
  }

  protected override tensorOffset(head: Uint8Array): number {
    return tensorOffset(this.route, head);
  }

  /** The encoding of compressed messages. */
  get encoding(): string {
    const encoding = this.received['grpc-encoding'];
    return typeof encoding === 'string' ? encoding : 'identity';
  }

  /** Takes the message's prefix off what came; undefined while the prefix is not whole. Sets announcedBytes and isCompressed. */
  takePrefix(chunk: Buffer): Buffer | undefined {
    if (this.announcedBytes >= 0) return chunk;
    const bytes = this.prefix === undefined ? chunk : Buffer.concat([this.prefix, chunk]);
    if (bytes.length < messagePrefixBytes) {
      this.prefix = bytes;
      return undefined;
    }
    this.prefix = undefined;
    this.isCompressed = bytes[0] !== 0;
    this.announcedBytes = bytes.readUInt32BE(1);
    return bytes.subarray(messagePrefixBytes);
  }

  /** Whether any byte of a message, or of its prefix, came. */
  get hasBegun(): boolean {
    return this.prefix !== undefined || this.announcedBytes >= 0;
  }

  chunk(chunk: Buffer): void {
    if (this.state === 'receiving') this.owner.onChunk(this, chunk);
  }

  end(): void {
    if (this.state === 'receiving') this.owner.onEnd(this);
  }

  close(): void {
    this.owner.onClose(this);
  }

  /** The compression that this call's own request came with, and that the client says it reads: its answer gets it too. */
  get answerCompression(): Compression | undefined {
    if (!this.isCompressed) return undefined;
    const { encoding } = this;
    const accepted = this.received['grpc-accept-encoding'];
    if ((encoding !== 'gzip' && encoding !== 'deflate') || typeof accepted !== 'string') return undefined;
    return accepted.split(',').some((name) => name.trim() === encoding) ? encoding : undefined;
  }

  /** Status OK. `compression`: of the message, if it is compressed. A client that takes nothing of it for `writeTimeoutMs` is cut off. */
  reply(message: readonly Uint8Array[], bytes: number, writeTimeoutMs: number, compression?: Compression): void {
    const { stream } = this;
    if (stream.destroyed || stream.headersSent) return;
    const headers: OutgoingHttpHeaders = {
      ':status': 200,
      'content-type': grpcContentType,
      'x-request-id': this.requestId,
      [sensitiveHeaders]: neverIndexed,
    };
    if (compression !== undefined) headers['grpc-encoding'] = compression;
    if (this.trace !== undefined) Object.assign(headers, traceHeaders(this.trace));
    stream.respond(headers, trailersFollow);
    stream.on('wantTrailers', sendOk);
    const pieces = framed(message, bytes, compression !== undefined);
    if (pieces.length === 1) {
      // A copy
      this.onWritten?.();
      stream.end(pieces[0]);
      return;
    }
    stream.cork();
    const last = pieces.length - 1;
    for (let i = 0; i < last; i++) stream.write(pieces[i]);
    stream.write(pieces[last], (error) => {
      if (error === undefined || error === null) this.onWritten?.();
    });
    stream.end();
    cutStalledWrite(stream, writeTimeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
  }

  /** Any other status; what is still coming of the call is dropped, for `lingerMs` at most. */
  fail(status: number, message: string, lingerMs: number): void {
    const { stream } = this;
    if (stream.destroyed || stream.headersSent) return;
    stream.respond(
      {
        ...okHeaders,
        'grpc-status': String(status),
        'grpc-message': statusText(message),
        'x-request-id': this.requestId,
        ...(this.trace !== undefined && traceHeaders(this.trace)),
        ...acceptedEncodings,
        [sensitiveHeaders]: neverIndexed,
      },
      { endStream: true },
    );
    if (stream.readableEnded) return;
    stream.resume();
    // Not at once: node 22 then resets the stream before the status is out
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), lingerMs);
    stream.once('close', () => clearTimeout(timer));
  }
}

const acceptedEncodings = { 'grpc-accept-encoding': 'identity,deflate,gzip' };

// Listeners find their exchange by `this`: one function each for all calls, instead of closures for every one.
/**
 * What node reads of the stream is handed over at once; only its end takes the stream's own way, on which node sees that it is over. node pushes an end to
 * streams that it destroys, too: that is none of the client's.
 */
function onPush(this: InferStream, chunk: Buffer | null): boolean {
  if (chunk !== null) {
    this[exchangeKey]?.chunk(chunk);
    return true;
  }
  if (!this.destroyed) this[exchangeKey]?.end();
  return pushToStream.call(this, null);
}

function onClose(this: InferStream): void {
  this[exchangeKey]?.close();
}

function sendOk(this: InferStream): void {
  this.sendTrailers(okTrailers);
}

/** A stream that fails is closed as well, and that is listened to. */
function ignore(): void {}
