import type { TraceContext } from '@mserve/metrics';
import { errorCode } from '../http2/frames.js';
import type { RequestHeaders } from '../http2/request-headers.js';
import type { Http2Stream, StreamListener } from '../http2/stream.js';
import type { Compression } from './body-inflater.js';
import { Exchange } from './exchange.js';
import { answerHead, answerTrailers, failureHead } from './grpc-fields.js';
import { framed, messagePrefixBytes } from './grpc-wire.js';
import { cutStalledStream } from './stalled-write.js';
import { tensorOffset } from './tensor-offset.js';
import type { InferRoute, IngressRequest } from '../edge/ingress.js';
import { traceHeaders } from '../edge/trace-headers.js';

/** Whose exchanges they are. */
export interface GrpcExchangeOwner {
  onChunk(exchange: GrpcExchange, chunk: Buffer): void;
  /** The client has sent all it has to send. */
  onEnd(exchange: GrpcExchange): void;
  /** The stream is over: answered and written out, or its client is gone. */
  onClose(exchange: GrpcExchange): void;
}

const acceptedEncodings = { 'grpc-accept-encoding': 'identity,deflate,gzip' };

/** One unary infer call in hand: collects its message and is itself the IngressRequest. */
export class GrpcExchange extends Exchange implements IngressRequest, StreamListener {
  readonly path = '';
  readonly verb = 'POST';
  isCompressed = false;
  /** That its answer tells. */
  trace: TraceContext | undefined = undefined;
  /** Of its answer. */
  onWritten: (() => void) | undefined = undefined;
  private prefix: Buffer | undefined;
  private linger: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly owner: GrpcExchangeOwner,
    token: number,
    private readonly stream: Http2Stream,
    route: InferRoute,
    deadlineAt: number,
  ) {
    super(token, route, deadlineAt, -1, true);
    stream.listener = this;
  }

  override get headers(): RequestHeaders {
    return this.stream.headers;
  }

  protected override tensorOffset(head: Uint8Array): number {
    return tensorOffset(this.route, head);
  }

  /** The encoding of compressed messages. */
  get encoding(): string {
    return this.headers['grpc-encoding'] ?? 'identity';
  }

  /** Takes the message's prefix off what came; undefined while the prefix is not whole. Sets announcedBytes and isCompressed. */
  takePrefix(chunk: Buffer): Buffer | undefined {
    if (this.announcedBytes >= 0) return chunk;
    const bytes = this.prefix === undefined ? chunk : Buffer.concat([this.prefix, chunk]);
    if (bytes.length < messagePrefixBytes) {
      // A copy: it would keep all that was read together with it
      this.prefix = Buffer.from(bytes);
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

  onData(chunk: Buffer): void {
    if (this.state === 'receiving') this.owner.onChunk(this, chunk);
  }

  onEnd(): void {
    if (this.state === 'receiving') this.owner.onEnd(this);
  }

  onClose(): void {
    clearTimeout(this.linger);
    this.owner.onClose(this);
  }

  /** The compression that this call's own request came with, and that the client says it reads: its answer gets it too. */
  get answerCompression(): Compression | undefined {
    if (!this.isCompressed) return undefined;
    const { encoding } = this;
    const accepted = this.headers['grpc-accept-encoding'];
    if ((encoding !== 'gzip' && encoding !== 'deflate') || accepted === undefined) return undefined;
    return accepted.split(',').some((name) => name.trim() === encoding) ? encoding : undefined;
  }

  /** Status OK. `compression`: of the message, if it is compressed. A client that takes nothing of it for `writeTimeoutMs` is cut off. */
  reply(message: readonly Uint8Array[], bytes: number, writeTimeoutMs: number, compression?: Compression): void {
    const { stream, trace } = this;
    if (stream.isUnwritable) return;
    const more = trace === undefined ? undefined : traceHeaders(trace);
    stream.respond(answerHead(this.requestId, compression === undefined ? more : { 'grpc-encoding': compression, ...more }));
    const pieces = framed(message, bytes, compression !== undefined);
    const last = pieces.length - 1;
    for (let i = 0; i < last; i++) stream.write(pieces[i] as Uint8Array);
    if (last === 0) {
      // A copy
      this.onWritten?.();
      stream.write(pieces[0] as Uint8Array);
    } else {
      stream.write(pieces[last] as Uint8Array, this.onWritten);
    }
    stream.end(answerTrailers(0));
    if (!stream.isClosed && (last > 0 || !stream.isSent)) cutStalledStream(stream, writeTimeoutMs, () => stream.reset(errorCode.cancel));
  }

  /** Any other status; what is still coming of the call is dropped, for `lingerMs` at most. */
  fail(status: number, message: string, lingerMs: number): void {
    const { stream, trace } = this;
    if (stream.isUnwritable || stream.hasResponded) return;
    stream.respond(
      failureHead(status, message, this.requestId, { ...(trace !== undefined && traceHeaders(trace)), ...acceptedEncodings }),
      true,
    );
    if (stream.isRemoteEnded) return;
    this.linger = setTimeout(() => stream.reset(errorCode.noError), lingerMs);
  }
}
