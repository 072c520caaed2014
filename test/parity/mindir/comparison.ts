import type { Tensor } from '@mserve/wire';
import type { OnnxModel } from '@mserve/mindir';
import { Session, type NativeTensor } from '@mserve/native';

export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** The session that a worker would make of the model. */
export function openSession(model: OnnxModel): Promise<Session> {
  return Session.open(model.model, {
    initializers: model.initializers.map(({ name, tensor }) => ({ name, tensor: tensor as NativeTensor })),
  });
}

/** Says how outputs differ from what MindSpore computed, by dtype, shape or value; undefined when they match. */
export function differenceOf(got: readonly Tensor[], want: readonly Tensor[], tolerance: Tolerance): string | undefined {
  if (got.length !== want.length) return `${got.length} outputs instead of ${want.length}`;
  for (let index = 0; index < got.length; index++) {
    const difference = tensorDifference(got[index] as Tensor, want[index] as Tensor, tolerance);
    if (difference !== undefined) return `output ${index}: ${difference}`;
  }
  return undefined;
}

function tensorDifference(got: Tensor, want: Tensor, { atol, rtol }: Tolerance): string | undefined {
  if (got.dtype !== want.dtype) return `dtype ${got.dtype} instead of ${want.dtype}`;
  if (got.shape.join() !== want.shape.join()) return `shape [${got.shape.join()}] instead of [${want.shape.join()}]`;
  const [a, b] = [numbersOf(got), numbersOf(want)];
  for (let index = 0; index < b.length; index++) {
    const [x, y] = [a[index] as number, b[index] as number];
    if (Object.is(x, y) || x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (!(Math.abs(x - y) <= atol + rtol * Math.abs(y))) return `element ${index} is ${x}, MindSpore has ${y}`;
  }
  return undefined;
}

function numbersOf({ dtype, bytes }: Tensor): ArrayLike<number> {
  const own = new Uint8Array(bytes);
  switch (dtype) {
    case 'bool':
    case 'uint8':
      return own;
    case 'int8':
      return new Int8Array(own.buffer);
    case 'int16':
      return new Int16Array(own.buffer);
    case 'uint16':
      return new Uint16Array(own.buffer);
    case 'int32':
      return new Int32Array(own.buffer);
    case 'uint32':
      return new Uint32Array(own.buffer);
    case 'int64':
      return Array.from(new BigInt64Array(own.buffer), Number);
    case 'uint64':
      return Array.from(new BigUint64Array(own.buffer), Number);
    case 'float32':
      return new Float32Array(own.buffer);
    case 'float64':
      return new Float64Array(own.buffer);
    case 'float16':
      return Array.from(new Uint16Array(own.buffer), halfOf);
    case 'bfloat16':
      return Array.from(new Uint16Array(own.buffer), (bits) => new Float32Array(new Uint32Array([bits << 16]).buffer)[0] as number);
    default:
      throw new Error(`${dtype} holds no numbers`);
  }
}

function halfOf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
