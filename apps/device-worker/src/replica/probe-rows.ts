import { isVariableSize, type DType, type Tensor } from '@mserve/wire';
import type { NativeTensor, SessionDescription } from '@mserve/native';
import type { ModelPlan, ValuePlan } from '../execution/model-plan.js';

/**
 * Which row of the probe: a number for seeded values that differ from row to row; 'high', 'low' and 'zero' for neighbours that are as different
 * as may be. Row 0 is the author's example where there is one.
 */
export type ProbeRow = number | 'high' | 'low' | 'zero';

/** How values are made up, from what fits most models to what fits nearly all. */
export interface ProbeStyle {
  /** Dims decided at run time; for tensors that look like images (two such dims or more), the second. */
  readonly dim: number;
  readonly imageDim: number;
  /** Shape of an input of any shape. */
  readonly anyShape: readonly number[];
  /** Whole numbers are below. */
  readonly below: number;
}

export const probeStyles: readonly ProbeStyle[] = [
  { dim: 4, imageDim: 32, anyShape: [4], below: 8 },
  { dim: 4, imageDim: 32, anyShape: [3, 4], below: 2 },
  { dim: 8, imageDim: 64, anyShape: [3, 64, 64], below: 2 },
  { dim: 1, imageDim: 224, anyShape: [], below: 1 },
];

/** Inputs of one probe run larger than this are not made up. */
const largestRunBytes = 64 * 2 ** 20;

/** Makes inputs of a model, row by row. */
export class ProbeRows {
  private readonly shapes: readonly (readonly number[])[];

  /** `examples`: by input, what the author gave for one instance. */
  constructor(
    private readonly plan: ModelPlan,
    description: SessionDescription,
    private readonly examples: readonly (Tensor | undefined)[],
    private readonly style: ProbeStyle,
  ) {
    const named = new Map<string, number>();
    this.shapes = plan.inputs.map((input, i) => {
      const { dimNames } = description.inputs[i] ?? description.defaults?.[i - description.inputs.length] ?? { dimNames: [] };
      const names = plan.batching === 'none' || input.whole ? dimNames : dimNames.slice(1);
      const open = input.shape.filter((dim) => dim === -1).length;
      const size = open >= 2 && input.shape.length >= 3 ? style.imageDim : style.dim;
      const example = this.exampleOf(i);
      if (input.anyShape) return example?.shape ?? style.anyShape;
      return input.shape.map((dim, axis) => {
        if (dim !== -1) return dim;
        const name = names[axis] ?? '';
        const chosen = example?.shape[axis] ?? named.get(name) ?? size;
        if (name !== '') named.set(name, chosen);
        return chosen;
      });
    });
  }

  /**
   * Inputs of a run of these rows; undefined when they would be too large. One that may be left out is, unless there is an example of it.
   */
  inputs(rows: readonly ProbeRow[]): (NativeTensor | undefined)[] | undefined {
    const tensors: (NativeTensor | undefined)[] = [];
    let size = 0;
    for (const [i, input] of this.plan.inputs.entries()) {
      if (input.optional && this.exampleOf(i) === undefined) {
        tensors.push(undefined);
        continue;
      }
      const shape = this.shapes[i] as readonly number[];
      const elements = shape.reduce((product, dim) => product * dim, 1);
      const single = this.plan.batching === 'none' || input.whole;
      size += elements * Math.max(1, input.elementBytes) * (single ? 1 : rows.length);
      if (size > largestRunBytes) return undefined;
      const used = single ? [rows[0] === undefined || typeof rows[0] !== 'number' ? 0 : rows[0]] : rows;
      // Made anew: a Buffer lies somewhere in a pool.
      const bytes = Buffer.concat(used.map((row) => this.rowBytes(i, input, elements, single ? 0 : row)));
      tensors.push({
        dtype: input.dtype as NativeTensor['dtype'],
        shape: single ? shape : [rows.length, ...shape],
        bytes: new Uint8Array(bytes),
      });
    }
    return tensors;
  }

  private exampleOf(index: number): Tensor | undefined {
    const example = this.examples[index];
    const input = this.plan.inputs[index] as ValuePlan;
    if (example === undefined || example.dtype !== input.dtype || isVariableSize(example.dtype)) return undefined;
    if (input.anyShape) return example;
    const fits = example.shape.length === input.shape.length && input.shape.every((dim, i) => dim === -1 || dim === example.shape[i]);
    return fits || example.bytes.byteLength === input.bytes ? example : undefined;
  }

