/** The static table of RFC 7541, appendix A: each name with its values, in the order of their indices. A name alone has one entry, without a value. */
const staticFields: readonly (readonly [name: string, ...values: string[]])[] = [
  [':authority'],
  [':method', 'GET', 'POST'],
  [':path', '/', '/index.html'],
  [':scheme', 'http', 'https'],
  [':status', '200', '204', '206', '304', '400', '404', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

/** Names of the static table by index; index 0 is no entry. */
export const staticNames: readonly string[] = [
  '',
  ...staticFields.flatMap(([name, ...values]) => (values.length > 0 ? values : ['']).map(() => name)),
];

/** Values of the static table by index; index 0 is no entry. */
export const staticValues: readonly string[] = ['', ...staticFields.flatMap(([, ...values]) => (values.length > 0 ? values : ['']))];

/** How many entries the static table has: the dynamic table starts at the index after it. */
export const staticLength = staticNames.length - 1;

/** The end of a text in the Huffman code. It may not stand in a text. */
export const endOfText = 256;

/** The longest code of the Huffman code, in bits. */
export const longestCode = 30;

type Symbols = string | number | readonly [first: number, last: number];

/**
 * The Huffman code of RFC 7541, appendix B, as the symbols of each length in bits: characters, numbers and ranges of numbers. The code is canonical:
 * in the order of this list each code is the one before plus one, with zeros put to its end where the length grows.
 */
const symbolsByLength: readonly (readonly [bits: number, ...symbols: Symbols[]])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, 0, '$@[]~'],
  [14, '^}'],
  [15, '<`{'],
  [19, '\\', 195, 208],
  [20, 128, [130, 131], 162, 184, 194, 224, 226],
  [21, 153, 161, 167, 172, [176, 177], 179, 209, [216, 217], 227, [229, 230]],
  [22, 129, [132, 134], 136, 146, 154, 156, 160, [163, 164], [169, 170], 173, 178, 181, [185, 187], [189, 190], 196, 198, 228, [232, 233]],
  [23, 1, 135, [137, 141], 143, 147, [149, 152], 155, [157, 158], [165, 166], 168, [174, 175], 180, [182, 183], 188, 191, 197, 231, 239],
  [24, 9, 142, [144, 145], 148, 159, 171, 206, 215, 225, [236, 237]],
  [25, 199, 207, [234, 235]],
  [26, [192, 193], [200, 202], 205, 210, 213, [218, 219], 238, 240, [242, 243], 255],
  [27, [203, 204], [211, 212], 214, [221, 223], 241, [244, 248], [250, 254]],
  [28, [2, 8], [11, 12], [14, 21], [23, 31], 127, 220, 249],
  [30, 10, 13, 22, 256],
];

function numbersOf(symbols: Symbols): number[] {
  if (typeof symbols === 'number') return [symbols];
  if (typeof symbols === 'string') return Array.from(symbols, (character) => character.charCodeAt(0));
  const [first, last] = symbols;
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** A symbol of the Huffman code: a byte or endOfText. */
export interface HuffmanSymbol {
  readonly symbol: number;
  readonly bits: number;
  readonly code: number;
}

/** All symbols of the Huffman code in the order of their codes. */
export function huffmanCode(): HuffmanSymbol[] {
  let code = 0;
  let before = 0;
  return symbolsByLength.flatMap(([bits, ...symbols]) => {
    code <<= bits - before;
    before = bits;
    return symbols.flatMap(numbersOf).map((symbol) => ({ symbol, bits, code: code++ }));
  });
}
