import { createServer, type Server, type Socket } from 'node:net';
import { ServingError } from '@mserve/wire';
import type { Bus, Subscription } from '../bus.js';
import { errorFrame, errorOf, FrameSocket, type Frame } from './frames.js';

/** Which subjects and topics those at the other ends of links may use: prefixes of names. */
export interface LinkRights {
  /** Subjects they may answer. */
  readonly respond: readonly string[];
  /** Subjects they may ask. */
  readonly request: readonly string[];
  /** Topics they may tell others. */
  readonly broadcast: readonly string[];
}

/** Takes a connection that begins as HTTP/2 does; the bytes that came are to be read from the socket again. */
export type Http2Taker = (socket: Socket) => void;

/** First byte of HTTP/2's preface, `PRI * HTTP/2.0`. The first frame of a link, a hello, begins with its small length. */
const http2Byte = 'P'.charCodeAt(0);

/** Where a hub listens. */
export type LinkAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. */
export function linkAddressOf(text: string): LinkAddress {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(colon + 1)) };
}

/**
 * Lets other processes take part in control messages of a bus, each over a socket: agents of a server that is one process otherwise. Every link is a
 * participant of its own; the bus ends when the link does. Nothing is authenticated: who reaches the socket takes part, within `rights`.
 */
export class LinkHub {
  private readonly links = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    /** Host and port, or path, that it is bound to. */
    readonly address: LinkAddress,
  ) {}

  /** `connect`: makes the participant of a link. `onHttp2`: default: such a connection is ended. Rejects when the address cannot be had. */
  static listen(address: LinkAddress, connect: () => Bus, rights: LinkRights, onHttp2?: Http2Taker): Promise<LinkHub> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(address, () => {
        server.off('error', reject);
        const bound = server.address();
        const at = typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : address;
        const hub = new LinkHub(server, at);
        server.on('connection', (socket) => {
          hub.links.add(socket);
          socket.on('close', () => hub.links.delete(socket));
          socket.on('error', () => socket.destroy());
          socket.once('data', (first: Buffer) => {
            socket.pause();
            socket.unshift(first);
            if (first[0] === http2Byte && onHttp2 !== undefined) return onHttp2(socket);
            new HubLink(socket, connect(), rights);
            socket.resume();
          });
        });
        resolve(hub);
      });
    });
  }

  /** Ends all links. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.links) socket.destroy();
    });
  }
}

/** The hub's end of one link. */
class HubLink {
  private readonly frames: FrameSocket;
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly asked = new Map<number, { resolve: (body: Uint8Array) => void; reject: (error: Error) => void }>();
  private count = 0;

  constructor(
    socket: Socket,
    private readonly bus: Bus,
    private readonly rights: LinkRights,
  ) {
    this.frames = new FrameSocket(socket, (frame) => this.take(frame));
    socket.on('close', () => this.end());
  }

  private end(): void {
    for (const subscription of this.subscriptions.values()) subscription.unsubscribe();
    for (const { reject } of this.asked.values())
      reject(errorOf({ kind: 'error', code: 'UNAVAILABLE', body: Buffer.from('the link is gone') }));
    this.asked.clear();
    void this.bus.close();
  }

  private take(frame: Frame): void {
    const { kind, name = '', id = 0, body } = frame;
    switch (kind) {
      case 'hello':
        this.frames.send({ kind: 'welcome', name: this.bus.address, body: new Uint8Array(0) });
        break;
      case 'respond':
        check(this.rights.respond, name);
        this.subscribe(`subject ${name}`, () => this.bus.respond(name, (asked) => this.ask(name, asked)));
        break;
      case 'listen':
        this.subscribe(`topic ${name}`, () => this.bus.listen(name, (told) => this.frames.send({ kind: 'broadcast', name, body: told })));
        break;
      case 'unrespond':
        this.unsubscribe(`subject ${name}`);
        break;
      case 'unlisten':
        this.unsubscribe(`topic ${name}`);
        break;
      case 'broadcast':
        check(this.rights.broadcast, name);
        this.bus.broadcast(name, body);
        break;
      case 'request':
        this.request(frame).then(
          (answer) => this.frames.send({ kind: 'reply', id, body: answer }),
          (thrown: unknown) => this.frames.send(errorFrame(id, thrown)),
        );
        break;
      case 'reply':
        this.asked.get(id)?.resolve(body);
        this.asked.delete(id);
        break;
      case 'error':
        this.asked.get(id)?.reject(errorOf(frame));
        this.asked.delete(id);
        break;
      default:
        throw new TypeError(`a link says ${kind}`);
    }
  }

  private async request({ name = '', to, timeoutMs, body }: Frame): Promise<Uint8Array> {
    check(this.rights.request, name);
    return this.bus.request(to, name, body, timeoutMs === undefined ? {} : { timeoutMs });
  }

  private ask(name: string, body: Uint8Array): Promise<Uint8Array> {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.frames.send({ kind: 'ask', name, id, body });
    });
  }

  private subscribe(key: string, subscribe: () => Subscription): void {
    this.unsubscribe(key);
    this.subscriptions.set(key, subscribe());
  }

  private unsubscribe(key: string): void {
    this.subscriptions.get(key)?.unsubscribe();
    this.subscriptions.delete(key);
  }
}

function check(allowed: readonly string[], name: string): void {
  if (!allowed.some((prefix) => name.startsWith(prefix)))
    throw new ServingError('INVALID_ARGUMENT', `a link may not use ${name.slice(0, 64)}`);
}
