import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NativeError, Session, type ElementType, type NativeTensor, type SessionOptions } from '@mserve/native';

/** A tensor as export_cases.py writes it; `kind` is set for what is no tensor. */
export interface ExportedTensor {
  readonly kind?: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly at: number;
  readonly length: number;
}

export interface ExportedSet {
  readonly inputs: Readonly<Record<string, ExportedTensor>>;
  readonly expected: readonly ExportedTensor[];
  readonly outputs: readonly ExportedTensor[];
}

export interface ConformanceCase {
  readonly name: string;
  /** 'pass', or why plain Python ONNX Runtime does not pass. */
  readonly python: string;
  readonly rtol: number;
  readonly atol: number;
  readonly sets: readonly ExportedSet[];
}

/** identical: the very bytes that Python's run gave. refused: by Session, with this text. */
export interface Verdict {
  readonly outcome: 'pass' | 'refused' | 'mismatch';
  readonly identical: boolean;
  readonly text: string;
}

/** A float of any width, little-endian; NaN for other types. */
export function numberAt(dtype: ElementType, bytes: Buffer, index: number): number {
  switch (dtype) {
    case 'float32':
      return bytes.readFloatLE(index * 4);
    case 'float64':
      return bytes.readDoubleLE(index * 8);
    case 'float16': {
      const bits = bytes.readUInt16LE(index * 2);
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      if (exponent === 31) return fraction ? NaN : sign * Infinity;
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
    }
    case 'bfloat16': {
      const word = Buffer.alloc(4);
      bytes.copy(word, 2, index * 2, index * 2 + 2);
      return word.readFloatLE(0);
    }
    default:
      return NaN;
  }
}

/** The comparison of onnx's own test runner: floats within tolerance, everything else exactly. */
export function isClose(actual: NativeTensor, expected: NativeTensor, { rtol, atol }: ConformanceCase): boolean {
  if (actual.dtype !== expected.dtype || actual.shape.join() !== expected.shape.join()) return false;
  const mine = Buffer.from(actual.bytes);
  const theirs = Buffer.from(expected.bytes);
  if (mine.equals(theirs)) return true;
  const size = { float64: 8, float32: 4, float16: 2, bfloat16: 2 }[actual.dtype as string];
  if (size === undefined) return false;
  for (let index = 0; index < mine.length / size; index++) {
    const a = numberAt(actual.dtype, mine, index);
    const b = numberAt(actual.dtype, theirs, index);
    const close = a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= atol + rtol * Math.abs(b);
    if (!close) return false;
  }
  return true;
}

/** The tensor at its place in the bytes of a case. */
export function load(bytes: Uint8Array, { dtype, shape, at, length }: ExportedTensor): NativeTensor {
  return { dtype, shape, bytes: bytes.subarray(at, at + length) };
}

/** Runs a case through Session and compares with what onnx expects. Throws only what is no NativeError. */
export async function runCase(folder: string, conformance: ConformanceCase, options: SessionOptions = {}): Promise<Verdict> {
  const bytes = readFileSync(join(folder, `${conformance.name}.bin`));
  let session: Session | undefined;
  let identical = true;
  try {
    session = await Session.open(readFileSync(join(folder, `${conformance.name}.onnx`)), options);
    for (const set of conformance.sets) {
      const outputs = await session.run(session.describe().inputs.map(({ name }) => load(bytes, set.inputs[name]!)));
      const expected = set.expected.map((tensor) => load(bytes, tensor));
      const python = set.outputs.map((tensor) => load(bytes, tensor));
      const isSame = (output: NativeTensor, index: number): boolean =>
        Buffer.from(output.bytes).equals(python[index]?.bytes ?? Buffer.alloc(0));
      identical &&= python.length === outputs.length && outputs.every(isSame);
      const wrong = outputs.findIndex((output, index) => !isClose(output, expected[index]!, conformance));
      if (wrong >= 0 || outputs.length !== expected.length) return { outcome: 'mismatch', identical, text: `output ${wrong}` };
    }
    return { outcome: 'pass', identical, text: '' };
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    return { outcome: 'refused', identical: false, text: `${error.kind}: ${error.message}` };
  } finally {
    await session?.close();
  }
}
