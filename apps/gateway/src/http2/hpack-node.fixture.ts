import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { FieldSink, HpackDecoder } from './hpack-decoder.js';
import { rawFrame } from '../testing/raw-http2.js';

/** A name and a value. */
export type Field = readonly [name: string, value: string];

/** A sink that keeps the fields. */
export class FieldList implements FieldSink {
  readonly fields: Field[] = [];

  field(name: string, value: string): void {
    this.fields.push([name, value]);
  }
}

/** The fields of a block. */
export function decodeBlock(decoder: HpackDecoder, block: Uint8Array): Field[] {
  const list = new FieldList();
  decoder.decode(block, 0, block.length, list);
  return list.fields;
}

const prefaceBytes = 24;
const HEADERS = 1;
const SETTINGS = 4;
const CONTINUATION = 9;
const endStream = 1;
const ACK = 1;
const endHeaders = 4;
const PADDED = 8;
const PRIORITY = 0x20;

/**
 * The client of node:http2 with a server below it that knows frames only: it keeps the header blocks that the client sent, and answers each with the block
 * that it was given.
 */
export class NodeClient {
  /** The header blocks of the requests, in their order. */
  readonly blocks: Buffer[] = [];
  private received = Buffer.alloc(0);
  private fragments: Buffer[] = [];
  private isGreeted = false;
  private answer: Buffer = Buffer.from([0x88]);

  private constructor(
    private readonly server: Server,
    private readonly session: ClientHttp2Session,
  ) {}

  /** `tableBytes`: what the server says as SETTINGS_HEADER_TABLE_SIZE. */
  static async open(tableBytes = 4096): Promise<NodeClient> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const client = new NodeClient(server, session);
    server.once('connection', (socket) => {
      const size = Buffer.alloc(6);
      size.writeUInt16BE(1, 0);
      size.writeUInt32BE(tableBytes, 2);
      socket.write(rawFrame(SETTINGS, 0, 0, size));
      socket.on('data', (bytes: Buffer) => client.read(socket, bytes));
    });
    await once(session, 'remoteSettings');
    return client;
  }

  /** Sends a request, answers it with `answer`, and resolves with the headers that the client saw. */
  async request(headers: OutgoingHttpHeaders, answer: Buffer = Buffer.from([0x88])): Promise<IncomingHttpHeaders> {
    this.answer = answer;
    const stream: ClientHttp2Stream = this.session.request(headers, { endStream: true });
    const [seen] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    stream.resume();
    await once(stream, 'close');
    return seen;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.session.destroy();
    this.server.close();
    await closed;
  }

  private read(socket: Socket, bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    if (!this.isGreeted) {
      if (this.received.length < prefaceBytes) return;
      this.isGreeted = true;
      this.received = this.received.subarray(prefaceBytes);
    }
    while (this.received.length >= 9) {
      const end = 9 + this.received.readUIntBE(0, 3);
      if (this.received.length < end) return;
      this.readFrame(socket, this.received.subarray(0, end));
      this.received = this.received.subarray(end);
    }
  }

  private readFrame(socket: Socket, bytes: Buffer): void {
    const [type, flags] = [bytes[3] as number, bytes[4] as number];
    if (type === SETTINGS && (flags & ACK) === 0) socket.write(rawFrame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    if (type !== HEADERS && type !== CONTINUATION) return;
    let [start, end] = [9, bytes.length];
    if (type === HEADERS && (flags & PADDED) !== 0) end -= bytes[start++] as number;
    if (type === HEADERS && (flags & PRIORITY) !== 0) start += 5;
    this.fragments.push(bytes.subarray(start, end));
    if ((flags & endHeaders) === 0) return;
    this.blocks.push(Buffer.concat(this.fragments));
    this.fragments = [];
    socket.write(rawFrame(HEADERS, endHeaders | endStream, bytes.readUInt32BE(5), this.answer));
  }
}
