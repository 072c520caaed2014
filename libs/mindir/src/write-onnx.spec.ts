import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Session, type NativeTensor } from '@mserve/native';
import { loadMindir } from './load.js';
import type { OnnxModel } from './onnx-model.js';
import { writeOnnx, writeSplitOnnx } from './write-onnx.js';

const lenet = join(dirname(fileURLToPath(import.meta.url)), '../../../test/parity/mindir/cases/lenet5/lenet.mindir');
const image: NativeTensor = {
  dtype: 'float32',
  shape: [2, 1, 32, 32],
  bytes: new Uint8Array(new Float32Array(2048).map((_, index) => (index % 17) / 17).buffer),
};
let folder = '';
let model: OnnxModel;
let expected: Uint8Array;

async function resultOf(session: Session): Promise<Uint8Array> {
  const [output] = await session.run([image]);
  await session.close();
  return (output as NativeTensor).bytes;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mindir-'));
  model = await loadMindir(lenet);
  expected = await resultOf(
    await Session.open(model.model, { initializers: model.initializers as { name: string; tensor: NativeTensor }[] }),
  );
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('ONNX files', () => {
  it('stand alone', async () => {
    const file = join(folder, 'lenet.onnx');
    writeFileSync(file, writeOnnx(model));
    expect(await resultOf(await Session.open(file))).toEqual(expected);
    expect(await resultOf(await Session.open(writeOnnx(model)))).toEqual(expected);
  });

  it('or keep large weights beside them', async () => {
    const { model: bytes, weights } = writeSplitOnnx(model, 'lenet.weights');
    const end = weights.reduce((size, piece) => Math.max(size, piece.offset + piece.bytes.byteLength), 0);
    const joined = Buffer.alloc(end);
    for (const piece of weights) joined.set(piece.bytes, piece.offset);
    writeFileSync(join(folder, 'split.onnx'), bytes);
    writeFileSync(join(folder, 'lenet.weights'), joined);
    expect(bytes.byteLength).toBeLessThan(20_000);
    expect(await resultOf(await Session.open(join(folder, 'split.onnx')))).toEqual(expected);
  });

  it('are refused above 2 GiB', () => {
    const [first] = model.initializers;
    const huge = {
      ...model,
      initializers: [
        {
          name: (first as { name: string }).name,
          tensor: { dtype: 'uint8' as const, shape: [2 ** 31], bytes: { byteLength: 2 ** 31 } as Uint8Array },
        },
      ],
    };
    expect(() => writeOnnx(huge)).toThrow(expect.objectContaining({ kind: 'limits' }));
  });

  it('hold weights that are aligned views on the file, not copies', () => {
    expect(model.initializers.length).toBeGreaterThan(3);
    const buffers = new Set(model.initializers.map(({ tensor }) => tensor.bytes.buffer));
    expect(buffers.size).toBe(1);
    for (const { tensor } of model.initializers) expect(tensor.bytes.byteOffset % 4).toBe(0);
    expect(readFileSync(lenet).byteLength).toBe(([...buffers][0] as ArrayBuffer).byteLength);
  });
});
