import { numberAt } from './conformance-case.js';

/** How the elements of a datatype lie in memory (little-endian), and what they are in JSON. */
interface Elements {
  readonly size: number;
  readonly read: (bytes: Buffer, at: number) => number | bigint | boolean;
  readonly write: (bytes: Buffer, at: number, value: unknown) => void;
}

/** A 16-bit float is found by looking through all 65,536 of them; its value is the float32 nearest to what was given. */
function half(dtype: 'float16' | 'bfloat16'): Elements {
  const bitsOf = new Map<number, number>();
  for (let bits = 0xffff; bits >= 0; bits--) bitsOf.set(numberAt(dtype, Buffer.of(bits & 0xff, bits >> 8), 0), bits);
  return {
    size: 2,
    read: (bytes, at) => numberAt(dtype, bytes, at / 2),
    write: (bytes, at, value) => {
      const bits = Object.is(value, -0) ? 0x8000 : bitsOf.get(Math.fround(Number(value)));
      if (bits === undefined) throw new Error(`${String(value)} is no ${dtype}`);
      bytes.writeUInt16LE(bits, at);
    },
  };
}

const elements: Readonly<Record<string, Elements>> = {
  BOOL: { size: 1, read: (bytes, at) => bytes[at] !== 0, write: (bytes, at, value) => bytes.writeUInt8(value === true ? 1 : 0, at) },
  INT8: { size: 1, read: (bytes, at) => bytes.readInt8(at), write: (bytes, at, value) => bytes.writeInt8(Number(value), at) },
  UINT8: { size: 1, read: (bytes, at) => bytes.readUInt8(at), write: (bytes, at, value) => bytes.writeUInt8(Number(value), at) },
  INT16: { size: 2, read: (bytes, at) => bytes.readInt16LE(at), write: (bytes, at, value) => bytes.writeInt16LE(Number(value), at) },
  UINT16: { size: 2, read: (bytes, at) => bytes.readUInt16LE(at), write: (bytes, at, value) => bytes.writeUInt16LE(Number(value), at) },
  INT32: { size: 4, read: (bytes, at) => bytes.readInt32LE(at), write: (bytes, at, value) => bytes.writeInt32LE(Number(value), at) },
  UINT32: { size: 4, read: (bytes, at) => bytes.readUInt32LE(at), write: (bytes, at, value) => bytes.writeUInt32LE(Number(value), at) },
  INT64: {
    size: 8,
    read: (bytes, at) => bytes.readBigInt64LE(at),
    write: (bytes, at, value) => bytes.writeBigInt64LE(BigInt(String(value)), at),
  },
  UINT64: {
    size: 8,
    read: (bytes, at) => bytes.readBigUInt64LE(at),
    write: (bytes, at, value) => bytes.writeBigUInt64LE(BigInt(String(value)), at),
  },
  FP16: half('float16'),
  BF16: half('bfloat16'),
  FP32: { size: 4, read: (bytes, at) => bytes.readFloatLE(at), write: (bytes, at, value) => bytes.writeFloatLE(Number(value), at) },
  FP64: { size: 8, read: (bytes, at) => bytes.readDoubleLE(at), write: (bytes, at, value) => bytes.writeDoubleLE(Number(value), at) },
};

function elementsOf(datatype: string): Elements {
  const found = elements[datatype];
  if (found === undefined) throw new Error(`datatype ${datatype} has no JSON form`);
  return found;
}

/** The elements of a tensor as JSON, with commas between them; what is no finite number as a string. */
export function numbersOfElements(datatype: string, given: Uint8Array): string {
  const bytes = Buffer.from(given);
  const texts: string[] = [];
  if (datatype === 'BYTES') {
    for (let at = 0; at < bytes.length;) {
      const from = at + 4;
      at = from + bytes.readUInt32LE(at);
      texts.push(JSON.stringify(bytes.subarray(from, at).toString()));
    }
    return texts.join(',');
  }
  const { size, read } = elementsOf(datatype);
  for (let at = 0; at < bytes.length; at += size) texts.push(elementText(read(bytes, at)));
  return texts.join(',');
}

function elementText(value: number | bigint | boolean): string {
  if (typeof value !== 'number') return String(value);
  if (Object.is(value, -0)) return '-0.0';
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** The bytes of a tensor whose elements came as JSON. Throws for one that the datatype cannot hold. */
export function elementsOfNumbers(datatype: string, data: readonly unknown[]): Buffer {
  if (datatype === 'BYTES') {
    return Buffer.concat(
      data.map((text) => {
        const bytes = Buffer.from(String(text));
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.byteLength);
        return Buffer.concat([length, bytes]);
      }),
    );
  }
  const { size, write } = elementsOf(datatype);
  const bytes = Buffer.alloc(data.length * size);
  for (const [i, value] of data.entries()) write(bytes, i * size, value);
  return bytes;
}
