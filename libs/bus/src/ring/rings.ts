/** Where a ring is offered. Both whole numbers up to 2^53. */
export interface RingPlace {
  /** Names the process that reads it. */
  readonly hub: number;
  /** Names the ring; who does not know it gets none. */
  readonly ring: number;
}

/** Is told what comes through the rings that are read here, and what becomes of them. */
export interface RingListener {
  /** There is something to be read, once in a turn, before the turn's setImmediate calls. */
  onNews(): void;
  /** A record. The bytes are the listener's. */
  onBytes(ring: number, bytes: Uint8Array): void;
  /** Its writer has ended, and all that it wrote has been told. */
  onEnded(ring: number): void;
  /** Its writer has ended, and there are records that are not to be read before the ring is begun. */
  onOrphaned(ring: number): void;
  /** Its writer does not keep to the rules: nothing more is read. */
  onBroken(ring: number): void;
}

/** The writing end of a ring of another process. */
export interface RingOutlet {
  /** Called once, when the reader has ended or has shut the ring: `taken` is final. */
  onLeft: () => void;
  /** Position behind all that was written. */
  readonly written: number;
  /** Position up to which the reader has taken the records: now, and at the last write. */
  readonly taken: number;
  readonly takenThen: number;
  /** full: there is no room now · closed: nobody reads any more */
  write(bytes: Uint8Array): 'written' | 'full' | 'closed';
  /** What is written from here on is read only when the ring was begun again. There is room for one at any time. */
  pause(): 'written' | 'full' | 'closed';
  /** Nothing more is written; the reader reads what was. */
  leave(): void;
}

/** Rings of bytes between the processes of one machine. Implemented by `@mserve/native/shared-memory`, which this room does not know. */
export interface Rings {
  /** The largest record, and the size of a ring. */
  readonly maxBytes: number;
  readonly sizeBytes: number;
  listen(listener: RingListener): void;
  /** A ring for one writer, who has to be told of it. Undefined: there are too many, or there is no memory. */
  offer(): RingPlace | undefined;
  /** What was written, up to the next pause, is to be read. False: there is no such ring, or it is being read. */
  begin(ring: number): boolean;
  /** A ring is not read any more; its writer learns it. */
  shut(ring: number): void;
  /** Tells the listener all that was written before this call. Nothing when it is called by the listener. */
  read(): void;
  /** The ring that is offered at a place; undefined: it is on another machine or of another user, or not offered any more. */
  open(place: RingPlace): Promise<RingOutlet | undefined>;
  /** Nothing more is read or written; others learn it. */
  close(): void;
}
