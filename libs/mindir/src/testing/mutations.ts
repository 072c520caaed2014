import type { Random } from '../../../../test/support/random.js';
import { parseWire, writeWire, type WireField } from './wire-tree.js';

/** Numbers that break size arithmetic. */
const extremeNumbers = [
  0n,
  1n,
  2n,
  7n,
  64n,
  255n,
  2n ** 16n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 33n + 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
  2n ** 64n - 2n,
  2n ** 64n - 3n,
];

/** One damaged copy of a file: of its bytes, or of its messages (so that the framing stays whole and the damage gets far). */
export function mutated(file: Uint8Array, random: Random): Uint8Array {
  if (random.next() < 0.35) return damagedBytes(file, random);
  const tree = parseWire(file);
  if (tree === undefined) return damagedBytes(file, random);
  const count = 1 + random.below(4);
  const strings = stringsOf(tree);
  for (let index = 0; index < count; index++) damageTree(tree, strings, random);
  return writeWire(tree);
}

function damagedBytes(file: Uint8Array, random: Random): Uint8Array {
  const copy = Buffer.from(file);
  const at = random.below(copy.byteLength);
  switch (random.below(6)) {
    case 0:
      return copy.subarray(0, at);
    case 1:
      for (let index = 0; index < 1 + random.below(8); index++) copy.writeUInt8(random.below(256), random.below(copy.byteLength));
      return copy;
    case 2:
      copy.writeUInt8((copy[at] as number) ^ (1 << random.below(8)), at);
      return copy;
    case 3:
      return Buffer.concat([copy.subarray(0, at), Buffer.from('ffffffffffffffff7f', 'hex'), copy.subarray(at)]);
    case 4:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.byteLength, at + 1 + random.below(64)))]);
    default:
      return copy.fill(0xff, at, Math.min(copy.byteLength, at + 1 + random.below(16)));
  }
}

function damageTree(tree: WireField[], strings: readonly Uint8Array[], random: Random): void {
  const list = someList(tree, random);
  if (list.length === 0) return;
  const index = random.below(list.length);
  const field = list[index] as WireField;
  switch (random.below(8)) {
    case 0:
      list.splice(index, 1);
      return;
    case 1:
      list.splice(random.below(list.length), 0, structuredClone(field));
      return;
    case 2: {
      const other = random.below(list.length);
      [list[index], list[other]] = [list[other] as WireField, field];
      return;
    }
    default:
      damageField(list, index, strings, random);
  }
}

function damageField(list: WireField[], index: number, strings: readonly Uint8Array[], random: Random): void {
  const field = list[index] as WireField;
  if (field.varint !== undefined) field.varint = random.pick(extremeNumbers);
  else if (field.children !== undefined) field.children.splice(random.below(field.children.length + 1), random.below(3));
  else if (field.wire === 2) field.bytes = random.next() < 0.8 ? random.pick(strings) : resized(field.bytes as Uint8Array, random);
  else
    field.bytes = Buffer.from(
      random.pick(['0000807f', '0000c07f', '000080ff', 'ffffff7f', '00000000']).repeat(field.wire === 1 ? 2 : 1),
      'hex',
    );
}

function resized(bytes: Uint8Array, random: Random): Uint8Array {
  return random.next() < 0.5
    ? bytes.subarray(0, random.below(bytes.byteLength + 1))
    : Buffer.concat([bytes, Buffer.alloc(random.below(64), random.below(256))]);
}

/** A message at any depth, by a random walk down. */
function someList(tree: WireField[], random: Random): WireField[] {
  let list = tree;
  for (;;) {
    const inner = list.filter(({ children }) => children !== undefined && children.length > 0);
    if (inner.length === 0 || random.next() < 0.2) return list;
    list = random.pick(inner).children as WireField[];
  }
}

/** All short strings of the file: names put in place of other names make cycles, calls of the wrong graph and operands of the wrong kind. */
function stringsOf(tree: readonly WireField[]): Uint8Array[] {
  const found: Uint8Array[] = [];
  const visit = (fields: readonly WireField[]): void => {
    for (const { wire, bytes, children } of fields) {
      if (children !== undefined) visit(children);
      else if (wire === 2 && bytes !== undefined && bytes.byteLength > 0 && bytes.byteLength < 200) found.push(bytes);
    }
  };
  visit(tree);
  return found.length === 0 ? [Buffer.from('x')] : found;
}
