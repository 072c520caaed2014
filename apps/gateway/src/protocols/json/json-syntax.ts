import { isUtf8 } from 'node:buffer';
import { clip } from '../../edge/clip.js';
import { refusal } from '@mserve/wire';
import { NumberScan } from './number-scan.js';

/**
 * Throws ServingError INVALID_ARGUMENT for bytes that are not one JSON text (RFC 8259); linear time, no recursion.
 * The text is worded as the original's JSON library words it, with line and column of the last byte read. `prefix` goes before it. `maxDepth`: arrays and
 * objects that may be open at once.
 */
export function checkJsonSyntax(bytes: Uint8Array, prefix: string, maxDepth: number): void {
  const fault = new SyntaxCheck(bytes, maxDepth).run();
  if (fault !== undefined) throw refusal('body-malformed', { detail: prefix + fault });
}

const wordTrue = [0x74, 0x72, 0x75, 0x65];
const wordFalse = [0x66, 0x61, 0x6c, 0x73, 0x65];
const wordNull = [0x6e, 0x75, 0x6c, 0x6c];
const escapes = new Set([...'"\\/bfnrt'].map((character) => character.charCodeAt(0)));

/** A fault of the lexer, as opposed to a token at the wrong place. `at` = index of the last byte that was read. */
interface LexerFault {
  readonly at: number;
  readonly text: string;
}

class SyntaxCheck {
  #at = 0;
  readonly #numbers: NumberScan;

  constructor(
    readonly bytes: Uint8Array,
    readonly maxDepth: number,
  ) {
    this.#numbers = new NumberScan(bytes);
    // A byte order mark is skipped, as the original's library does.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
  }

  /** The text of the first fault, or undefined. */
  run(): string | undefined {
    if (!isUtf8(this.bytes)) return '';
    const open: boolean[] = []; // true = object
    for (;;) {
      const byte = this.#skipBlanks();
      if (byte === 0x7b || byte === 0x5b) {
        if (open.length === this.maxDepth) return ` nesting is deeper than ${this.maxDepth}`;
        open.push(byte === 0x7b);
        this.#at++;
        if (this.#skipBlanks() !== byte + 2) {
          const fault = byte === 0x7b ? this.#key() : undefined;
          if (fault !== undefined) return fault;
          continue;
        }
        this.#at++;
        open.pop();
      } else {
        const fault = this.#scalar(byte);
        if (fault !== undefined) return typeof fault === 'string' ? fault : this.#syntax('value', fault.at, fault.text);
      }
      const fault = this.#close(open);
      if (fault !== 'next') return fault;
    }
  }

  /** After a value: closes what ends here. 'next' = another value comes; undefined = the text is whole. */
  #close(open: boolean[]): string | undefined {
    for (;;) {
      const byte = this.#skipBlanks();
      const inObject = open.at(-1);
      if (inObject === undefined) {
        return this.#at === this.bytes.length ? undefined : this.#unexpected('value', 'end of input');
      }
      if (byte === 0x2c) {
        this.#at++;
        return inObject ? (this.#key() ?? 'next') : 'next';
      }
      if (byte !== (inObject ? 0x7d : 0x5d)) return this.#unexpected(inObject ? 'object' : 'array', inObject ? `'}'` : `']'`);
      this.#at++;
      open.pop();
    }
  }

  #key(): string | undefined {
    if (this.#skipBlanks() !== 0x22) return this.#unexpected('object key', 'string literal');
    const fault = this.#string();
    if (fault !== undefined) return this.#syntax('object key', fault.at, fault.text);
    if (this.#skipBlanks() !== 0x3a) return this.#unexpected('object separator', `':'`);
    this.#at++;
    return undefined;
  }

  #scalar(byte: number): LexerFault | string | undefined {
    if (byte === 0x22) return this.#string();
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return this.#number();
    if (byte === 0x74) return this.#word(wordTrue);
    if (byte === 0x66) return this.#word(wordFalse);
    if (byte === 0x6e) return this.#word(wordNull);
    return this.#unexpected('value', `'[', '{', or a literal`);
  }

