import { maxRank } from '@mserve/wire';
import type { ElementSink } from './element-sink.js';
import { unreadable, type JsonReader } from './json-reader.js';

const bracketOpen = 0x5b;
const bracketClose = 0x5d;

/**
 * Reads a nested array (cursor on its `[`) into the sink; the shape of it. Every row of one depth must have the same length,
 * else `unreadable` is thrown. `[]` and `[[],[]]` are arrays without elements. At most maxRank deep. What is thrown leaves the sink empty.
 */
export function readArray(reader: JsonReader, sink: ElementSink): number[] {
  try {
    return readRows(reader, sink);
  } catch (thrown) {
    sink.clear();
    throw thrown;
  }
}

function readRows(reader: JsonReader, sink: ElementSink): number[] {
  const shape: number[] = [];
  const counts: number[] = [];
  let rank = -1;
  for (;;) {
    if (reader.peek() !== bracketOpen) throw unreadable;
    reader.at++;
    counts.push(0);
    if (counts.length > (rank === -1 ? maxRank : rank)) throw unreadable;
    const byte = reader.peek();
    if (byte === bracketOpen) continue;
    if (rank === -1) rank = counts.length;
    else if (counts.length !== rank) throw unreadable;
    if (byte === bracketClose) reader.at++;
    else counts[rank - 1] = sink.row(reader);
    if (closeRows(reader, shape, counts)) return shape;
  }
}

/** A row has ended: notes its length, and ends its parents that end with it. True when the whole array has ended. */
function closeRows(reader: JsonReader, shape: number[], counts: number[]): boolean {
  for (;;) {
    const depth = counts.length - 1;
    const count = counts.pop() as number;
    const length = shape[depth];
    if (length === undefined) shape[depth] = count;
    else if (length !== count) throw unreadable;
    if (depth === 0) return true;
    counts[depth - 1] = (counts[depth - 1] as number) + 1;
    if (reader.more(bracketClose)) return false;
  }
}
