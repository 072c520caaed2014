import { HpackError } from './hpack-error.js';
import { endOfText, huffmanCode, longestCode } from './hpack-tables.js';

/** Codes of up to 8 bits, by the 8 bits that start with them: the length times 256 plus the symbol. 0 where a longer code starts. */
const shortCodes = new Uint16Array(256);

/** By length in bits: the first code, how many there are, and where the first one's symbol is in `symbols`. */
const firstCodes = new Int32Array(longestCode + 1);
const codeCounts = new Int32Array(longestCode + 1);
const firstPlaces = new Int32Array(longestCode + 1);

const symbols = Uint16Array.from(huffmanCode(), ({ symbol }) => symbol);

for (const { symbol, bits, code } of huffmanCode()) {
  codeCounts[bits] = at(codeCounts, bits) + 1;
  if (bits <= 8) shortCodes.fill((bits << 8) | symbol, code << (8 - bits), (code + 1) << (8 - bits));
}
for (let bits = 1; bits <= longestCode; bits++) {
  firstCodes[bits] = (at(firstCodes, bits - 1) + at(codeCounts, bits - 1)) << 1;
  firstPlaces[bits] = at(firstPlaces, bits - 1) + at(codeCounts, bits - 1);
}

function at(numbers: Int32Array | Uint16Array | Uint8Array, index: number): number {
  return numbers[index] as number;
}

/** The most bytes that a text of so many coded bytes can have. */
export function longestHuffmanText(codedBytes: number): number {
  return Math.floor((codedBytes * 8) / 5);
}

/** The code that starts at a bit: its length times 512 plus its symbol, or 0 where the bytes end inside it. */
function longCode(bytes: Uint8Array, start: number, end: number): number {
  let code = 0;
  for (let bits = 1; bits <= end - start; bits++) {
    const bit = start + bits - 1;
    code = (code << 1) | ((at(bytes, bit >>> 3) >>> (7 - (bit & 7))) & 1);
    const offset = code - at(firstCodes, bits);
    if (offset < at(codeCounts, bits)) return (bits << 9) | at(symbols, at(firstPlaces, bits) + offset);
  }
  return 0;
}

/**
 * Decodes `bytes[start..end)` into `text`, which has to have room for `longestHuffmanText`. Returns the length of the text. Throws HpackError for an
 * end-of-text symbol, and for padding that is longer than 7 bits or not of ones.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, text: Uint8Array): number {
  let length = 0;
  let next = start;
  // the bits read and not yet decoded are the lowest `held` ones of `window`
  let window = 0;
  let held = 0;
  for (;;) {
    if (held < 8 && next < end) {
      window = ((window & 0xff) << 8) | at(bytes, next++);
      held += 8;
    }
    if (held === 0) return length;
    const eight = held >= 8 ? window >>> (held - 8) : (window << (8 - held)) | (0xff >>> held);
    const short = at(shortCodes, eight & 0xff);
    if (short !== 0) {
      held -= short >>> 8;
      if (held < 0) throw new HpackError('a Huffman text ends inside a code');
      text[length++] = short & 0xff;
      continue;
    }
    const place = next * 8 - held;
    const long = longCode(bytes, place, end * 8);
    if (long === 0) {
      if (held < 8 && next === end && (window & (0xff >>> (8 - held))) === 0xff >>> (8 - held)) return length;
      throw new HpackError('the padding of a Huffman text is too long or not of ones');
    }
    const symbol = long & 0x1ff;
    if (symbol === endOfText) throw new HpackError('a Huffman text has the end-of-text symbol');
    text[length++] = symbol;
    const after = place + (long >>> 9);
    next = (after + 7) >>> 3;
    held = next * 8 - after;
    window = held > 0 ? at(bytes, next - 1) : 0;
  }
}
