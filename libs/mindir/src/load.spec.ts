import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inspectMindir, loadMindir, type MindirOptions, type MindirSource } from './load.js';
import { MindirError } from './mindir-error.js';
import { mindirFile, type FileParameter } from './testing/mindir-file.js';

const cases = join(dirname(fileURLToPath(import.meta.url)), '../../../test/parity/mindir/cases');
const lenet = readFileSync(join(cases, 'lenet5/lenet.mindir'));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mindir-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function refusal(source: MindirSource, options?: MindirOptions): Promise<MindirError> {
  const thrown: unknown = await loadMindir(source, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof MindirError)) throw new Error(`not refused: ${String(thrown)}`);
  return thrown;
}

/** x + w, with the weight as given. */
function withParameter(parameter: Partial<FileParameter>): Uint8Array {
  const graph = {
    name: 'main',
    inputs: [['main:x', [4]]] as const,
    nodes: [['main:y', 'Add', 'main:x', 'w']] as const,
    output: 'main:y',
    parameters: [{ name: 'w', dims: [4], ...parameter }],
  };
  return mindirFile([graph]);
}

describe('files that are not whole MindIR files', () => {
  it('refuses every truncation', async () => {
    for (let length = 0; length < lenet.byteLength; length += 997) {
      expect((await refusal({ bytes: lenet.subarray(0, length) })).kind).toBe('format');
    }
  });

  it('refuses noise, zeros and text', async () => {
    expect((await refusal({ bytes: new Uint8Array(100_000) })).kind).toBe('format');
    expect((await refusal({ bytes: Buffer.from('PK\u0003\u0004 this is a zip file') })).kind).toBe('format');
    expect((await refusal({ bytes: Buffer.from('\n\u0003abc') })).kind).toBe('format');
  });

  it('refuses what is no regular file, without hanging, and names the file but not its folder', async () => {
    const fifo = join(folder, 'pipe.mindir');
    execFileSync('mkfifo', [fifo]);
    const refused = await refusal(fifo);
    expect(refused.kind).toBe('format');
    expect(refused.message).toContain("'pipe.mindir'");
    expect(refused.message).not.toContain(folder);
    expect((await refusal(folder)).kind).toBe('format');
    expect((await refusal(join(folder, 'absent.mindir'))).message).toContain('does not exist');
    writeFileSync(join(folder, 'empty.mindir'), '');
    expect((await refusal(join(folder, 'empty.mindir'))).message).toContain('empty');
  });

  it('refuses dims that do not fit the bytes, or nothing at all', async () => {
    expect((await refusal({ bytes: withParameter({ raw: new Uint8Array(12) }) })).message).toContain('needs 16 bytes');
    expect((await refusal({ bytes: withParameter({ dims: [2 ** 40, 2 ** 40], raw: new Uint8Array(16) }) })).kind).toBe('format');
    expect((await refusal({ bytes: withParameter({ dims: [-4], raw: new Uint8Array(16) }) })).kind).toBe('format');
    expect((await refusal({ bytes: withParameter({ dataType: 14, raw: new Uint8Array(16) }) })).kind).toBe('unsupported');
  });
});

describe('keys', () => {
  const gcm = join(cases, 'lenet5_enc_gcm16/lenet.mindir');
  const cbc = join(cases, 'lenet5_enc_cbc16/lenet.mindir');
  const sm4 = join(cases, 'lenet5_enc_sm4cbc/lenet.mindir');
  const right = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

  it('asks for a key, and refuses one for a plain file', async () => {
    expect((await refusal(gcm)).kind).toBe('encrypted');
    expect((await refusal(join(cases, 'lenet5/lenet.mindir'), { decKey: right })).kind).toBe('key');
  });

  it.each([15, 16, 24, 32, 33])('refuses a wrong key of %i bytes without showing it', async (length) => {
    const decKey = Buffer.alloc(length, 0x5a);
    for (const file of [gcm, cbc, sm4]) {
      const refused = await refusal(file, { decKey });
      expect(refused.kind).toBe('key');
      expect(refused.message).not.toContain(decKey.toString('latin1'));
      expect(refused.message).not.toContain(decKey.toString('hex'));
    }
  });

  it("refuses a mode that is not the file's", async () => {
    expect((await refusal(gcm, { decKey: right, decMode: 'AES-CBC' })).message).toContain('AES-GCM');
    expect((await refusal(cbc, { decKey: right, decMode: 'SM4-CBC' })).kind).toBe('key');
  });

  it('refuses damaged and cut off cipher text', async () => {
    const damaged = Buffer.from(readFileSync(gcm));
    damaged[5000] = (damaged[5000] as number) ^ 1;
    expect((await refusal({ bytes: damaged }, { decKey: right })).kind).toBe('key');
    expect((await refusal({ bytes: readFileSync(gcm).subarray(0, 9000) }, { decKey: right })).kind).toBe('format');
  });
});

describe('weights outside the graph file', () => {
  it.each([['../weights'], ['/etc/hostname'], ['a/../../weights'], ['C:\\weights'], ['']])('refuses the location %j', async (location) => {
    writeFileSync(join(folder, 'split.mindir'), withParameter({ location, length: 16 }));
    expect((await refusal(join(folder, 'split.mindir'))).kind).toBe('external');
  });

  it('refuses symbolic links, links on the way, hard links and missing files', async () => {
    const weights = join(folder, 'weights');
    writeFileSync(weights, Buffer.concat([Buffer.from([1]), Buffer.alloc(95)]));
    mkdirSync(join(folder, 'inside'));
    symlinkSync(weights, join(folder, 'inside/symbolic'));
    linkSync(weights, join(folder, 'inside/hard'));
    symlinkSync(folder, join(folder, 'inside/up'));
    for (const location of ['symbolic', 'hard', 'up/weights', 'absent']) {
      writeFileSync(join(folder, 'inside/model.mindir'), withParameter({ location, length: 16 }));
      expect((await refusal(join(folder, 'inside/model.mindir'))).kind).toBe('external');
    }
  });

  it('refuses a model that came as bytes without a folder, and variables that are too short', async () => {
    const model = withParameter({ location: 'short', length: 16 });
    expect((await refusal({ bytes: model })).kind).toBe('external');
    writeFileSync(join(folder, 'short'), Buffer.concat([Buffer.from([1]), Buffer.alloc(70)]));
    expect((await refusal({ bytes: model, folder })).kind).toBe('format');
  });
});

describe('inspection', () => {
  it('tells what a file holds, also when it cannot be converted', async () => {
    const report = await inspectMindir({
      bytes: mindirFile([{ name: 'main', inputs: [['main:x', [-1, 3]]], nodes: [['main:y', 'Alien', 'main:x']], output: 'main:y' }]),
    });
    expect(report).toMatchObject({
      producer: 'MindSpore',
      version: '2.10.0',
      mindIrVersion: 3,
      encryption: undefined,
      ops: { Alien: 1 },
      inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 3] }],
      unsupported: [{ op: 'Alien', node: 'Default/main:y', graph: 'main' }],
    });
  });

  it('counts parameters of a real file', async () => {
    const report = await inspectMindir(join(cases, 'lenet5/lenet.mindir'));
    expect(report.parameters).toEqual({ count: 8, bytes: 246_736 });
    expect(report.ops['Conv2D']).toBe(2);
  });
});
