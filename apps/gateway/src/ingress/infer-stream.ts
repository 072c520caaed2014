import { constants, type Http2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { messageBytes, ServingError, refusal } from '@mserve/wire';
import type { Client } from '../edge/access.js';
import type { IngressRequest } from '../edge/ingress.js';
import type { IngressLimits } from '../edge/ingress-options.js';
import { requestIdOf } from '../edge/request-id.js';
import { grpcStatusOf, tooLarge } from '../edge/status.js';
import type { Compression } from './body-inflater.js';
import { Exchange } from './exchange.js';
import { tensorOffset } from './tensor-offset.js';
import { grpcCompression, grpcContentType, messagePrefixBytes, statusText, streamAnswer } from './grpc-wire.js';

/** Requests of one stream that are in hand; more are read when answers have gone out. */
const mostInHand = 64;

/** One request of a stream. */
export class StreamCall extends Exchange implements IngressRequest {
  readonly path = '';
  readonly verb = 'POST';
  /** Its answer, framed; waits for those before it. */
  answer: Buffer | undefined;

  constructor(
    readonly stream: InferStream,
    token: number,
    announcedBytes: number,
    readonly isCompressed: boolean,
  ) {
    super(token, 'oip-grpc', stream.deadlineAt, announcedBytes);
    this.client = stream.client;
  }

  override get headers(): Readonly<Record<string, string | undefined>> {
    return this.stream.headers;
  }

  protected override tensorOffset(head: Uint8Array): number {
    return tensorOffset(this.route, head);
  }
}

/** Whose calls they are. */
export interface InferStreamOwner {
  nextToken(): number;
  onBegin(call: StreamCall): void;
  /** false: its bytes are too many. */
  onPiece(call: StreamCall, piece: Buffer): boolean;
  onWhole(call: StreamCall): void;
  onCompressed(call: StreamCall, compression: Compression): void;
  /** Answers it with {@link InferStream.answer}. */
  onRefused(call: StreamCall, error: ServingError): void;
  /** Its answer is written, or its client is gone. */
  onCallOver(call: StreamCall): void;
  onStreamOver(stream: InferStream): void;
}

/**
 * A ModelStreamInfer call: requests in, one answer for each out, in the order of the requests. What is wrong with a request is told in its own answer, and the
 * stream goes on; what is wrong with the stream itself (a message over the limit, one that is cut off, its deadline) ends it, after the answers that are due.
 */
export class InferStream {
  /** Who asks, for all of its calls. */
  client: Client | undefined = undefined;
  private readonly calls: StreamCall[] = [];
  private prefix: Buffer = Buffer.alloc(0);
  /** Whose message is coming in. */
  private current: StreamCall | undefined;
  /** How the stream is to end; without `message` where all went well. */
  private ending: { readonly status: number; readonly message?: string } | undefined;
  private readonly deadline: NodeJS.Timeout | undefined;
  private unread: NodeJS.Timeout | undefined;
  private linger: NodeJS.Timeout | undefined;

  constructor(
    private readonly owner: InferStreamOwner,
    private readonly stream: ServerHttp2Stream,
    private readonly received: IncomingHttpHeaders,
    readonly deadlineAt: number,
    private readonly limits: IngressLimits,
  ) {
    stream.on('error', () => undefined);
    stream.on('close', () => this.onClose());
    stream.on('data', (chunk: Buffer) => this.onData(chunk));
    stream.on('end', () => this.onEnd());
    stream.on('drain', () => this.onDrain());
    stream.on('wantTrailers', () => {
      const { status, message } = this.ending ?? { status: 0 };
      stream.sendTrailers({ 'grpc-status': String(status), ...(message !== undefined && { 'grpc-message': statusText(message) }) });
    });
    const requestId = requestIdOf(this.headers['x-request-id'], owner.nextToken());
    stream.respond({ ':status': 200, 'content-type': grpcContentType, 'x-request-id': requestId }, { waitForTrailers: true });
    const leftMs = deadlineAt - performance.now();
    // Longer than timers can be: the client's own
    if (leftMs < 0x7fffffff) this.deadline = setTimeout(() => this.end(refusal('late-on-arrival'), true), Math.max(0, leftMs)).unref();
  }

  /** The connection that it came over. */
  get session(): Http2Session | undefined {
    return this.stream.session;
  }

  get headers(): Readonly<Record<string, string | undefined>> {
    return this.received as Readonly<Record<string, string | undefined>>;
  }

  /** The answer of one of its calls, or why there is none. */
  answer(call: StreamCall, message: readonly Uint8Array[] | string): void {
    const { maxMessageBytes } = this.limits;
    const bytes = typeof message === 'string' ? 0 : messageBytes(message);
    call.answer = streamAnswer(bytes > maxMessageBytes ? `Sent message larger than max (${bytes} vs. ${maxMessageBytes})` : message);
    if (call === this.current) {
      // Its message has no end that could be waited for
      this.current = undefined;
      this.end(refusal('request-too-slow', { detail: 'a message of the stream was refused before its end' }));
    }
    this.flush();
  }

  /** Takes no more requests; ends when those in hand are answered. */
  drain(): void {
    this.end(refusal('shutting-down'));
  }

  private onData(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && this.ending === undefined) {
      if (this.current === undefined) {
        rest = this.takePrefix(rest);
        continue;
      }
      const call = this.current;
      const piece = rest.subarray(0, call.announcedBytes - call.receivedBytes);
      rest = rest.subarray(piece.length);
      if (!this.owner.onPiece(call, piece)) this.owner.onRefused(call, refusal('too-many-bytes'));
      else if (call.receivedBytes === call.announcedBytes) this.whole(call);
    }
    this.throttle();
  }

  /** Begins the next call when its prefix is whole; gives back what follows it. */
  private takePrefix(chunk: Buffer): Buffer {
    const bytes = this.prefix.length === 0 ? chunk : Buffer.concat([this.prefix, chunk]);
    if (bytes.length < messagePrefixBytes) {
      this.prefix = Buffer.from(bytes);
      return Buffer.alloc(0);
    }
    this.prefix = Buffer.alloc(0);
    const length = bytes.readUInt32BE(1);
    const { maxMessageBytes } = this.limits;
    if (length > maxMessageBytes) {
      this.end(tooLarge(`Received message larger than max (${length} vs. ${maxMessageBytes})`));
      return Buffer.alloc(0);
    }
    const call = new StreamCall(this, this.owner.nextToken(), length, bytes[0] !== 0);
    this.calls.push(call);
    this.current = call;
    this.owner.onBegin(call);
    if (length === 0) this.whole(call);
    return bytes.subarray(messagePrefixBytes);
  }

  private whole(call: StreamCall): void {
    this.current = undefined;
    if (!call.isCompressed) return this.owner.onWhole(call);
    const compression = grpcCompression(this.headers['grpc-encoding'] ?? 'identity');
    if (compression instanceof ServingError) this.owner.onRefused(call, compression);
    else this.owner.onCompressed(call, compression);
  }

  private onEnd(): void {
    if (this.current !== undefined || this.prefix.length > 0) {
      const { current } = this;
      const error = refusal('call-malformed', { detail: 'the last message of the stream is cut off' });
      this.end(error);
      if (current !== undefined) this.owner.onRefused(current, error);
    }
    this.ending ??= { status: 0 };
    this.flush();
  }

  /** `now`: without the answers that are due. */
  private end(error: ServingError, now = false): void {
    this.ending ??= { status: grpcStatusOf(error), message: error.message };
    if (now) this.close();
    else this.flush();
  }

  private flush(): void {
    const { calls, stream } = this;
    while (calls.length > 0 && !stream.destroyed && !stream.writableEnded) {
      const [first] = calls as [StreamCall];
      if (first.answer === undefined || stream.writableNeedDrain) break;
      calls.shift();
      if (!stream.write(first.answer))
        this.unread ??= setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), this.limits.writeTimeoutMs).unref();
      this.owner.onCallOver(first);
    }
    if (this.ending !== undefined && calls.length === 0) this.close();
    else this.throttle();
  }

  private close(): void {
    const { stream } = this;
    if (stream.destroyed || stream.writableEnded) return;
    stream.once('finish', () => {
      // What the client still sends is nobody's. Not at once: node 22 then resets the stream before the status is out
      this.linger = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), this.limits.lingerMs).unref();
    });
    stream.end();
    stream.resume();
  }

  private onDrain(): void {
    clearTimeout(this.unread);
    this.unread = undefined;
    this.flush();
  }

  private throttle(): void {
    const { stream } = this;
    const isFull = this.calls.length >= mostInHand || stream.writableNeedDrain;
    if (isFull && this.current === undefined && this.ending === undefined) stream.pause();
    else if (stream.isPaused()) stream.resume();
  }

  private onClose(): void {
    clearTimeout(this.deadline);
    clearTimeout(this.unread);
    clearTimeout(this.linger);
    for (const call of this.calls.splice(0)) this.owner.onCallOver(call);
    this.owner.onStreamOver(this);
  }
}
