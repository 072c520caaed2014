import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { loadMindir, MindirError, type DecryptionMode, type OnnxModel } from '@mserve/mindir';
import type { NativeTensor } from '@mserve/native';
import { differenceOf, openSession, type Tolerance } from './comparison.js';
import { tensorOfNpy } from './npy.js';

const root = join(dirname(fileURLToPath(import.meta.url)), 'cases');

interface Meta {
  readonly model_file: string;
  readonly expect: string;
  readonly tolerance: Tolerance;
  readonly inputs?: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  readonly cases: readonly { readonly inputs: readonly string[]; readonly outputs: readonly string[] }[];
  readonly encryption?: { readonly mode: DecryptionMode; readonly key_hex: string };
}

const folders = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('meta.json'))
  .map((path) => dirname(join(root, path)))
  .sort();
const cases = folders.map((folder) => ({
  name: relative(root, folder),
  folder,
  meta: JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Meta,
}));

function load(folder: string, meta: Meta): Promise<OnnxModel> {
  const options =
    meta.encryption === undefined ? {} : { decKey: Buffer.from(meta.encryption.key_hex, 'hex'), decMode: meta.encryption.mode };
  return loadMindir(join(folder, meta.model_file), options);
}

describe('files exported by MindSpore 2.10.0 and 2.0.0', () => {
  it.each(cases.filter(({ meta }) => meta.expect === 'match'))('$name gives what MindSpore gives', async ({ folder, meta }) => {
    const model = await load(folder, meta);
    if (meta.inputs !== undefined) expect(model.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(meta.inputs);
    const session = await openSession(model);
    const read = (file: string): NativeTensor => tensorOfNpy(readFileSync(join(folder, file))) as NativeTensor;
    for (const { inputs, outputs } of meta.cases) {
      expect(differenceOf(await session.run(inputs.map(read)), outputs.map(read), meta.tolerance)).toBeUndefined();
    }
    await session.close();
  });
});

describe('files of MindSpore 1.0.0', () => {
  it.each(cases.filter(({ meta }) => meta.expect.startsWith('reject')))('$name is refused by its dialect', async ({ folder, meta }) => {
    const refused = await load(folder, meta).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(refused).toBeInstanceOf(MindirError);
    expect((refused as MindirError).kind).toBe('dialect');
    expect((refused as MindirError).message).toContain(`'${meta.model_file}'`);
  });
});
