/** Messages of gRPC, field by field, for what no client would write. */

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

/** A field of wire type 2. */
export function field(number: number, content: Buffer | string): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(Buffer.byteLength(content)), Buffer.from(content)]);
}

export function join(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts);
}

const tensor = join(field(1, field(1, varint(1))), Buffer.from([0x10, 6]), field(3, Buffer.from([7, 0, 0, 0])));
export const msSpec = field(1, join(field(1, 'echo'), field(2, 'predict')));
/** The input x of an instance. */
export const msItem = field(1, join(field(1, 'x'), field(2, tensor)));
/** A request of the original's service that is answered. */
export const msRequest = join(msSpec, field(2, msItem));
/** A request of the Open Inference Protocol that is answered. */
export const oipRequest = join(
  field(1, 'echo'),
  field(5, join(field(1, 'x'), field(2, 'INT32'), field(3, varint(1)))),
  field(7, Buffer.from([7, 0, 0, 0])),
);
