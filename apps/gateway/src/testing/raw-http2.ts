import { connect, type Socket } from 'node:net';

/** One frame of HTTP/2 as it came. */
export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A frame as bytes; `length` may lie. */
export function rawFrame(type: number, flags: number, stream: number, payload: Buffer | string = '', length?: number): Buffer {
  const content = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(length ?? content.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, content]);
}

/** Header block of literal fields without indexing. */
export function literals(fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[]): Buffer {
  const list = Array.isArray(fields)
    ? (fields as readonly (readonly [string, string])[])
    : Object.entries(fields as Record<string, string>);
  const text = (value: string): Buffer => Buffer.concat([length(value.length), Buffer.from(value, 'latin1')]);
  return Buffer.concat(list.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

/** An integer with a prefix of seven bits (RFC 7541, 5.1). */
function length(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

export const http2Preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** The client's side of HTTP/2, byte by byte, for specs that say things no client says. */
export class RawHttp2 {
  readonly frames: RawFrame[] = [];
  isClosed = false;
  private rest = Buffer.alloc(0);
  private waiters: (() => void)[] = [];

  private constructor(readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.rest = Buffer.concat([this.rest, bytes]);
      this.cut();
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  /** `begin`: what is said first; by default the preface and empty SETTINGS. */
  static async open(port: number, begin: readonly (Buffer | string)[] = [http2Preface, rawFrame(4, 0, 0)]): Promise<RawHttp2> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new RawHttp2(socket);
    client.say(...begin);
    return client;
  }

  say(...pieces: readonly (Buffer | string)[]): void {
    for (const piece of pieces) this.socket.write(piece);
  }

  /** Resolves with the first frame that came, or comes, and that `isIt`; undefined when the connection is closed before. */
  async frame(isIt: (frame: RawFrame) => boolean): Promise<RawFrame | undefined> {
    for (;;) {
      const found = this.frames.find(isIt);
      if (found !== undefined || this.isClosed) return found;
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  private cut(): void {
    let at = 0;
    while (this.rest.length - at >= 9) {
      const end = at + 9 + this.rest.readUIntBE(at, 3);
      if (end > this.rest.length) break;
      const [type, flags] = [this.rest[at + 3] as number, this.rest[at + 4] as number];
      this.frames.push({ type, flags, stream: this.rest.readUInt32BE(at + 5), payload: this.rest.subarray(at + 9, end) });
      at = end;
    }
    this.rest = this.rest.subarray(at);
  }

  private wake(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}
