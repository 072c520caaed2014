import type { DType } from '@mserve/wire';
import type { JsonReader } from './json-reader.js';

/** An element that its dtype cannot hold. Carries the literal, for the error text of the protocol. */
export class ElementError extends Error {
  constructor(
    readonly literal: string,
    readonly dtype: DType,
  ) {
    super(`${literal} is not a value of ${dtype}`);
  }
}

/** What ends a row. */
export const bracketClose = 0x5d;

/** Takes the elements of one tensor in order. Throws `unreadable` for an element of another JSON type, ElementError for one out of range. */
export abstract class ElementSink {
  /** Reads one element, the cursor before it. */
  abstract one(reader: JsonReader): void;
  /** The elements as tensor bytes; the sink is empty after it. */
  abstract finish(): Uint8Array;
  /** Drops what a reader that failed left behind. */
  abstract clear(): void;

  /** Reads elements up to and with the `]` that ends their row, the cursor before the first; how many there were. */
  row(reader: JsonReader): number {
    let count = 0;
    do {
      this.one(reader);
      count++;
    } while (reader.more(bracketClose));
    return count;
  }
}