  #word(word: readonly number[]): LexerFault | undefined {
    for (const expected of word) {
      if (this.bytes[this.#at] !== expected) return { at: this.#at, text: 'invalid literal' };
      this.#at++;
    }
    return undefined;
  }

  #number(): LexerFault | string | undefined {
    const { bytes } = this;
    const begin = this.#at;
    const numbers = this.#numbers;
    if (numbers.scan(begin)) {
      this.#at = numbers.end;
      if (Number.isFinite(numbers.float64())) return undefined;
      return `[json.exception.out_of_range.406] number overflow parsing '${clip(numbers.text())}'`;
    }
    let at = begin + (bytes[begin] === 0x2d ? 1 : 0);
    const digit = (): boolean => (bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39;
    if (!digit()) return { at, text: `invalid number; expected digit after '-'` };
    if (bytes[at] === 0x30) {
      at++;
      // `01` is read as the number 0 and another number where none may be.
      if (digit()) {
        this.#at = at;
        return undefined;
      }
    }
    while (digit()) at++;
    if (bytes[at] === 0x2e) {
      at++;
      if (!digit()) return { at, text: `invalid number; expected digit after '.'` };
      while (digit()) at++;
    }
    at++;
    if (bytes[at] !== 0x2b && bytes[at] !== 0x2d) return { at, text: `invalid number; expected '+', '-', or digit after exponent` };
    return { at: at + 1, text: 'invalid number; expected digit after exponent sign' };
  }

  #string(): LexerFault | undefined {
    const { bytes } = this;
    let at = this.#at + 1;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined) return { at, text: 'invalid string: missing closing quote' };
      if (byte === 0x22) break;
      if (byte < 0x20) return { at, text: `invalid string: control character ${controlText(byte)}` };
      if (byte !== 0x5c) {
        at++;
        continue;
      }
      const escape = bytes[at + 1];
      if (escape === 0x75) {
        const result = this.#unicodeEscape(at);
        if (typeof result !== 'number') return result;
        at = result;
      } else {
        if (escape === undefined || !escapes.has(escape))
          return { at: at + 1, text: 'invalid string: forbidden character after backslash' };
        at += 2;
      }
    }
    this.#at = at + 1;
    return undefined;
  }

  /** Index after a `\u` escape (after both of a surrogate pair). */
  #unicodeEscape(at: number): number | LexerFault {
    const unit = this.#hex(at + 2);
    if (typeof unit !== 'number') return unit;
    if (unit >= 0xdc00 && unit <= 0xdfff)
      return { at: at + 5, text: 'invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF' };
    if (unit < 0xd800 || unit > 0xdbff) return at + 6;
    const text = 'invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF';
    if (this.bytes[at + 6] !== 0x5c) return { at: at + 6, text };
    if (this.bytes[at + 7] !== 0x75) return { at: at + 7, text };
    const low = this.#hex(at + 8);
    if (typeof low !== 'number') return low;
    return low >= 0xdc00 && low <= 0xdfff ? at + 12 : { at: at + 11, text };
  }

  /** The four hex digits at `at`. */
  #hex(at: number): number | LexerFault {
    let unit = 0;
    for (let i = at; i < at + 4; i++) {
      const digit = Number.parseInt(String.fromCharCode(this.bytes[i] ?? 0x20), 16);
      if (Number.isNaN(digit)) return { at: i, text: `invalid string: '\\u' must be followed by 4 hex digits` };
      unit = unit * 16 + digit;
    }
    return unit;
  }

  #skipBlanks(): number {
    const { bytes } = this;
    let byte = bytes[this.#at];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.#at];
    return byte ?? Number.NaN;
  }

  /** A token that may not be here: what it is and what was expected. */
  #unexpected(context: string, expected: string): string {
    const begin = this.#at;
    const byte = this.bytes[begin];
    // A NUL is the end of input to the original's lexer. (There, what stands behind a whole text is then never read; here it is refused.)
    if (byte === undefined || (byte === 0 && expected !== 'end of input'))
      return this.#syntax(context, begin, `unexpected end of input; expected ${expected}`);
    const character = String.fromCharCode(byte);
    if (':,{}[]'.includes(character)) return this.#syntax(context, begin, `unexpected '${character}'; expected ${expected}`);
    const number = this.#numbers.scan(begin);
    const fault = number ? undefined : '"-0123456789tfn'.includes(character) ? this.#scalar(byte) : { at: begin, text: 'invalid literal' };
    if (typeof fault === 'string') return fault;
    if (fault !== undefined) return this.#syntax(context, fault.at, fault.text);
    // Too large a number is one all the same where none may be.
    if (number) this.#at = this.#numbers.end;
    const name =
      byte === 0x22
        ? 'string literal'
        : byte >= 0x61
          ? `${byte === 0x74 ? 'true' : byte === 0x66 ? 'false' : 'null'} literal`
          : 'number literal';
    const text = `unexpected ${name}; expected ${expected}`;
    const ahead = name === 'number literal' && this.bytes[this.#at] === 0x0a;
    return this.#syntax(context, this.#at - 1, text, ahead);
  }

  /** `lineLost`: the lexer has looked at a line feed and put it back, which makes it forget the column. */
  #syntax(context: string, lastRead: number, text: string, lineLost = false): string {
    let line = 1;
    let lineStart = 0;
    // A line feed that was read last begins the next line, of which nothing was read.
    for (let i = this.bytes.indexOf(0x0a); i !== -1 && i <= lastRead; i = this.bytes.indexOf(0x0a, i + 1)) {
      line++;
      lineStart = i + 1;
    }
    const column = lineLost ? 0 : Math.min(lastRead, this.bytes.length) - lineStart + 1;
    return `[json.exception.parse_error.101] parse error at line ${line}, column ${column}: syntax error while parsing ${context} - ${text}`;
  }
}

const controlNames =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(' ');
const shortEscapes: ReadonlyMap<number, string> = new Map([
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
]);

function controlText(byte: number): string {
  const digits = byte.toString(16).toUpperCase().padStart(4, '0');
  const short = shortEscapes.get(byte);
  return `U+${digits} (${controlNames[byte]}) must be escaped to \\u${digits}${short === undefined ? '' : ` or \\${short}`}`;
}
