import type { HeldTable } from '../held-table.js';
import type { Report } from '../report.js';
import type { ChannelInbox } from './channel-inbox.js';

/** A participant of one process, as the others see it. */
export interface MemoryEndpoint {
  /** What it receives, by channel. */
  readonly inboxes: ReadonlyMap<string, ChannelInbox>;
  /** Its own responders, by subject. */
  readonly ownResponders: ReadonlyMap<string, MemoryResponder>;
  readonly held: HeldTable;
  /** Runs a responder of this endpoint for another one and counts it as work in hand. */
  answer(responder: MemoryResponder, subject: string, body: Uint8Array): Promise<Uint8Array>;
}

/** A responder and the endpoint that it belongs to. */
export interface MemoryResponder {
  readonly owner: MemoryEndpoint;
  readonly respond: (body: Uint8Array) => Promise<Uint8Array>;
}

/** What the participants of one process share. */
export interface MemoryMedium {
  /** Participants that are not closed, by address. */
  readonly endpoints: Map<string, MemoryEndpoint>;
  readonly responders: Map<string, MemoryResponder[]>;
  readonly listeners: Map<string, Set<(body: Uint8Array) => void>>;
  readonly report: Report;
}
