import { NumberScan } from './number-scan.js';
import { PlainNumbers } from './plain-numbers.js';
import type { RequestMemory } from '../../edge/ingress.js';
import type { DecodeLimits } from '../decode-limits.js';

/**
 * A cursor over the bytes of a JSON text: the few steps that the tensor readers are made of.
 * It reads well-formed text; anything it does not expect is thrown as {@link unreadable}, and the caller then finds out what it was
 * (checkJsonSyntax, then the order of checks of its protocol). The text must be valid UTF-8: the caller has checked that.
 */
export class JsonReader {
  at = 0;
  readonly numbers: NumberScan;
  readonly plain = new PlainNumbers();

  /** Largest tensor that is made of the text. */
  readonly maxTensorBytes: number;
  readonly maxTensorStrings: number;
  private readonly maxDepth: number;

  constructor(
    readonly bytes: Uint8Array,
    limits: Omit<DecodeLimits, 'maxRequestInstances'>,
    /** Whether NaN, Infinity and -Infinity may stand in values that are skipped, as Triton and Python's json write them. */
    readonly allowsNotFinite = false,
    /** Where large tensors go; left out: memory of their own. */
    readonly memory?: RequestMemory,
  ) {
    this.maxTensorBytes = limits.maxMessageBytes;
    this.maxTensorStrings = limits.maxTensorStrings;
    this.maxDepth = limits.maxJsonDepth;
    this.numbers = new NumberScan(bytes);
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.at = 3;
  }

