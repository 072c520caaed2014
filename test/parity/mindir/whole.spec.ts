import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { loadMindir, type DecryptionMode, type ModelPort } from '@mserve/mindir';
import type { NativeTensor } from '@mserve/native';
import { differenceOf, openSession, type Tolerance } from './comparison.js';

/** Whole nets, and encrypted and split models, that MindSpore 2.10 and 2.0 exported and ran: libs/mindir/test-cases/make_whole.py and make_sealed.py. */
const root = join(dirname(fileURLToPath(import.meta.url)), '../../../libs/mindir/test-cases');

interface Packed {
  readonly dtype: NativeTensor['dtype'];
  readonly shape: readonly number[];
  readonly b64: string;
}

interface Run {
  readonly inputs: readonly Packed[];
  readonly outputs: readonly Packed[];
}

interface Recorded extends Run {
  /** Further calls: other values, other sizes of dynamic dims. */
  readonly runs?: readonly Run[];
  readonly tolerance?: Tolerance;
}

interface Sealed extends Run {
  /** The file to load, in the case's folder. */
  readonly file: string;
  readonly key_hex?: string;
  readonly mode?: DecryptionMode;
}

function tensorOf({ dtype, shape, b64 }: Packed): NativeTensor {
  return { dtype, shape, bytes: new Uint8Array(Buffer.from(b64, 'base64')) };
}

function toleranceOf({ tolerance, inputs, outputs }: Recorded): Tolerance {
  const isNarrow = [...inputs, ...outputs].some(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16');
  return tolerance ?? (isNarrow ? { atol: 2e-3, rtol: 2e-3 } : { atol: 1e-4, rtol: 1e-4 });
}

/** What a declared port leaves open must be open, and what it fixes must hold. */
function agrees(port: ModelPort, tensor: Packed): boolean {
  const { shape } = port;
  return (
    port.dtype === tensor.dtype &&
    (shape === undefined || (shape.length === tensor.shape.length && shape.every((dim, axis) => dim === -1 || dim === tensor.shape[axis])))
  );
}

function json<Content>(...path: string[]): Content {
  return JSON.parse(readFileSync(join(root, ...path), 'utf8')) as Content;
}

describe("MindSpore's own outputs: whole nets", () => {
  const names = readdirSync(join(root, 'whole'))
    .filter((file) => file.endsWith('.mindir'))
    .map((file) => file.slice(0, -'.mindir'.length))
    .sort();

  it.each(names)('%s', async (name) => {
    const recorded = json<Recorded>('whole', `${name}.json`);
    const model = await loadMindir(join(root, 'whole', `${name}.mindir`));
    const session = await openSession(model);
    for (const run of [recorded, ...(recorded.runs ?? [])]) {
      const outputs = await session.run(run.inputs.map(tensorOf));
      expect(differenceOf(outputs, run.outputs.map(tensorOf), toleranceOf(recorded))).toBeUndefined();
      expect(model.inputs.filter((port, index) => !agrees(port, run.inputs[index] as Packed))).toEqual([]);
      expect(model.outputs.filter((port, index) => !agrees(port, run.outputs[index] as Packed))).toEqual([]);
    }
    await session.close();
  });
});

describe("MindSpore's own outputs: encrypted and split models", () => {
  const cases = readdirSync(join(root, 'sealed'))
    .sort()
    .map((name) => ({ name, sealed: json<Sealed>('sealed', name, 'case.json') }));

  it.each(cases)('$name', async ({ name, sealed }) => {
    const decKey = sealed.key_hex === undefined ? undefined : new Uint8Array(Buffer.from(sealed.key_hex, 'hex'));
    const options = decKey === undefined ? {} : { decKey };
    const session = await openSession(await loadMindir(join(root, 'sealed', name, sealed.file), options));
    const outputs = await session.run(sealed.inputs.map(tensorOf));
    expect(differenceOf(outputs, sealed.outputs.map(tensorOf), { atol: 1e-4, rtol: 1e-4 })).toBeUndefined();
    await session.close();
  });

  const locked = cases.filter(({ sealed }) => sealed.key_hex !== undefined);

  it.each(locked)('$name: another key of the same length is refused', async ({ name, sealed }) => {
    const decKey = new Uint8Array(Buffer.from(sealed.key_hex as string, 'hex')).map((byte) => byte ^ 1);
    await expect(loadMindir(join(root, 'sealed', name, sealed.file), { decKey })).rejects.toMatchObject({
      name: 'MindirError',
      kind: 'key',
    });
  });

  it.each(locked)('$name: no key is refused', async ({ name, sealed }) => {
    await expect(loadMindir(join(root, 'sealed', name, sealed.file))).rejects.toMatchObject({ name: 'MindirError', kind: 'encrypted' });
  });

  it.each(locked)('$name: another mode than the file has is refused', async ({ name, sealed }) => {
    const decKey = new Uint8Array(Buffer.from(sealed.key_hex as string, 'hex'));
    const decMode = sealed.mode === 'AES-GCM' ? 'AES-CBC' : 'AES-GCM';
    await expect(loadMindir(join(root, 'sealed', name, sealed.file), { decKey, decMode })).rejects.toMatchObject({ name: 'MindirError' });
  });
});
