import { connect, type Socket } from 'node:net';
import { ServingError } from '@mserve/wire';
import type { BusState, RequestOptions, Subscription } from '../bus.js';
import type { ControlBus } from '../control/agents.js';
import { withTimeout } from '../deadline.js';
import { errorFrame, errorOf, FrameSocket, type Frame } from './frames.js';
import type { LinkAddress } from './link-hub.js';

const redialMs = 250;

type Responder = (body: Uint8Array) => Promise<Uint8Array>;

/** A participant of a bus at the far end of a link (see LinkHub). Lost links are dialled again; the address is another one then. */
export class LinkBus implements ControlBus {
  private frames: FrameSocket | undefined;
  private socket: Socket | undefined;
  private current: BusState = 'down';
  private ownAddress = 'unlinked';
  private timer: NodeJS.Timeout | undefined;
  private readonly responders = new Map<string, Responder>();
  private readonly listeners = new Map<string, Set<(body: Uint8Array) => void>>();
  private readonly stateListeners = new Set<(state: BusState) => void>();
  private readonly asked = new Map<number, { resolve: (body: Uint8Array) => void; reject: (error: Error) => void }>();
  private count = 0;

  constructor(private readonly hub: LinkAddress) {
    this.dial();
  }

  get address(): string {
    return this.ownAddress;
  }

  get state(): BusState {
    return this.current;
  }

  onState(listener: (state: BusState) => void): Subscription {
    this.stateListeners.add(listener);
    return { unsubscribe: () => void this.stateListeners.delete(listener) };
  }

  /** Resolves when the link stands. */
  whenUp(): Promise<void> {
    if (this.current === 'up') return Promise.resolve();
    return new Promise((resolve) => {
      const subscription = this.onState((state) => {
        if (state === 'down') return;
        subscription.unsubscribe();
        resolve();
      });
    });
  }

  request(to: string | undefined, subject: string, body: Uint8Array, { timeoutMs = 2000 }: RequestOptions = {}): Promise<Uint8Array> {
    if (this.current !== 'up') return Promise.reject(gone());
    const id = ++this.count;
    const answered = new Promise<Uint8Array>((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.frames?.send({ kind: 'request', name: subject, id, to, timeoutMs, body });
    });
    return withTimeout(answered, timeoutMs, () => `no answer to ${subject}`).finally(() => this.asked.delete(id));
  }

  respond(subject: string, responder: Responder): Subscription {
    if (this.responders.has(subject)) throw new TypeError(`subject ${subject} has a responder already`);
    this.responders.set(subject, responder);
    this.tell('respond', subject);
    return {
      unsubscribe: () => {
        if (this.responders.get(subject) !== responder) return;
        this.responders.delete(subject);
        this.tell('unrespond', subject);
      },
    };
  }

  broadcast(topic: string, body: Uint8Array): void {
    this.tell('broadcast', topic, body);
  }

  listen(topic: string, listener: (body: Uint8Array) => void): Subscription {
    const listeners = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, listeners);
    listeners.add(listener);
    if (listeners.size === 1) this.tell('listen', topic);
    return {
      unsubscribe: () => {
        if (!listeners.delete(listener) || listeners.size > 0) return;
        this.listeners.delete(topic);
        this.tell('unlisten', topic);
      },
    };
  }

  async close(): Promise<void> {
    if (this.current === 'closed') return;
    clearTimeout(this.timer);
    this.move('closed');
    this.socket?.destroy();
    this.fail();
  }

  private dial(): void {
    const socket = 'path' in this.hub ? connect(this.hub.path) : connect(this.hub.port, this.hub.host);
    this.socket = socket;
    this.frames = new FrameSocket(socket, (frame) => this.take(frame));
    // Who listens there may take other connections, too: it waits for who calls to say what it is
    this.frames.send({ kind: 'hello', body: new Uint8Array(0) });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.fail();
      if (this.current === 'closed') return;
      this.move('down');
      this.timer = setTimeout(() => this.dial(), redialMs);
    });
  }

  private tell(kind: Frame['kind'], name: string, body: Uint8Array = new Uint8Array(0)): void {
    if (this.current === 'up') this.frames?.send({ kind, name, body });
  }

  private take(frame: Frame): void {
    const { kind, name = '', id = 0, body } = frame;
    if (kind === 'welcome') {
      this.ownAddress = name;
      this.move('up');
      for (const subject of this.responders.keys()) this.tell('respond', subject);
      for (const topic of this.listeners.keys()) this.tell('listen', topic);
      return;
    }
    if (kind === 'broadcast') for (const listener of this.listeners.get(name) ?? []) listener(body);
    else if (kind === 'reply') this.asked.get(id)?.resolve(body);
    else if (kind === 'error') this.asked.get(id)?.reject(errorOf(frame));
    else if (kind === 'ask') void this.answer(name, id, body);
    else throw new TypeError(`a hub says ${kind}`);
  }

  private async answer(name: string, id: number, body: Uint8Array): Promise<void> {
    const { frames } = this;
    try {
      const responder = this.responders.get(name);
      if (responder === undefined) throw new ServingError('UNAVAILABLE', `nobody serves ${name} here`);
      frames?.send({ kind: 'reply', id, body: await responder(body) });
    } catch (thrown) {
      frames?.send(errorFrame(id, thrown));
    }
  }

  private fail(): void {
    for (const { reject } of this.asked.values()) reject(gone());
    this.asked.clear();
  }

  private move(state: BusState): void {
    if (this.current === state) return;
    this.current = state;
    for (const listener of this.stateListeners) listener(state);
  }
}

function gone(): ServingError {
  return new ServingError('UNAVAILABLE', 'the link to the bus is down');
}