  private rowBytes(index: number, input: ValuePlan, elements: number, row: ProbeRow): Uint8Array {
    const example = this.exampleOf(index);
    if (example !== undefined && typeof row === 'number') return turned(example.bytes, input.elementBytes, row);
    return madeUp(input.dtype, elements, row, index, this.style.below);
  }
}

/** The same elements, begun at another one: what is allowed in an example is allowed here. */
function turned(bytes: Uint8Array, elementBytes: number, by: number): Uint8Array {
  const count = bytes.byteLength / Math.max(1, elementBytes);
  const at = count === 0 ? 0 : ((by * 7) % count) * elementBytes;
  return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
}

/** Numbers from 0 up to, not including, 1; the same for the same seed (a linear congruential generator, the figures of Numerical Recipes). */
function seeded(seed: number): () => number {
  let state = (seed * 2654435761 + 1013904223) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Floats lie between 1/16 and 1, so that roots and logarithms of them exist; whole numbers are small, as ids and counts are. */
function madeUp(dtype: DType, elements: number, row: ProbeRow, index: number, below: number): Uint8Array {
  const next = seeded(typeof row === 'number' ? row * 31 + index + 1 : index + 1);
  if (dtype === 'string' || dtype === 'bytes') return texts(elements, row, next);
  const make = writers[dtype];
  const { size, write } = make;
  const bytes = new Uint8Array(elements * size);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < elements; i++) write(view, i * size, row, next(), below);
  return bytes;
}

function texts(elements: number, row: ProbeRow, next: () => number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < elements; i++) {
    const text = Buffer.from(
      row === 'zero' ? '' : row === 'high' ? 'zzzzzzzzzzzzzzzz' : row === 'low' ? ' ' : String.fromCharCode(97 + Math.floor(next() * 26)),
    );
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.byteLength);
    parts.push(length, text);
  }
  return Buffer.concat(parts);
}

interface Writer {
  readonly size: number;
  readonly write: (view: DataView, at: number, row: ProbeRow, random: number, below: number) => void;
}

function float(size: number, put: (view: DataView, at: number, value: number) => void): Writer {
  const far = 1000;
  return {
    size,
    write: (view, at, row, random) =>
      put(view, at, row === 'high' ? far : row === 'low' ? -far : row === 'zero' ? 0 : 1 / 16 + (random * 15) / 16),
  };
}

/** 16-bit floats by their bits: those of 1/16 and 1 have the same sign, and all between lie between. */
function halfFloat(least: number, one: number, far: number): Writer {
  return {
    size: 2,
    write: (view, at, row, random) =>
      view.setUint16(
        at,
        row === 'high' ? far : row === 'low' ? far | 0x8000 : row === 'zero' ? 0 : least + Math.floor(random * (one - least)),
        true,
      ),
  };
}

function whole(size: number, put: (view: DataView, at: number, value: number) => void): Writer {
  return {
    size,
    write: (view, at, row, random, below) =>
      put(view, at, row === 'high' ? below - 1 : row === 'low' || row === 'zero' ? 0 : Math.floor(random * below)),
  };
}

const writers: Readonly<Record<Exclude<DType, 'string' | 'bytes'>, Writer>> = {
  bool: whole(1, (view, at, value) => view.setUint8(at, value > 0 ? 1 : 0)),
  int8: whole(1, (view, at, value) => view.setInt8(at, value)),
  uint8: whole(1, (view, at, value) => view.setUint8(at, value)),
  int16: whole(2, (view, at, value) => view.setInt16(at, value, true)),
  uint16: whole(2, (view, at, value) => view.setUint16(at, value, true)),
  int32: whole(4, (view, at, value) => view.setInt32(at, value, true)),
  uint32: whole(4, (view, at, value) => view.setUint32(at, value, true)),
  int64: whole(8, (view, at, value) => view.setBigInt64(at, BigInt(value), true)),
  uint64: whole(8, (view, at, value) => view.setBigUint64(at, BigInt(value), true)),
  float16: halfFloat(0x2c00, 0x3c00, 0x63d0),
  bfloat16: halfFloat(0x3d80, 0x3f80, 0x447a),
  float32: float(4, (view, at, value) => view.setFloat32(at, value, true)),
  float64: float(8, (view, at, value) => view.setFloat64(at, value, true)),
};
