import { messageBytes, ServingError, refusal } from '@mserve/wire';
import type { Client } from '../edge/access.js';
import { errorCode } from '../http2/frames.js';
import type { RequestHeaders } from '../http2/request-headers.js';
import type { Http2Stream, StreamListener } from '../http2/stream.js';
import type { IngressRequest } from '../edge/ingress.js';
import type { IngressLimits } from '../edge/ingress-options.js';
import { requestIdOf } from '../edge/request-id.js';
import { grpcStatusOf, tooLarge } from '../edge/status.js';
import type { Compression } from './body-inflater.js';
import { Exchange } from './exchange.js';
import { cutStalledStream } from './stalled-write.js';
import { tensorOffset } from './tensor-offset.js';
import { answerHead, answerTrailers } from './grpc-fields.js';
import { grpcCompression, messagePrefixBytes, streamAnswer } from './grpc-wire.js';

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
    super(token, 'oip-grpc', stream.deadlineAt, announcedBytes, true);
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
export class InferStream implements StreamListener {
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
    readonly stream: Http2Stream,
    readonly deadlineAt: number,
    private readonly limits: IngressLimits,
  ) {
    stream.listener = this;
    const requestId = requestIdOf(this.headers['x-request-id'], owner.nextToken());
    stream.respond(answerHead(requestId));
    const leftMs = deadlineAt - performance.now();
    // Longer than timers can be: the client's own
    if (leftMs < 0x7fffffff) this.deadline = setTimeout(() => this.end(refusal('late-on-arrival'), true), Math.max(0, leftMs)).unref();
  }

  get headers(): RequestHeaders {
    return this.stream.headers;
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

  onData(chunk: Buffer): void {
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

  onEnd(): void {
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
    while (calls.length > 0 && !stream.isUnwritable) {
      const [first] = calls as [StreamCall];
      if (first.answer === undefined || stream.needsDrain) break;
      calls.shift();
      if (!stream.write(first.answer)) this.unread ??= setTimeout(() => stream.reset(errorCode.cancel), this.limits.writeTimeoutMs).unref();
      this.owner.onCallOver(first);
    }
    if (this.ending !== undefined && calls.length === 0) this.close();
    else this.throttle();
  }

  private close(): void {
    const { stream } = this;
    if (stream.isUnwritable) return;
    const { status, message } = this.ending ?? { status: 0 };
    stream.end(answerTrailers(status, message));
    // What the client still sends is nobody's
    stream.resume();
    if (stream.isClosed) return;
    const endWhenSent = (): void => {
      if (stream.isSent) stream.reset(errorCode.noError);
    };
    this.linger = setInterval(endWhenSent, this.limits.lingerMs).unref();
    if (!stream.isSent) cutStalledStream(stream, this.limits.writeTimeoutMs, () => stream.reset(errorCode.cancel));
  }

  onDrain(): void {
    clearTimeout(this.unread);
    this.unread = undefined;
    this.flush();
  }

  private throttle(): void {
    const { stream } = this;
    const isFull = this.calls.length >= mostInHand || stream.needsDrain;
    if (isFull && this.current === undefined && this.ending === undefined) stream.pause();
    else if (stream.isPaused) stream.resume();
  }

  onClose(): void {
    clearTimeout(this.deadline);
    clearTimeout(this.unread);
    clearInterval(this.linger);
    for (const call of this.calls.splice(0)) this.owner.onCallOver(call);
    this.owner.onStreamOver(this);
  }
}
