import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { inspectMindir, loadMindir, opFamilies } from '@mserve/mindir';
import type { NativeTensor } from '@mserve/native';
import { differenceOf, openSession, type Tolerance } from './comparison.js';

/** Nets that MindSpore exported and ran, with its own outputs: made by libs/mindir/test-cases/make_ops.py and make_nets.py. */
const root = join(dirname(fileURLToPath(import.meta.url)), '../../../libs/mindir/test-cases');

/** Operators that have no translation (yet), and nets that use them. */
const untranslated = new Set([
  'AdjustHue',
  'AdjustSaturation',
  'Cholesky',
  'CombinedNonMaxSuppression',
  'Complex__parts',
  'CumulativeLogsumexp',
  'Dilation2D',
  'FFT',
  'ListDiff',
  'MatrixSolve',
  'MatrixTriangularSolve',
  'NextAfter',
  'NonMaxSuppressionWithOverlaps',
  'ParamAssign',
  'RRelu',
  'ResizeArea',
  'STFT',
]);

interface Packed {
  readonly dtype: NativeTensor['dtype'];
  readonly shape: readonly number[];
  readonly b64: string;
}

interface Recorded {
  readonly inputs: readonly Packed[];
  readonly outputs: readonly Packed[];
  readonly tolerance?: Tolerance;
}

function tensorOf({ dtype, shape, b64 }: Packed): NativeTensor {
  return { dtype, shape, bytes: new Uint8Array(Buffer.from(b64, 'base64')) };
}

function toleranceOf({ tolerance, outputs }: Recorded): Tolerance {
  const narrow = outputs.some(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16') ? 2e-2 : 1e-4;
  return { atol: Math.max(tolerance?.atol ?? 1e-4, narrow), rtol: Math.max(tolerance?.rtol ?? 1e-4, narrow) };
}

// ops20: the same one-op nets, exported by MindSpore 2.0.
for (const folder of ['ops', 'ops20', 'nets'].filter((name) => existsSync(join(root, name)))) {
  const names = readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.mindir'))
    .map((file) => file.slice(0, -'.mindir'.length))
    .sort();

  describe(`MindSpore's own outputs: ${folder}`, () => {
    it.each(names.filter((name) => !untranslated.has(name)))('%s', async (name) => {
      const recorded = JSON.parse(readFileSync(join(root, folder, `${name}.json`), 'utf8')) as Recorded;
      const session = await openSession(await loadMindir(join(root, folder, `${name}.mindir`)));
      const outputs = await session.run(recorded.inputs.map(tensorOf));
      expect(differenceOf(outputs, recorded.outputs.map(tensorOf), toleranceOf(recorded))).toBeUndefined();
      await session.close();
    });

    it.each(names.filter((name) => untranslated.has(name)))('%s is refused by name', async (name) => {
      await expect(loadMindir(join(root, folder, `${name}.mindir`))).rejects.toMatchObject({
        kind: 'unsupported',
        message: expect.stringContaining('no translation'),
      });
    });
  });
}

describe('breadth', () => {
  it('has a MindSpore-made case for at least 250 primitives', async () => {
    const translated = new Set(opFamilies.flatMap(({ entries }) => entries.map(({ name }) => name)));
    const covered = new Set<string>();
    const files = readdirSync(join(root, 'ops')).filter(
      (file) => file.endsWith('.mindir') && !untranslated.has(file.slice(0, -'.mindir'.length)),
    );
    for (const file of files) {
      const report = await inspectMindir(join(root, 'ops', file));
      for (const op of Object.keys(report.ops)) if (translated.has(op)) covered.add(op);
    }
    expect(covered.size).toBeGreaterThanOrEqual(250);
  });
});
