import { describe, expect, it } from '@jest/globals';
import { dtypeEntry, type DType } from '@mserve/wire';
import { classified } from './classification.js';
import { unpackedParts } from './oip-outputs.js';
import type { StackedOutput } from './stacked-output.js';

function stacked(dtype: DType, shape: readonly number[], ...parts: ArrayBufferView[]): StackedOutput {
  return {
    name: 'y',
    entry: dtypeEntry(dtype),
    shape,
    parts: parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)),
  };
}

function shown(output: StackedOutput): unknown {
  return [output.entry.oipName, output.shape, unpackedParts(output).map((element) => Buffer.from(element).toString())];
}

describe('a classification', () => {
  it('has the highest values of each instance, as Triton writes them', () => {
    const logits = stacked('float32', [2, 3], Float32Array.of(0.139314, 0.736365, -1), Float32Array.of(3, 1, 2));
    expect(shown(classified(logits, 2, true, undefined))).toEqual([
      'BYTES',
      [2, 2],
      ['0.736365:1', '0.139314:0', '3.000000:0', '2.000000:2'],
    ]);
    expect(shown(classified(logits, 30, true, ['cat', 'dog', 'ape']))).toEqual([
      'BYTES',
      [2, 3],
      ['0.736365:1:dog', '0.139314:0:cat', '-1.000000:2:ape', '3.000000:0:cat', '2.000000:2:ape', '1.000000:1:dog'],
    ]);
  });

  it('takes all dims of an instance together, and no first dim where there is no batch', () => {
    expect(shown(classified(stacked('int64', [2, 2], BigInt64Array.of(1n, 2n ** 53n + 1n, -3n, 4n)), 3, false, undefined))).toEqual([
      'BYTES',
      [3],
      ['9007199254740993:1', '4:3', '1:0'],
    ]);
  });

  it('puts the lower index first among equals, and NaN last', () => {
    const odd = stacked('float64', [1, 6], Float64Array.of(NaN, 2, Infinity, 2, -Infinity, NaN));
    expect(shown(classified(odd, 6, true, undefined))).toEqual([
      'BYTES',
      [1, 6],
      ['inf:2', '2.000000:1', '2.000000:3', '-inf:4', 'nan:0', 'nan:5'],
    ]);
  });

  it('gives many classes in the same order as few', () => {
    const values = Float32Array.from({ length: 500 }, (_, i) => (i * 7919) % 101);
    const all = unpackedParts(classified(stacked('float32', [1, 500], values), 500, true, undefined)).map((element) =>
      Buffer.from(element).toString(),
    );
    const few = unpackedParts(classified(stacked('float32', [1, 500], values), 64, true, undefined)).map((element) =>
      Buffer.from(element).toString(),
    );
    expect(few).toEqual(all.slice(0, 64));
    expect(new Set(all).size).toBe(500);
  });

  it('is refused for texts and booleans', () => {
    for (const [dtype, shown] of [
      ['string', 'BYTES'],
      ['bool', 'BOOL'],
    ] as const)
      expect(() => classified(stacked(dtype, [1, 1], Uint8Array.of(0)), 1, true, undefined)).toThrow(
        `output 'y' has datatype ${shown}, a classification needs numbers`,
      );
  });
});
