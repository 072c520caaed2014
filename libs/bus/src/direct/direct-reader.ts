import { connect, type Socket } from 'node:net';
import { ServingError, servingErrorCodes, type DirectPlace, type HeldBytes } from '@mserve/wire';
import { answerHeadBytes, cancellationFrame, FrameBuffer, helloFrame, kinds, magic, maxErrorBytes, requestFrame } from './direct-frames.js';

const connectMs = 1_000;
/** An owner that says nothing for so long while something is asked of it is gone. */
const silenceMs = 3_000;
/** A stream of which nothing is asked for so long is ended. */
const idleMs = 30_000;
/** An address that could not be reached is tried again after so long. */
const retryMs = 30_000;
const mostStreams = 256;
/** As much as the bus fetches. */
const maxFetchBytes = 2 ** 30;
const placePattern = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/;

/** The stream could not be had, or ended: the bytes may be had in another way. */
export class OwnerUnreachable extends Error {}

/** Fetches held bytes from their owners' {@link DirectServer}, over one stream for each. */
export class DirectReader {
  private readonly streams = new Map<string, ReaderStream>();
  private readonly unreachable = new Map<string, number>();

  /**
   * Undefined where there is no such way, or it was closed a short while ago. Rejects with OwnerUnreachable; with the ServingError that the owner answered; with CANCELLED by `signal`.
   */
  fetch(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> | undefined {
    const { direct, length } = held;
    if (direct === undefined || length > maxFetchBytes || length === 0) return undefined;
    const stream = this.streamTo(direct);
    return stream?.fetch(held, signal);
  }

  close(): void {
    for (const stream of this.streams.values()) stream.close();
  }

  private streamTo({ address, token }: DirectPlace): ReaderStream | undefined {
    const key = `${address} ${token}`;
    const known = this.streams.get(key);
    if (known !== undefined) return known;
    const [, host6, host, port] = placePattern.exec(address) ?? [];
    const since = this.unreachable.get(key);
    if (port === undefined || Number(port) > 65_535 || this.streams.size >= mostStreams) return undefined;
    if (since !== undefined && performance.now() - since < retryMs) return undefined;
    if (this.unreachable.size >= mostStreams) this.unreachable.clear();
    const socket = connect({ host: host6 ?? host ?? '', port: Number(port), noDelay: true });
    const stream = new ReaderStream(socket, token, (isUsual) => {
      this.streams.delete(key);
      if (isUsual) this.unreachable.delete(key);
      else this.unreachable.set(key, performance.now());
    });
    this.streams.set(key, stream);
    return stream;
  }
}

interface Asked {
  readonly bytes: Buffer;
  filled: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

interface Answer {
  readonly kind: number;
  readonly number: number;
  left: number;
  text: string;
}

class ReaderStream {
  private readonly frames = new FrameBuffer();
  private readonly asked = new Map<number, Asked>();
  private answer: Answer | undefined;
  private isGreeted = false;
  private wasUsual = false;
  private last = 0;
  private readonly connecting: NodeJS.Timeout;

  /** `onEnd`: called once; `isUsual`: it has worked, and nobody waited for it any more. */
  constructor(
    private readonly socket: Socket,
    token: number,
    onEnd: (isUsual: boolean) => void,
  ) {
    this.connecting = setTimeout(() => socket.destroy(), connectMs);
    // Who waits for tensors keeps its process; a stream alone does not
    socket.unref();
    socket.write(helloFrame(token));
    socket.on('data', (chunk) => {
      this.frames.push(chunk);
      if (!this.read()) socket.destroy();
    });
    socket.on('timeout', () => {
      this.wasUsual = this.asked.size === 0;
      socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(this.connecting);
      onEnd(this.wasUsual && this.asked.size === 0);
      for (const { reject } of this.asked.values()) reject(new OwnerUnreachable('the stream to the owner of the tensors ended'));
      this.asked.clear();
    });
  }

  fetch({ id, offset, length }: HeldBytes, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const number = (this.last = (this.last + 1) % 2 ** 32);
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(cancelled());
      const onAbort = (): void => {
        if (!this.forget(number)) return;
        this.socket.write(cancellationFrame(number));
        reject(cancelled());
      };
      const over = <V>(settle: (value: V) => void) => {
        return (value: V): void => {
          signal?.removeEventListener('abort', onAbort);
          settle(value);
        };
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.socket.setTimeout(silenceMs);
      this.asked.set(number, { bytes: Buffer.allocUnsafeSlow(length), filled: 0, resolve: over(resolve), reject: over(reject) });
      this.socket.write(requestFrame({ number, id, offset, length }));
    });
  }

  close(): void {
    this.wasUsual = true;
    this.socket.destroy();
  }

  private forget(number: number): boolean {
    const wasAsked = this.asked.delete(number);
    if (this.asked.size === 0) this.socket.setTimeout(idleMs);
    return wasAsked;
  }

  /** False: that is nothing that an owner says. */
  private read(): boolean {
    if (!this.isGreeted) {
      const greeting = this.frames.take(magic.length);
      if (greeting === undefined) return true;
      if (!greeting.equals(magic)) return false;
      this.isGreeted = true;
      clearTimeout(this.connecting);
    }
    for (;;) {
      this.answer ??= this.nextAnswer();
      const { answer } = this;
      if (answer === undefined) return true;
      const part = this.frames.takeUpTo(answer.left);
      answer.left -= part.length;
      if (!(answer.kind === kinds.piece ? this.fill(answer.number, part) : this.tell(answer, part))) return false;
      if (answer.left > 0) return true;
      this.answer = undefined;
    }
  }

  private nextAnswer(): Answer | undefined {
    const head = this.frames.take(answerHeadBytes);
    if (head === undefined) return undefined;
    return { kind: head[0] as number, number: head.readUInt32LE(1), left: head.readUInt32LE(5), text: '' };
  }

  private fill(number: number, part: Buffer): boolean {
    const asked = this.asked.get(number);
    // Cancelled
    if (asked === undefined) return true;
    if (asked.filled + part.length > asked.bytes.length) return false;
    part.copy(asked.bytes, asked.filled);
    asked.filled += part.length;
    if (asked.filled < asked.bytes.length) return true;
    this.forget(number);
    asked.resolve(new Uint8Array(asked.bytes.buffer, 0, asked.bytes.length));
    return true;
  }

  private tell(answer: Answer, part: Buffer): boolean {
    answer.text += part.toString('latin1');
    if (answer.kind !== kinds.error || answer.text.length + answer.left > maxErrorBytes) return false;
    if (answer.left > 0) return true;
    const asked = this.asked.get(answer.number);
    this.forget(answer.number);
    const [code = '', ...text] = Buffer.from(answer.text, 'latin1').toString().split('\n');
    // Its bus is down: ours may wait until it is back
    if (code === 'UNAVAILABLE') asked?.reject(new OwnerUnreachable(text.join('\n')));
    else asked?.reject(new ServingError(servingErrorCodes.find((known) => known === code) ?? 'INTERNAL', text.join('\n')));
    return true;
  }
}

function cancelled(): ServingError {
  return new ServingError('CANCELLED', 'the fetch was cancelled');
}