  /** Skips blanks; the byte found there (NaN at the end), which is not consumed. */
  peek(): number {
    const { bytes } = this;
    let at = this.at;
    let byte = bytes[at] as number;
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++at] as number;
    this.at = at;
    return byte;
  }

  /** Consumes this byte, after blanks. */
  expect(byte: number): void {
    if (this.peek() !== byte) throw unreadable;
    this.at++;
  }

  /** After a member or element: true for a comma (another one follows), false for `close`; both are consumed. */
  more(close: number): boolean {
    const byte = this.peek();
    if (byte !== 0x2c && byte !== close) throw unreadable;
    this.at++;
    return byte === 0x2c;
  }

  /** Consumes `open` and, when the container is empty, its end too: false then. */
  enter(open: number): boolean {
    this.expect(open);
    // `}` is `{` + 2, `]` is `[` + 2.
    if (this.peek() !== open + 2) return true;
    this.at++;
    return false;
  }

  /** Consumes a string; its UTF-8 bytes: a view of the text where nothing is escaped, else new bytes. */
  string(): Uint8Array {
    if (this.peek() !== 0x22) throw unreadable;
    const { bytes } = this;
    const begin = this.at + 1;
    let at = begin;
    let escaped = false;
    for (;;) {
      const byte = bytes[at] as number;
      if (byte === 0x22) break;
      if (byte === 0x5c) {
        escaped = true;
        at += 2;
      } else if (byte >= 0x20) at++;
      else throw unreadable;
      if (at >= bytes.length) throw unreadable;
    }
    this.at = at + 1;
    const quoted = bytes.subarray(begin, at);
    return escaped ? unescape(quoted) : quoted;
  }

  /** Consumes a string as text; short plain ones, which names are, without a view of their own. */
  text(): string {
    if (this.peek() !== 0x22) throw unreadable;
    const { bytes } = this;
    const begin = this.at + 1;
    let text = '';
    for (let at = begin; at <= begin + shortText; at++) {
      const byte = bytes[at] as number;
      if (byte === 0x22) {
        this.at = at + 1;
        return text;
      }
      if (!isPlain(byte)) break;
      text += String.fromCharCode(byte);
    }
    return utf8Text(this.string());
  }

  /**
   * Consumes a string that is one of these names: which one. -1, and nothing but blanks consumed, when it is another one, no string, or
   * written with escapes: the caller then reads it the long way. `hint` is tried first.
   */
  known(names: readonly Uint8Array[], hint = 0): number {
    if (this.peek() !== 0x22) return -1;
    for (let i = 0; i < names.length; i++) {
      const index = i === 0 ? Math.min(hint, names.length - 1) : i <= hint ? i - 1 : i;
      const end = this.#endOf(names[index] as Uint8Array);
      if (end === -1) continue;
      this.at = end;
      return index;
    }
    return -1;
  }

  /** Where the string that begins here ends, when it is this name. */
  #endOf(name: Uint8Array): number {
    const { bytes } = this;
    const begin = this.at + 1;
    const { length } = name;
    if (bytes[begin + length] !== 0x22) return -1;
    for (let i = 0; i < length; i++) {
      const byte = name[i] as number;
      // A name that JSON has to escape is never found in plain
      if (bytes[begin + i] !== byte || byte === 0x22 || byte === 0x5c || byte < 0x20) return -1;
    }
    return begin + length + 1;
  }

  /** Consumes a member's name and the colon. */
  key(): Uint8Array {
    const key = this.string();
    this.expect(0x3a);
    return key;
  }

  /** Consumes a member's name and the colon: which of these names it is, or -1. */
  member(names: readonly Uint8Array[]): number {
    const known = this.known(names);
    if (known !== -1) {
      this.expect(0x3a);
      return known;
    }
    const key = this.key();
    for (let i = 0; i < names.length; i++) if (sameBytes(names[i] as Uint8Array, key)) return i;
    return -1;
  }

  /** Consumes a number into {@link numbers}. */
  number(): NumberScan {
    this.peek();
    const { numbers } = this;
    if (!numbers.scan(this.at)) throw unreadable;
    this.at = numbers.end;
    return numbers;
  }

  /** Consumes one of the words true, false, null when it is next. */
  word(word: string): boolean {
    this.peek();
    const { bytes, at } = this;
    for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return false;
    this.at = at + word.length;
    return true;
  }

  /** Consumes null when it is next: what serialisers write for an optional member that is left out. */
  isNull(): boolean {
    return this.peek() === 0x6e && this.word('null');
  }

  /** Consumes NaN, Infinity or Inf, also with a minus, without quotes when one is next (what Python's json writes, and Triton takes); undefined, and nothing consumed, for anything else. */
  nonFiniteLiteral(): number | undefined {
    const byte = this.peek();
    if (byte !== 0x4e && byte !== 0x49 && byte !== 0x2d) return undefined;
    for (const [text, value] of notFiniteLiterals) if (this.word(text)) return value;
    return undefined;
  }

  /** Consumes a number that JSON has no literal for, with quotes or without: what answers contain, and what Triton takes. Throws `unreadable` for anything else. */
  notFinite(): number {
    const bare = this.nonFiniteLiteral();
    if (bare !== undefined) return bare;
    for (const [text, value] of notFiniteTexts) if (this.word(text)) return value;
    throw unreadable;
  }

  /** Consumes true or false. */
  boolean(): boolean {
    if (this.word('true')) return true;
    if (this.word('false')) return false;
    throw unreadable;
  }

  /** Consumes any value: checked for its grammar, nothing is kept of it. `around` = arrays and objects that are open around it. */
  skip(around = 0): void {
    const open: number[] = [];
    do {
      const byte = this.peek();
      if (byte === 0x7b || byte === 0x5b) {
        if (around + open.length >= this.maxDepth) throw unreadable;
        if (this.enter(byte)) {
          open.push(byte + 2);
          if (byte === 0x7b) this.key();
          continue;
        }
      } else if (byte === 0x22) this.string();
      else if (this.allowsNotFinite && this.nonFiniteLiteral() !== undefined) {
        // consumed
      } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) this.number();
      else if (!this.word('true') && !this.word('false') && !this.word('null')) throw unreadable;
      while (open.length > 0) {
        const close = open[open.length - 1] as number;
        if (this.more(close)) {
          if (close === 0x7d) this.key();
          break;
        }
        open.pop();
      }
    } while (open.length > 0);
  }

  /** Nothing but blanks may follow. */
  finish(): void {
    this.peek();
    if (this.at !== this.bytes.length) throw unreadable;
  }
}

