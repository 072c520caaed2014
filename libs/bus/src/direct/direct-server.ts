import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { SecretNumbers, ServingError, type DirectPlace } from '@mserve/wire';
import type { Bus } from '../bus.js';
import {
  answerHead,
  cancellationBytes,
  FrameBuffer,
  helloBytes,
  kinds,
  magic,
  readRequest,
  requestBytes,
  type DirectRequest,
} from './direct-frames.js';

/** What one write takes; requests of one stream take turns after each. */
const pieceBytes = 256 * 1024;
/** No further piece is made while so much waits to be sent. */
const mostWaitingBytes = 1024 * 1024;
const mostRequests = 256;
const mostStreams = 1024;
const helloMs = 5_000;
/** A stream over which nothing goes for so long is ended: readers end theirs before. */
const idleMs = 60_000;

type Owner = Pick<Bus, 'address' | 'fetch'>;

/** Gives what participants of this process hold to readers on other machines, over one stream for each reader. */
export class DirectServer {
  private readonly owners = new Map<number, Owner>();
  private readonly streams = new Set<Socket>();
  private readonly secrets = new SecretNumbers();

  private constructor(
    private readonly server: Server,
    /** HOST:PORT, as readers are told. */
    readonly address: string,
  ) {}

  /** Rejects with the error of the system where that is no address of this machine, or taken. `host`: what readers are told, too. */
  static async listen(host: string, port: number): Promise<DirectServer> {
    const server = createServer({ noDelay: true });
    server.maxConnections = mostStreams;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    const { port: bound } = server.address() as AddressInfo;
    const direct = new DirectServer(server, host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`);
    server.on('connection', (socket) => direct.accept(socket));
    // No descriptor is left, and the like: those that are connected go on
    server.on('error', () => undefined);
    server.unref();
    return direct;
  }

  /** What a reader needs to get what this participant holds. */
  placeOf(owner: Owner): DirectPlace {
    const token = this.secrets.next();
    this.owners.set(token, owner);
    return { address: this.address, token };
  }

  close(): void {
    this.server.close();
    for (const socket of this.streams) socket.destroy();
  }

  private accept(socket: Socket): void {
    this.streams.add(socket);
    socket.unref();
    socket.on('close', () => this.streams.delete(socket));
    // It is closed then, and that is all that there is to know
    socket.on('error', () => undefined);
    new OwnerStream(socket, this.owners);
  }
}

/** One reader. Whatever is not in order ends it. */
class OwnerStream {
  private readonly frames = new FrameBuffer();
  private readonly requests = new Map<number, DirectRequest>();
  private owner: Owner | undefined;
  private isPumping = false;

  constructor(
    private readonly socket: Socket,
    private readonly owners: ReadonlyMap<number, Owner>,
  ) {
    const late = setTimeout(() => socket.destroy(), helloMs);
    socket.once('close', () => clearTimeout(late));
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('drain', () => void this.pump());
    socket.on('data', (chunk) => {
      this.frames.push(chunk);
      if (this.owner === undefined && !this.greet()) return;
      clearTimeout(late);
      if (this.take()) void this.pump();
      else socket.destroy();
    });
  }

  /** False: the token has not come, or is wrong. */
  private greet(): boolean {
    const hello = this.frames.take(helloBytes);
    if (hello === undefined) return false;
    this.owner = hello.subarray(0, magic.length).equals(magic) ? this.owners.get(Number(hello.readBigUInt64LE(magic.length))) : undefined;
    if (this.owner === undefined) {
      this.socket.destroy();
      return false;
    }
    this.socket.write(magic);
    return true;
  }

  /** False: that is nothing that a reader says. */
  private take(): boolean {
    for (;;) {
      const { first } = this.frames;
      if (first === undefined) return true;
      if (first !== kinds.request && first !== kinds.cancellation) return false;
      const frame = this.frames.take(first === kinds.request ? requestBytes : cancellationBytes);
      if (frame === undefined) return true;
      if (first === kinds.cancellation) {
        this.requests.delete(frame.readUInt32LE(1));
        continue;
      }
      const request = readRequest(frame);
      if (request === undefined || this.requests.size >= mostRequests) return false;
      this.requests.set(request.number, request);
    }
  }

  private async pump(): Promise<void> {
    if (this.isPumping) return;
    this.isPumping = true;
    while (!this.socket.destroyed && this.socket.writableLength < mostWaitingBytes) {
      const [next] = this.requests.values();
      if (next === undefined) break;
      await this.piece(next);
    }
    this.isPumping = false;
  }

  private async piece({ number, id, offset, length }: DirectRequest): Promise<void> {
    const owner = this.owner as Owner;
    const part = Math.min(length, pieceBytes);
    let bytes: Uint8Array;
    try {
      bytes = await owner.fetch({ owner: owner.address, id, offset, length: part });
    } catch (thrown) {
      if (!this.requests.delete(number)) return;
      const { code, message } = ServingError.from(thrown);
      const text = Buffer.from(`${code}\n${message}`);
      this.socket.write(Buffer.concat([answerHead(kinds.error, number, text.length), text]));
      return;
    }
    // It may have been cancelled meanwhile. Set anew, it is behind the others
    if (!this.requests.delete(number)) return;
    if (part < length) this.requests.set(number, { number, id, offset: offset + part, length: length - part });
    this.socket.cork();
    this.socket.write(answerHead(kinds.piece, number, part));
    this.socket.write(bytes);
    this.socket.uncork();
  }
}
