import { ServingError } from './serving-error.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** ASCII texts read lately: addresses and names repeat in every message, and comparing is cheaper than making a string. */
const recentTexts: string[] = Array.from({ length: 256 }, () => '');

/**
 * Reads protobuf from bytes of unknown origin. Every read is bounded by the message it is in; whatever does not fit
 * throws ServingError INVALID_ARGUMENT. Byte fields are views (plain Uint8Array, never Buffer: Buffer.slice does not copy).
 */
export class DispatchReader {
  private at = 0;
  private end: number;
  private readonly buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.byteLength;
  }

  /** More fields in the message that is open. */
  get more(): boolean {
    return this.at < this.end;
  }

  /** Enters a nested message; give the returned end to {@link close}. */
  open(): number {
    const length = this.length();
    const outer = this.end;
    this.end = this.at + length;
    return outer;
  }

  /** Enters the next `length` bytes as if they were a nested message. */
  openBytes(length: number): number {
    if (length > this.end - this.at) malformed('it ends within an instance');
    const outer = this.end;
    this.end = this.at + length;
    return outer;
  }

  close(outer: number): void {
    this.end = outer;
  }

  /** Field number and wire type of the next field: `field * 8 + wire type`. */
  tag(): number {
    const tag = this.uint();
    if (tag < 8 || tag > 0xffffffff) malformed('a field number is out of range');
    return tag;
  }

  /** A uint64 or uint32 that is exact in a Number. */
  uint(): number {
    const { buffer, end } = this;
    let at = this.at;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (at >= end) malformed('it ends within a number');
      const byte = buffer[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) malformed('a number is too large');
        this.at = at;
        return value;
      }
      scale *= 0x80;
    }
    return malformed('a number is too long');
  }

  uint32(): number {
    const value = this.uint();
    if (value > 0xffffffff) malformed('a number is out of range');
    return value;
  }

  int32(): number {
    const { buffer, end } = this;
    let value = 0;
    for (let i = 0; i < 10; i++) {
      if (this.at >= end) malformed('it ends within a number');
      const byte = buffer[this.at++] as number;
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value;
    }
    return malformed('a number is too long');
  }

  string(): string {
    const length = this.length();
    const { buffer } = this;
    const start = this.at;
    this.at += length;
    if (length === 0) return '';
    const place = (length * 31 + (buffer[start] as number) * 7 + (buffer[this.at - 1] as number)) & (recentTexts.length - 1);
    const recent = recentTexts[place] as string;
    if (recent.length === length) {
      let i = 0;
      while (i < length && recent.charCodeAt(i) === buffer[start + i]) i++;
      if (i === length) return recent;
    }
    for (let i = start; i < this.at; i++) if ((buffer[i] as number) >= 0x80) return this.text(start, this.at);
    const text = buffer.toString('latin1', start, this.at);
    if (length <= 64) recentTexts[place] = text;
    return text;
  }

  bytes(): Uint8Array {
    const length = this.length();
    const view = new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + this.at, length);
    this.at += length;
    return view;
  }

  /** A repeated number field, packed or not; appends to `values` and throws beyond `maxCount` values. */
  repeated(tag: number, values: number[], maxCount: number): void {
    if ((tag & 7) === 0) {
      values.push(this.uint());
    } else {
      const outer = this.open();
      while (this.more) {
        if (values.length >= maxCount) break;
        values.push(this.uint());
      }
      if (this.more) malformed(`more than ${maxCount} numbers in one list`);
      this.close(outer);
    }
    if (values.length > maxCount) malformed(`more than ${maxCount} numbers in one list`);
  }

  /** Skips a field of a newer schema. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varintSkip();
    else if (wireType === 1) this.advance(8);
    else if (wireType === 2) this.advance(this.length());
    else if (wireType === 5) this.advance(4);
    else malformed(`wire type ${wireType} is not used here`);
  }

  private varintSkip(): void {
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) malformed('it ends within a number');
      if ((this.buffer[this.at++] as number) < 0x80) return;
    }
    malformed('a number is too long');
  }

  private length(): number {
    const length = this.uint();
    if (length > this.end - this.at) malformed('it ends within a field');
    return length;
  }

  private advance(count: number): void {
    if (count > this.end - this.at) malformed('it ends within a field');
    this.at += count;
  }

  private text(start: number, end: number): string {
    try {
      return utf8.decode(this.buffer.subarray(start, end));
    } catch {
      return malformed('a text is not UTF-8');
    }
  }
}

/** Throws INVALID_ARGUMENT. The text is for operators' logs; such bytes never come from clients. */
export function malformed(reason: string): never {
  throw new ServingError('INVALID_ARGUMENT', `a bus message is malformed: ${reason}`);
}
