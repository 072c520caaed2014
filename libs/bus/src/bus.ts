import type { HeldBytes } from '@mserve/wire';
import type { Channel } from './channel.js';
import type { BusTraffic } from './message-ways.js';

/** What a broadcast may carry: a beacon, not a state. Larger ones throw RangeError. */
export const maxBroadcastBytes = 256 * 1024;

/** up: messages flow · down: the connection is lost and being restored · closed: for good. */
export type BusState = 'up' | 'down' | 'closed';

/** A listener, receiver or responder, until it is unsubscribed. */
export interface Subscription {
  /** No handler call starts after this returns. */
  unsubscribe(): void;
}

/** How a request on the bus is sent. */
export interface RequestOptions {
  /** Default 2000. After it the promise rejects with DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
}

/**
 * One participant's connection to the others. Two implementations, one contract (bus.contract.ts): MemoryBus within a
 * process, NatsBus between processes.
 *
 * Three ways to talk:
 * - channels, the hot path: typed messages to one address, gathered per event-loop turn, delivered at most once, in order per sender
 * - requests, for control: bytes to the responder at one address, or to any one responder; one answer
 * - topics, for control: bytes to everybody who listens
 *
 * Addresses, subjects and topics match [A-Za-z0-9_.-]+ (no empty parts); anything else throws TypeError. Names from outside are never part of them.
 */
export interface Bus {
  /** This participant's own unique address, for example `gateway-5f0c12ab`. */
  readonly address: string;
  readonly state: BusState;
  /** Messages that this version does not understand, since the start; undefined where none can come in. */
  readonly dropped?: number | undefined;
  /** What it sent in which way; undefined where there are no ways to choose from. */
  readonly traffic?: BusTraffic | undefined;
  /** Bytes that are held here for others until they fetched them. */
  readonly heldBytes: number;
  /** Called at every change of `state`. */
  onState(listener: (state: BusState) => void): Subscription;

  /**
   * Sends a message to the participant at `to`. Never throws for a reason of the network.
   * `onUndelivered` is called (at most once, never synchronously) with UNAVAILABLE when it is known that nobody got the message:
   * nobody receives on that channel at that address, or the bus is down or closed. With another code (RESOURCE_EXHAUSTED, INTERNAL) when the
   * message is too large for the bus or cannot be encoded: sending it again would not help. When it is not called, the message may still be lost.
   */
  send<M>(channel: Channel<M>, to: string, message: M, onUndelivered?: (error: Error) => void): void;

  /**
   * Receives what others send to this address on the channel: lists of messages, in order, one call per list.
   * One receiver per channel (a second one throws). What the handler throws is reported, and nothing stops.
   */
  receive<M>(channel: Channel<M>, handler: (messages: readonly M[]) => void): Subscription;

  /**
   * Asks the responder of `subject` at the address `to`; with `to` undefined, any one responder of that subject anywhere.
   * Rejects with UNAVAILABLE at once when there is none, DEADLINE_EXCEEDED after timeoutMs, or the ServingError the responder threw.
   */
  request(to: string | undefined, subject: string, body: Uint8Array, options?: RequestOptions): Promise<Uint8Array>;

  /** Answers requests for `subject`, both those sent to this address and those sent to anybody. A rejected promise travels back as its ServingError. */
  respond(subject: string, responder: (body: Uint8Array) => Promise<Uint8Array>): Subscription;

  /** Tells everybody who listens to `topic`, this participant's own listeners included. At most once, not stored. */
  broadcast(topic: string, body: Uint8Array): void;
  listen(topic: string, listener: (body: Uint8Array) => void): Subscription;

  /** Keeps bytes here until {@link release}, for others to {@link fetch}. `onForgotten`: called once, at the release; the memory may be used again then. */
  hold(bytes: Uint8Array, onForgotten?: () => void): HeldBytes;
  /** Forgets held bytes (by owner and id); those held for one reader when each part of them was released. Releasing twice is no error. */
  release(held: HeldBytes): void;
  /**
   * Keeps bytes for one reader, who {@link take}s them, whole or in parts; drain waits for it. `onLost` is called at most once, when nobody read
   * from them for a minute and they are forgotten. `onForgotten` as of {@link hold}.
   */
  holdForOne(bytes: Uint8Array, onLost?: () => void, onForgotten?: () => void): HeldBytes;
  /**
   * Fetches bytes that were held for one reader, or a part of them, and releases what it fetched. Waits through an outage of the bus.
   * Rejects like {@link fetch}, and with RESOURCE_EXHAUSTED for more than this participant takes; what could not be had, or was cancelled by
   * `signal`, is released too.
   */
  take(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array>;
  /** The largest message that is sent in one piece, in bytes; the bus keeps larger ones until their receiver has pulled them. Infinity within a process. */
  readonly maxMessageBytes: number;
  /**
   * The held bytes (offset and length of the reference), wherever they are: pulled in pieces that fit the bus, a few at a time.
   * Rejects with UNAVAILABLE when the owner is gone, NOT_FOUND when it no longer holds them, CANCELLED by `signal`.
   */
  fetch(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array>;

  /**
   * Stops receiving and responding (others get UNAVAILABLE at once), waits until handlers and responders in hand are done and
   * what was sent is out, large messages and answers included (their receivers have them). Held bytes stay fetchable, and sending still works, until close().
   * Resolves after at most `graceMs` with the number of responders still unfinished.
   */
  drain(graceMs: number): Promise<number>;
  close(): Promise<void>;
}
