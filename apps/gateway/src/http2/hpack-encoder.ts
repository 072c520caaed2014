import { staticLength, staticNames, staticValues } from './hpack-tables.js';

/** The most bytes of an integer: lengths of texts in memory are below 2^32. */
const mostIntegerBytes = 6;

/** By name: the first index of the static table that has it. The entries of one name stand one after the other. */
const indexOfName: ReadonlyMap<string, number> = new Map(
  Array.from({ length: staticLength }, (_, i) => staticLength - i).map((index) => [staticNames[index] as string, index]),
);

/**
 * Header block of the given fields without use of the dynamic table: no side keeps state for it, so a block can be made once and sent on every
 * connection. Fields and names of the static table are sent by their index, other fields as literals without indexing, and those whose name is in
 * `neverIndexed` as literals that nobody on the way may index. Values are latin1 texts, and not Huffman coded: answers are short.
 */
export function encodeFields(fields: readonly (readonly [name: string, value: string])[], neverIndexed?: ReadonlySet<string>): Buffer {
  let room = 0;
  for (const [name, value] of fields) room += name.length + value.length + 2 * mostIntegerBytes;
  const block = Buffer.allocUnsafe(room);
  let at = 0;
  for (const [name, value] of fields) {
    const isNeverIndexed = neverIndexed?.has(name) ?? false;
    const index = indexOfName.get(name) ?? 0;
    const whole = isNeverIndexed ? 0 : indexOfField(index, name, value);
    if (whole !== 0) {
      at = writeInteger(block, at, 0x80, 0x7f, whole);
      continue;
    }
    at = writeInteger(block, at, isNeverIndexed ? 0x10 : 0, 0x0f, index);
    if (index === 0) at = writeText(block, at, name);
    at = writeText(block, at, value);
  }
  return block.subarray(0, at);
}

/** The index of a field in the static table, from the first one of its name on; 0 where it is not there. */
function indexOfField(first: number, name: string, value: string): number {
  for (let index = first; index > 0 && staticNames[index] === name; index++) {
    if (staticValues[index] === value) return index;
  }
  return 0;
}

/** Header blocks that differ in the value of their last field only: what they have in common is encoded once. */
export class BlockTemplate {
  private readonly head: Buffer;

  /** `name`: of the last field; `neverIndexed` as for {@link encodeFields}. */
  constructor(fields: readonly (readonly [name: string, value: string])[], name: string, neverIndexed?: ReadonlySet<string>) {
    // A value that no field of the static table has; it and its length are left out again
    const whole = encodeFields([...fields, [name, '?']], neverIndexed);
    this.head = Buffer.from(whole.subarray(0, whole.length - 2));
  }

  /** The block with this value, a latin1 text. */
  with(value: string): Buffer {
    const { head } = this;
    const block = Buffer.allocUnsafe(head.length + value.length + mostIntegerBytes);
    block.set(head);
    return block.subarray(0, writeText(block, head.length, value));
  }
}

/** Shorter texts are written faster byte by byte. */
const shortText = 48;

function writeText(block: Buffer, start: number, text: string): number {
  const at = writeInteger(block, start, 0, 0x7f, text.length);
  if (text.length > shortText) return at + block.write(text, at, 'latin1');
  for (let i = 0; i < text.length; i++) block[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** Writes an integer whose prefix are the bits of `mask`; `flags` are the bits above them. */
function writeInteger(block: Buffer, start: number, flags: number, mask: number, number: number): number {
  if (number < mask) {
    block[start] = flags | number;
    return start + 1;
  }
  let at = start;
  block[at++] = flags | mask;
  let rest = number - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) block[at++] = (rest % 0x80) | 0x80;
  block[at++] = rest;
  return at;
}
