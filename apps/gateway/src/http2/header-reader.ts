import { ConnectionError, errorCode } from './frames.js';
import { HpackDecoder, HpackError } from './hpack-decoder.js';
import { FieldCollector, type FieldLimits, type HeaderBlock } from './request-headers.js';

/** Reads the header blocks of one connection. Clients send the same block again and again: the one that came last is not decoded twice. */
export class HeaderReader {
  private readonly decoder = new HpackDecoder();
  private readonly collector: FieldCollector;
  private last: { readonly block: Buffer; readonly tableVersion: number; readonly fields: HeaderBlock } | undefined;

  constructor(limits: FieldLimits) {
    this.collector = new FieldCollector(limits);
  }

  /** `isTrailers`: the block follows the body of a request. Throws a ConnectionError when it cannot be decoded. */
  read(block: Buffer, isTrailers: boolean): HeaderBlock {
    const { decoder, last } = this;
    const before = decoder.tableVersion;
    if (!isTrailers && last !== undefined && last.tableVersion === before && last.block.equals(block)) return last.fields;
    try {
      decoder.decode(block, 0, block.length, this.collector);
    } catch (thrown) {
      if (!(thrown instanceof HpackError)) throw thrown;
      throw new ConnectionError(errorCode.compressionError, thrown.message);
    }
    const fields = this.collector.finish(isTrailers);
    if (!isTrailers && decoder.tableVersion === before && block.length <= maxKeptBytes)
      this.last = { block: Buffer.from(block), tableVersion: before, fields };
    return fields;
  }
}

/** Longer blocks are not kept. */
const maxKeptBytes = 1024;
