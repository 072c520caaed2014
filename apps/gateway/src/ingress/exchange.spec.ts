import { describe, expect, it } from '@jest/globals';
import { BodyPool } from './body-pool.js';
import { Exchange } from './exchange.js';

const kib = 1024;
const pieceBytes = 16 * kib;

/** One whose first tensor begins at `offset` of its body. */
class Tried extends Exchange {
  override get headers(): Record<string, undefined> {
    return {};
  }

  constructor(
    announcedBytes: number,
    areLent: boolean,
    private readonly offset = 0,
  ) {
    super(1, 'oip-grpc', Infinity, announcedBytes, areLent);
  }

  protected override tensorOffset(): number {
    return this.offset;
  }
}

function bytesOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => at % 251));
}

/** In pieces that become others when they were taken, as those of a connection do. */
function send(exchange: Exchange, body: Buffer, pieces = pieceBytes): void {
  for (let at = 0; at < body.length; at += pieces) {
    const piece = Buffer.from(body.subarray(at, at + pieces));
    exchange.take(piece);
    piece.fill(0);
  }
  exchange.complete();
}

describe('a body', () => {
  it.each([
    ['one small piece', 500, pieceBytes],
    ['one piece', 10 * kib, pieceBytes],
    ['small pieces', 5 * kib, 100],
    ['pieces', 600 * kib, pieceBytes],
    ['pieces, and is larger than what is put together at its end', 3_000 * kib, pieceBytes],
  ])('that comes in %s is what was sent, whatever becomes of the pieces', (_name, bytes, pieces) => {
    const body = bytesOf(bytes);
    for (const announced of [bytes, -1]) {
      const exchange = new Tried(announced, true);
      send(exchange, body, pieces);
      expect(Buffer.compare(exchange.body, body)).toBe(0);
    }
  });

  it('is not copied where its only piece is nobody else’s', () => {
    const exchange = new Tried(500, false);
    const piece = bytesOf(500);
    exchange.take(piece);
    exchange.complete();
    expect(exchange.body).toBe(piece);
  });

  it.each([0, 1, 5, 15])('has its first tensor, at %i, where native code takes it as it is', (offset) => {
    for (const bytes of [10 * kib, 600 * kib]) {
      const exchange = new Tried(bytes, true, offset);
      send(exchange, bytesOf(bytes));
      expect((exchange.body.byteOffset + offset) % 16).toBe(0);
    }
  });

  it('of a size that came before gets the buffer of that one at its first piece, wherever their first tensors begin', () => {
    const pool = new BodyPool(10_000 * kib);
    const bytes = 600 * kib;
    const first = new Tried(bytes, true);
    first.pool = pool;
    send(first, bytesOf(bytes));
    const { buffer } = first.body;
    first.release(() => false);
    const next = new Tried(bytes, true, 1);
    next.pool = pool;
    next.take(bytesOf(pieceBytes));
    expect(pool.has(bytes)).toBe(false);
    for (let at = pieceBytes; at < bytes; at += pieceBytes) next.take(bytesOf(pieceBytes));
    next.complete();
    expect(next.body.buffer).toBe(buffer);
  });
});
