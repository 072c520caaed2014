import { HpackError } from './hpack-error.js';
import { decodeHuffman, longestHuffmanText } from './hpack-huffman.js';
import { latin1Text } from './hpack-text.js';
import { DynamicTable } from './hpack-dynamic-table.js';
import { staticLength, staticNames, staticValues } from './hpack-tables.js';

export { HpackError } from './hpack-error.js';

/** The size of a dynamic table before any SETTINGS have been seen. */
const defaultTableBytes = 4096;
/** Integers of more bytes than these after their prefix are refused; with them they stay below 2^29. */
const mostIntegerBytes = 4;
/** Huffman texts up to this length are decoded in memory that the decoder keeps. */
const keptTextBytes = 512;

/** Told of each field of a header block, in order. Names and values are latin1 texts ('binary'), as node's. */
export interface FieldSink {
  /**
   * Should not throw: a sink that has had enough counts for itself and ignores the rest. If it throws, the rest of the block is not decoded, the
   * dynamic table is out of step with the peer's, and the connection has to end.
   */
  field(name: string, value: string): void;
}

/**
 * Decodes the header blocks of one connection, all of them and in their order. A block of few bytes can stand for many bytes of fields (an index for
 * a long entry, again and again): the sink has to bound what it keeps.
 */
export class HpackDecoder {
  private readonly table = new DynamicTable(defaultTableBytes);
  private readonly kept = Buffer.allocUnsafe(keptTextBytes);
  /** Where the next byte of the block is read. */
  private at = 0;

  /**
   * `maxTableBytes`: what our SETTINGS_HEADER_TABLE_SIZE says. The table starts with 4096 bytes in any case, as the peer's first blocks may come before
   * it has seen our SETTINGS; the peer then changes the size in a block.
   */
  constructor(private readonly maxTableBytes = defaultTableBytes) {}

  /** Changes whenever the dynamic table changes: the same block decodes to the same fields while it stays the same, if decoding it did not change it. */
  get tableVersion(): number {
    return this.table.version;
  }

  /**
   * Decodes one whole header block (all fragments joined) from `bytes[start..end)`. Throws HpackError; the sink may have been told of fields before,
   * and nothing more can be decoded on this connection.
   */
  decode(bytes: Uint8Array, start: number, end: number, sink: FieldSink): void {
    const block = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.resizeTable(block, end);
    while (this.at < end) {
      const first = block[this.at++] as number;
      if (first >= 0x80) this.indexedField(block, end, first, sink);
      else if (first >= 0x40) this.literalField(block, end, first & 0x3f, 0x3f, sink, true);
      else if (first >= 0x20) throw new HpackError('the table size changes after the start of a block');
      else this.literalField(block, end, first & 0x0f, 0x0f, sink, false);
    }
  }

  /** Reads the changes of the table's size at the start of a block. */
  private resizeTable(block: Buffer, end: number): void {
    while (this.at < end) {
      const first = block[this.at] as number;
      if (first >> 5 !== 1) return;
      this.at++;
      const maxBytes = this.integer(block, end, first & 0x1f, 0x1f);
      if (maxBytes > this.maxTableBytes) throw new HpackError(`a table of ${maxBytes} bytes where ${this.maxTableBytes} are allowed`);
      this.table.resize(maxBytes);
    }
  }

  private indexedField(block: Buffer, end: number, first: number, sink: FieldSink): void {
    const index = this.integer(block, end, first & 0x7f, 0x7f);
    if (index > staticLength) {
      const place = this.dynamicPlace(index);
      sink.field(this.table.name(place), this.table.value(place));
    } else if (index > 0) {
      sink.field(staticNames[index] as string, staticValues[index] as string);
    } else {
      throw new HpackError('a field with the index 0');
    }
  }

  private literalField(block: Buffer, end: number, prefix: number, mask: number, sink: FieldSink, isKept: boolean): void {
    const index = this.integer(block, end, prefix, mask);
    let name: string;
    if (index === 0) name = this.text(block, end);
    else if (index <= staticLength) name = staticNames[index] as string;
    else name = this.table.name(this.dynamicPlace(index));
    const value = this.text(block, end);
    if (isKept) this.table.add(name, value);
    sink.field(name, value);
  }

  private dynamicPlace(index: number): number {
    const place = index - staticLength - 1;
    if (place >= this.table.length) throw new HpackError(`the index ${index} is beyond the table`);
    return place;
  }

  /** An integer whose first bits are `prefix`: all bits of `mask` say that bytes follow. */
  private integer(block: Buffer, end: number, prefix: number, mask: number): number {
    if (prefix !== mask) return prefix;
    let number = mask;
    for (let i = 0; i < mostIntegerBytes; i++) {
      if (this.at >= end) throw new HpackError('a block ends inside an integer');
      const byte = block[this.at++] as number;
      number += (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return number;
    }
    throw new HpackError('an integer is too large');
  }

  private text(block: Buffer, end: number): string {
    if (this.at >= end) throw new HpackError('a block ends before a text');
    const first = block[this.at++] as number;
    const length = this.integer(block, end, first & 0x7f, 0x7f);
    const start = this.at;
    if (length > end - start) throw new HpackError('a block ends inside a text');
    this.at = start + length;
    if (first < 0x80) return latin1Text(block, start, this.at);
    const room = longestHuffmanText(length);
    const text = room <= keptTextBytes ? this.kept : Buffer.allocUnsafe(room);
    return latin1Text(text, 0, decodeHuffman(block, start, this.at, text));
  }
}
