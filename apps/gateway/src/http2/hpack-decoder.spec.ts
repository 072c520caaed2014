import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HpackDecoder, HpackError } from './hpack-decoder.js';
import { encodeFields } from './hpack-encoder.js';
import { decodeBlock, type Field, FieldList } from './hpack-node.fixture.js';
import { huffmanCode } from './hpack-tables.js';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** A literal with incremental indexing, both texts shorter than 127 bytes. */
const kept = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name, 'latin1'), Buffer.from([value.length]), Buffer.from(value, 'latin1')]);

/** The field x with a value of the given bits in the Huffman code. */
function huffmanField(bits: string): Buffer {
  const coded = (bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2));
  return Buffer.from([0x00, 0x01, 0x78, 0x80 | coded.length, ...coded]);
}

const bitsOf = (text: string): string =>
  Array.from(text, (character) => {
    const { bits, code } = huffmanCode().find(({ symbol }) => symbol === character.charCodeAt(0)) ?? { bits: 0, code: 0 };
    return code.toString(2).padStart(bits, '0');
  }).join('');

const padded = (bits: string): string => bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');

describe('HpackDecoder', () => {
  it.each([
    ['index 0', '80'],
    ['an index beyond the table', 'be'],
    ['an index of several bytes beyond the table', 'ff 80 01'],
    ['a name with an index beyond the table', '7e 00'],
    ['an integer that ends early', 'ff'],
    ['an integer that ends early, after a byte', 'ff 80'],
    ['an integer above 2^28', 'ff 80 80 80 80 01'],
    ['an integer of very many bytes', `ff ${'ff'.repeat(1000)} 00`],
    ['an integer with zeros at its end', 'ff 80 80 80 80 80 80 00'],
    ['a block that ends before a name', '40'],
    ['a block that ends inside a name', '40 03 61 62'],
    ['a block that ends before a value', '40 01 61'],
    ['a block that ends inside a value', '40 01 61 02 61'],
    ['a value with the longest length', '40 01 61 7f ff ff ff 7f'],
    ['a coded value that ends early', '40 01 61 82 ff'],
    ['a table size above ours', '3f e2 1f'],
    ['a table size after a field', '82 20'],
    ['a table size at the end', '82 82 3f e1 1f'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeBlock(new HpackDecoder(), bytes(hex))).toThrow(HpackError);
  });

  it('reads from start to end only, and any bytes', () => {
    const list = new FieldList();
    const block = new Uint8Array([0xff, 0xff, 0x82, 0x40, 0x01, 0xe9, 0x01, 0xff, 0x80]);
    new HpackDecoder().decode(block.subarray(1), 1, 7, list);
    expect(list.fields).toEqual([
      [':method', 'GET'],
      ['\u00e9', '\u00ff'],
    ]);
  });

  it('takes an empty block, empty texts and a name of the dynamic table', () => {
    const decoder = new HpackDecoder();
    expect(decodeBlock(decoder, Buffer.alloc(0))).toEqual([]);
    expect(decodeBlock(decoder, bytes('40 00 00'))).toEqual([['', '']]);
    expect(decodeBlock(decoder, kept('a', 'b'))).toEqual([['a', 'b']]);
    expect(decodeBlock(decoder, bytes('7e 01 63 be bf c0'))).toEqual([
      ['a', 'c'],
      ['a', 'c'],
      ['a', 'b'],
      ['', ''],
    ]);
  });

  it('evicts by size, and keeps as many entries as fit', () => {
    const decoder = new HpackDecoder();
    // 34 bytes each: 120 of them fit into 4096
    const fields = Array.from({ length: 200 }, (_, i): Field => [String.fromCharCode(33 + (i % 90)), String.fromCharCode(33 + (i % 70))]);
    decodeBlock(decoder, Buffer.concat(fields.map(([name, value]) => kept(name, value))));
    const indices = Array.from({ length: 120 }, (_, i) => (62 + i < 127 ? [0x80 | (62 + i)] : [0xff, 62 + i - 127])).flat();
    expect(decodeBlock(decoder, Buffer.from(indices))).toEqual(fields.slice(-120).reverse());
    expect(() => decodeBlock(decoder, Buffer.from([0xff, 62 + 120 - 127]))).toThrow(/beyond/);
  });

  it('empties the table for an entry that never fits, whose name may be one of the table', () => {
    const decoder = new HpackDecoder();
    decodeBlock(decoder, Buffer.concat([bytes('3f 29'), kept('a', 'b'), kept('c', 'd')]));
    expect(decodeBlock(decoder, bytes('bf be'))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    const value = 'v'.repeat(40);
    expect(decodeBlock(decoder, Buffer.concat([bytes('7f 00 28'), Buffer.from(value)]))).toEqual([['a', value]]);
    expect(() => decodeBlock(decoder, bytes('be'))).toThrow(/beyond/);
    expect(decodeBlock(decoder, Buffer.concat([kept('e', 'f'), bytes('be')]))).toHaveLength(2);
  });

  it('takes several changes of the table size at the start, and forgets what no longer fits', () => {
    const decoder = new HpackDecoder(8192);
    decodeBlock(decoder, Buffer.concat([kept('a', 'b'), kept('c', 'd')]));
    expect(decodeBlock(decoder, bytes('3f 03 3f e1 3f be'))).toEqual([['c', 'd']]);
    expect(() => decodeBlock(decoder, bytes('bf'))).toThrow(/beyond/);
    const other = new HpackDecoder(8192);
    decodeBlock(other, kept('a', 'b'));
    expect(decodeBlock(other, bytes('20 3f e1 3f'))).toEqual([]);
    expect(() => decodeBlock(other, bytes('be'))).toThrow(/beyond/);
    expect(() => decodeBlock(other, bytes('3f e2 3f'))).toThrow(HpackError);
  });

  it('has a table of 4096 bytes until the peer has seen a smaller size', () => {
    const decoder = new HpackDecoder(0);
    expect(decodeBlock(decoder, Buffer.concat([kept('a', 'b'), bytes('be')]))).toHaveLength(2);
    expect(() => decodeBlock(decoder, bytes('20 be'))).toThrow(/beyond/);
    expect(() => decodeBlock(decoder, bytes('21'))).toThrow(HpackError);
  });

  it('has a version that changes with the table, and only with it', () => {
    const decoder = new HpackDecoder();
    const changes = (block: Buffer): boolean => {
      const before = decoder.tableVersion;
      decodeBlock(decoder, block);
      return decoder.tableVersion !== before;
    };
    expect(changes(kept('a', 'b'))).toBe(true);
    expect(changes(bytes('82 be'))).toBe(false);
    expect(changes(encodeFields([['a', 'b']]))).toBe(false);
    expect(changes(bytes('3f e1 1f'))).toBe(false);
    expect(changes(bytes('3f 45'))).toBe(true);
    expect(changes(bytes('3f 45 be'))).toBe(false);
    expect(changes(Buffer.concat([bytes('3f 45'), kept('a', 'b')]))).toBe(true);
    expect(changes(kept('a', 'v'.repeat(100)))).toBe(true);
    expect(changes(kept('a', 'v'.repeat(100)))).toBe(false);
  });
});

describe('Huffman texts', () => {
  it('are decoded, whatever their bytes', () => {
    const allBytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
    for (const text of [allBytes, '', ...allBytes, 'www.example.com', '\n\r\u0016'.repeat(7)]) {
      const coded = bytes(
        BigInt(`0b1${padded(bitsOf(text))}`)
          .toString(16)
          .slice(1),
      );
      const length = coded.length < 127 ? [0x80 | coded.length] : [0xff, ((coded.length - 127) & 0x7f) | 0x80, (coded.length - 127) >> 7];
      expect(decodeBlock(new HpackDecoder(), Buffer.concat([Buffer.from([0x00, 0x01, 0x78, ...length]), coded]))).toEqual([['x', text]]);
    }
  });

  it('are decoded in random mixes', () => {
    const text = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 25 });
    fc.assert(
      fc.property(text, (value) => expect(decodeBlock(new HpackDecoder(), huffmanField(padded(bitsOf(value))))).toEqual([['x', value]])),
    );
  });

  it.each([
    ['padding of zeros', bitsOf('a') + '000'],
    ['padding that is not all ones', bitsOf('a') + '110'],
    ['padding of 8 bits', bitsOf('aaaaaaaa') + '11111111'],
    ['padding of more than 8 bits', bitsOf('a') + '11111111111'],
    ['padding alone', '11111111'],
    ['the end-of-text symbol', padded('1'.repeat(30))],
    ['the end-of-text symbol inside', padded(bitsOf('a') + '1'.repeat(30) + bitsOf('a'))],
    ['a long code that is cut off', bitsOf('\\').slice(0, 16)],
  ])('are refused with %s', (_, bits) => {
    expect(bits.length % 8).toBe(0);
    expect(() => decodeBlock(new HpackDecoder(), huffmanField(bits))).toThrow(HpackError);
  });
});

