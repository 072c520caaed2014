import { describe, expect, it } from '@jest/globals';
import { doubleModel, onnxModel } from '../../../test/support/onnx-model.js';
import { elementSizeOf } from './element-types.js';
import { Session } from './session.js';
import type { ElementType, NativeTensor } from './tensor.js';
import { floatTensor, floatsOf, stringTensor, tensor } from './testing/tensors.js';

const dtypes: readonly ElementType[] = [
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
];

function identityModel(dtype: ElementType, shape?: readonly (number | string)[]): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype, shape }],
    outputs: [{ name: 'y', dtype, shape }],
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  });
}

async function throughIdentity(input: NativeTensor, shape?: readonly (number | string)[]): Promise<NativeTensor> {
  const session = await Session.open(identityModel(input.dtype, shape));
  const [output] = await session.run([input]);
  await session.close();
  return output!;
}

/** Every byte value, so that NaN patterns, extremes and negative zeros must survive bit by bit. */
function everyByte(byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, index) => index & 255);
}

describe('tensors of a session', () => {
  it.each(dtypes)('%s passes through bit by bit, small and large', async (dtype) => {
    for (const rows of [2, 4096]) {
      const input = tensor(dtype, [rows, 3], everyByte(rows * 3 * elementSizeOf(dtype)));
      const output = await throughIdentity(input, ['rows', 3]);
      expect(output).toMatchObject({ dtype, shape: [rows, 3] });
      expect(Buffer.compare(output.bytes, input.bytes)).toBe(0);
    }
  });

  it('bool passes through; a byte that is neither 0 nor 1 is refused', async () => {
    const output = await throughIdentity(tensor('bool', [4], Uint8Array.of(0, 1, 1, 0)), [4]);
    expect([...output.bytes]).toEqual([0, 1, 1, 0]);
    await expect(throughIdentity(tensor('bool', [4], Uint8Array.of(0, 1, 2, 0)), [4])).rejects.toMatchObject({
      kind: 'input',
      message: 'input "x": bool element 2 is neither 0 nor 1',
    });
  });

  it('strings pass through: empty ones, zero bytes, any UTF-8, small and large', async () => {
    const small = stringTensor([2, 2], ['', 'a\0b', 'grüß dich', '日本語 🙂']);
    const output = await throughIdentity(small, ['n', 2]);
    expect(output).toMatchObject({ dtype: 'string', shape: [2, 2] });
    expect(Buffer.compare(output.bytes, small.bytes)).toBe(0);
    const large = stringTensor(
      [3000],
      Array.from({ length: 3000 }, (_, index) => `string ${index}`),
    );
    expect(Buffer.compare((await throughIdentity(large, ['n'])).bytes, large.bytes)).toBe(0);
    expect((await throughIdentity(stringTensor([0], []), ['n'])).bytes).toHaveLength(0);
  });

  it.each([
    ['cut within a length', [2], Uint8Array.of(1, 0, 0, 0, 65, 0, 0, 0), 'the bytes end within string 1 of 2'],
    ['cut within a text', [1], Uint8Array.of(9, 0, 0, 0, 65), 'the bytes end within string 0 of 1'],
    ['a length over all memory', [1], Uint8Array.of(255, 255, 255, 255, 65), 'the bytes end within string 0 of 1'],
    ['bytes left over', [1], Uint8Array.of(1, 0, 0, 0, 65, 66), '1 bytes are left after the last string'],
  ])('refuses a string tensor with %s', async (_, shape, bytes, text) => {
    await expect(throughIdentity(tensor('string', shape, bytes), ['n'])).rejects.toMatchObject({
      kind: 'input',
      message: `input "x": ${text}`,
    });
  });

  it('rank 0 and zero-size tensors', async () => {
    expect(await throughIdentity(floatTensor([], [7]), [])).toMatchObject({ shape: [], dtype: 'float32' });
    const empty = await throughIdentity(floatTensor([0, 3], []), ['n', 3]);
    expect(empty.shape).toEqual([0, 3]);
    expect(empty.bytes).toHaveLength(0);
  });

  it('a model that declares no shape takes any', async () => {
    for (const shape of [[], [2], [1, 2, 1]]) {
      const count = shape.reduce((product, dim) => product * dim, 1);
      const output = await throughIdentity(
        floatTensor(
          shape,
          Array.from({ length: count }, () => 1),
        ),
        undefined,
      );
      expect(output.shape).toEqual(shape);
    }
  });

  it('takes bytes at any offset, in shared memory and in pooled Buffers', async () => {
    const session = await Session.open(doubleModel([2]));
    const bytes = new Uint8Array(Float32Array.of(1.5, -2).buffer);
    const unaligned = new Uint8Array(new ArrayBuffer(16), 3, 8);
    const shared = new Uint8Array(new SharedArrayBuffer(16), 4, 8);
    for (const place of [unaligned, shared, Buffer.from('xxxxxxxx')]) {
      place.set(bytes);
      const [output] = await session.run([tensor('float32', [2], place)]);
      expect(floatsOf(output!)).toEqual([3, -4]);
    }
    await session.close();
  });

  it('the same floats give the same bits wherever they lie', async () => {
    const axes = { axes: { ints: [0, 2] } };
    const session = await Session.open(
      onnxModel({
        inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 2, 36] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [1, 2, 1] }],
        nodes: [{ op: 'ReduceMean', inputs: ['x'], outputs: ['y'], attributes: axes }],
      }),
    );
    const floats = new Uint8Array(Float32Array.from({ length: 72 }, (_, i) => 0.01 * (i + 1)).buffer);
    const answers = new Set<string>();
    for (let offset = 0; offset < 64; offset++) {
      const place = new Uint8Array(new ArrayBuffer(512), offset, floats.byteLength);
      place.set(floats);
      const [output] = await session.run([tensor('float32', [1, 2, 36], place)]);
      answers.add(floatsOf(output!).join());
    }
    await session.close();
    expect(answers.size).toBe(1);
  });

  it('large outputs own their memory: they outlive the session and do not alias inputs', async () => {
    const input = floatTensor(
      [4096],
      Array.from({ length: 4096 }, (_, index) => index),
    );
    const output = await throughIdentity(input, ['n']);
    output.bytes.fill(0);
    expect(floatsOf(input)[4095]).toBe(4095);
  });

  it('an output that is a constant of the model is a copy', async () => {
    const values = new Uint8Array(Float32Array.from({ length: 4096 }, (_, index) => index).buffer);
    const session = await Session.open(
      onnxModel({
        inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
        outputs: [
          { name: 'weight', dtype: 'float32', shape: [4096] },
          { name: 'y', dtype: 'float32', shape: [1] },
        ],
        initializers: [{ name: 'weight', dtype: 'float32', shape: [4096], bytes: values }],
        nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
      }),
    );
    const [first] = await session.run([floatTensor([1], [1])]);
    first!.bytes.fill(0);
    const [second] = await session.run([floatTensor([1], [1])]);
    expect(Buffer.compare(second!.bytes, values)).toBe(0);
    await session.close();
  });

  it('a run with many small outputs and one with many inputs keep their order', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `v${index}`);
    const session = await Session.open(
      onnxModel({
        inputs: names.map((name) => ({ name, dtype: 'float32', shape: [256] })),
        outputs: names.map((name) => ({ name: `${name}out`, dtype: 'float32', shape: [256] })),
        nodes: names.map((name) => ({ op: 'Neg', inputs: [name], outputs: [`${name}out`] })),
      }),
    );
    const outputs = await session.run(names.map((_, index) => floatTensor([256], new Array<number>(256).fill(index))));
    expect(outputs.map((output) => -floatsOf(output)[255]!)).toEqual(names.map((_, index) => index));
    await session.close();
  });
});
