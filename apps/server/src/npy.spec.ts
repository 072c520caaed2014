import { describe, expect, it } from '@jest/globals';
import { dtypeTable, packElements, type Tensor } from '@mserve/wire';
import { readNpy, writeNpy } from './npy.js';

function file(head: string, body: Uint8Array): Uint8Array {
  const text = `${head}\n`;
  return Uint8Array.from([0x93, ...Buffer.from('NUMPY'), 1, 0, text.length & 0xff, text.length >> 8, ...Buffer.from(text), ...body]);
}

describe('npy', () => {
  for (const { dtype, elementBytes } of dtypeTable.filter((entry) => entry.elementBytes > 0 && entry.dtype !== 'bfloat16')) {
    it(`keeps ${dtype} bit by bit`, () => {
      const tensor: Tensor = {
        dtype,
        shape: [2, 3],
        bytes: Uint8Array.from({ length: 6 * elementBytes }, (_, i) => (dtype === 'bool' ? i % 2 : (i * 37) & 0xff)),
      };
      const back = readNpy(writeNpy(tensor));
      expect({ ...back, bytes: Buffer.from(back.bytes) }).toEqual({ ...tensor, bytes: Buffer.from(tensor.bytes) });
    });
  }

  it.each([[[]], [[4]], [[0]], [[2, 0]]])('keeps shape %j', (shape) => {
    const bytes = new Uint8Array(shape.reduce((a, b) => a * b, 1) * 4);
    expect(readNpy(writeNpy({ dtype: 'float32', shape, bytes })).shape).toEqual(shape);
  });

  it('keeps strings and bytes', () => {
    const strings: Tensor = {
      dtype: 'string',
      shape: [3],
      bytes: packElements([Buffer.from('zwölf'), Buffer.from(''), Buffer.from('😀')]),
    };
    expect(Buffer.from(readNpy(writeNpy(strings)).bytes)).toEqual(Buffer.from(strings.bytes));
    const bytes: Tensor = { dtype: 'bytes', shape: [2], bytes: packElements([Buffer.from([1, 2]), Buffer.from([3])]) };
    expect(Buffer.from(readNpy(writeNpy(bytes)).bytes)).toEqual(Buffer.from(bytes.bytes));
  });

  it('aligns the first element to 64 bytes, as NumPy does', () => {
    const written = writeNpy({ dtype: 'float32', shape: [1], bytes: new Uint8Array(4) });
    expect((written.length - 4) % 64).toBe(0);
  });

  it('turns Fortran order and big-endian into C order, little-endian', () => {
    const columns = Uint8Array.from([1, 4, 2, 5, 3, 6]);
    expect(Array.from(readNpy(file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", columns)).bytes)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(
      Array.from(readNpy(file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", Uint8Array.from([1, 2, 3, 4]))).bytes),
    ).toEqual([2, 1, 4, 3]);
  });

  it('turns text in Fortran order into C order', () => {
    const { shape, bytes } = readNpy(file("{'descr': '|S1', 'fortran_order': True, 'shape': (2, 3), }", Buffer.from('adbecf')));
    expect([shape, Buffer.from(bytes)]).toEqual([[2, 3], Buffer.from(packElements([...'abcdef'].map((letter) => Buffer.from(letter))))]);
  });

  it('keeps long text, and much of it', () => {
    const long: Tensor = { dtype: 'string', shape: [1], bytes: packElements([Buffer.from('x'.repeat(300_000))]) };
    expect(Buffer.from(readNpy(writeNpy(long)).bytes)).toEqual(Buffer.from(long.bytes));
    const many: Tensor = { dtype: 'string', shape: [200_000], bytes: packElements(new Array<Buffer>(200_000).fill(Buffer.from('ab'))) };
    expect(Buffer.from(readNpy(writeNpy(many)).bytes)).toEqual(Buffer.from(many.bytes));
  });

  it('reads the shapes that Python 2 wrote', () => {
    expect(readNpy(file("{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 1L), }", new Uint8Array(2))).shape).toEqual([2, 1]);
  });

  it.each([
    ['no magic', Uint8Array.from(Buffer.from('hello world, hello')), /NumPy magic/],
    ['object arrays', file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(8)), /dtype '\|O'/],
    ['complex numbers', file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(8)), /dtype '<c8'/],
    ['a dim that is negative', file("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", new Uint8Array(8)), /shape \(-1,\)/],
    [
      'text that is no Unicode',
      file("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", Uint8Array.of(0, 0, 0x11, 0)),
      /U\+110000/,
    ],
    ['too few bytes', file("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", new Uint8Array(8)), /needs 12 bytes, it has 8/],
    ['a cut header', writeNpy({ dtype: 'float32', shape: [1], bytes: new Uint8Array(4) }).subarray(0, 40), /cut off/],
  ])('refuses %s', (_name, bytes, text) => {
    expect(() => readNpy(bytes)).toThrow(text);
  });
});