/** Thrown by {@link JsonReader} for text that it cannot go on with; never leaves the protocols. */
export const unreadable = new Error('unreadable JSON');

/** The longer ones first. */
const notFiniteLiterals: readonly (readonly [string, number])[] = [
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['Inf', Infinity],
  ['-Inf', -Infinity],
  ['-NaN', NaN],
];

const notFiniteTexts: readonly (readonly [string, number])[] = [
  ['"NaN"', NaN],
  ['"Infinity"', Infinity],
  ['"-Infinity"', -Infinity],
];

/** Texts up to this length are put together byte by byte: cheaper than a call into the runtime. */
const shortText = 16;

/** A byte that means itself in a JSON string. */
function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x80 && byte !== 0x5c;
}

/** What stands for a byte behind a backslash. */
const escapes: ReadonlyMap<number, number> = new Map([
  [0x22, 0x22],
  [0x2f, 0x2f],
  [0x5c, 0x5c],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/**
 * The UTF-8 bytes of a string between its quotes. JSON.parse would need it as a string of V8, which takes its memory twice more and ends at 2^29 - 24
 * characters: a body may be longer.
 */
function unescape(escaped: Uint8Array): Uint8Array {
  const { length } = escaped;
  const text = Buffer.allocUnsafe(length);
  let to = 0;
  for (let at = 0; at < length;) {
    const byte = escaped[at++] as number;
    if (byte !== 0x5c) {
      text[to++] = byte;
      continue;
    }
    const kind = escaped[at++] as number;
    if (kind !== 0x75) {
      const meant = escapes.get(kind);
      if (meant === undefined) throw unreadable;
      text[to++] = meant;
      continue;
    }
    let point = hexUnit(escaped, at);
    at += 4;
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = escaped[at] === 0x5c && escaped[at + 1] === 0x75 ? hexUnit(escaped, at + 2) : 0;
      if (point > 0xdbff || low < 0xdc00 || low > 0xdfff) throw unreadable;
      point = 0x10000 + (point - 0xd800) * 0x400 + (low - 0xdc00);
      at += 6;
    }
    to = writePoint(text, to, point);
  }
  const bytes = text.subarray(0, to);
  // \u0061 is one byte of six: what is kept should not be mostly air
  return to < length / 2 ? Buffer.from(bytes) : bytes;
}

/** The four hex digits at `at`. */
function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] as number;
    const letter = byte | 0x20;
    if (byte >= 0x30 && byte <= 0x39) unit = unit * 16 + byte - 0x30;
    else if (letter >= 0x61 && letter <= 0x66) unit = unit * 16 + letter - 0x57;
    else throw unreadable;
  }
  return unit;
}

/** Writes a code point as UTF-8; gives the index after it. */
function writePoint(text: Uint8Array, at: number, point: number): number {
  let to = at;
  if (point < 0x80) text[to++] = point;
  else if (point < 0x800) text[to++] = 0xc0 | (point >> 6);
  else {
    if (point < 0x10000) text[to++] = 0xe0 | (point >> 12);
    else {
      text[to++] = 0xf0 | (point >> 18);
      text[to++] = 0x80 | ((point >> 12) & 0x3f);
    }
    text[to++] = 0x80 | ((point >> 6) & 0x3f);
  }
  if (point >= 0x80) text[to++] = 0x80 | (point & 0x3f);
  return to;
}

/** Text of UTF-8 bytes; short ASCII, which names are, without a call into the runtime. */
export function utf8Text(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length <= shortText) {
    let text = '';
    let at = 0;
    for (let byte; at < length && (byte = bytes[at] as number) < 0x80; at++) text += String.fromCharCode(byte);
    if (at === length) return text;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** Same bytes? */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  const { length } = a;
  if (length !== b.length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
