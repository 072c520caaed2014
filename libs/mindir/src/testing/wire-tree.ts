/** A protobuf message as a tree of fields, for tests that damage files without breaking their framing. */
export interface WireField {
  readonly field: number;
  readonly wire: number;
  /** Wire type 0. */
  varint?: bigint;
  /** Wire types 1, 2 (when it is not a message) and 5. */
  bytes?: Uint8Array;
  /** Wire type 2, when its bytes read as a message. */
  children?: WireField[];
}

/** How deep fields may lie for {@link parseWire} to take them apart. */
const maxDepth = 12;

/** Takes bytes apart; undefined when they are not a well-formed message. Byte fields that could be messages are taken for ones. */
export function parseWire(bytes: Uint8Array, depth = 0): WireField[] | undefined {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.byteLength) {
    const tag = varint();
    if (tag === undefined || tag > 0xffffffffn || tag < 8n) return undefined;
    const [field, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    if (wire === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ field, wire, varint: value });
      continue;
    }
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? Number(varint() ?? -1n) : -1;
    if (length < 0 || length > bytes.byteLength - at) return undefined;
    const content = bytes.subarray(at, at + length);
    at += length;
    const isText = length > 0 && content.every((byte) => byte >= 0x20 && byte !== 0x7f);
    const children =
      wire === 2 && length > 0 && length < 2 ** 16 * 16 && !isText && depth < maxDepth ? parseWire(content, depth + 1) : undefined;
    fields.push(children === undefined ? { field, wire, bytes: content } : { field, wire, children });
  }
  return fields;
}

/** Puts a tree together again. */
export function writeWire(fields: readonly WireField[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { field, wire, varint, bytes, children } of fields) {
    parts.push(writeVarint((BigInt(field) << 3n) | BigInt(wire)));
    if (varint !== undefined) {
      parts.push(writeVarint(varint));
      continue;
    }
    const content = children === undefined ? (bytes as Uint8Array) : writeWire(children);
    if (wire === 2) parts.push(writeVarint(BigInt(content.byteLength)));
    parts.push(content);
  }
  return Buffer.concat(parts);
}

function writeVarint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A string or bytes field. */
export function bytesField(field: number, content: string | Uint8Array): WireField {
  return { field, wire: 2, bytes: typeof content === 'string' ? Buffer.from(content, 'utf8') : content };
}

export function integerField(field: number, value: number | bigint): WireField {
  return { field, wire: 0, varint: BigInt(value) };
}

export function messageField(field: number, children: WireField[]): WireField {
  return { field, wire: 2, children };
}