describe('any bytes', () => {
  /** Decodes blocks one after the other until one is refused: with HpackError, or the test fails. */
  function decodeAll(blocks: readonly Uint8Array[]): void {
    const decoder = new HpackDecoder();
    for (const block of blocks) {
      try {
        decodeBlock(decoder, block);
      } catch (error) {
        expect(error).toBeInstanceOf(HpackError);
        return;
      }
    }
  }

  const good = Buffer.concat([
    bytes('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 5886 a8eb 1064 9cbf be bf'),
    kept('grpc-timeout', '1S'),
    encodeFields([['x-secret', 'x'.repeat(300)]]),
    bytes('88c0 c0 be'),
  ]);

  it('decode or are refused', () => {
    const blocks = fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 5 });
    fc.assert(fc.property(blocks, decodeAll), { numRuns: 1000 });
  });

  it('decode or are refused where a good block was changed', () => {
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    const changed = fc
      .tuple(fc.array(change, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: good.length }))
      .map(([changes, end]) => {
        const block = Buffer.from(good);
        for (const { at, to } of changes) block[at] = to;
        return block.subarray(0, end);
      });
    fc.assert(
      fc.property(fc.array(changed, { minLength: 1, maxLength: 3 }), (blocks) => decodeAll([good, ...blocks, good])),
      { numRuns: 1000 },
    );
    expect(decodeBlock(new HpackDecoder(), good)).toHaveLength(13);
  });
});
