import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ServableDeclaration } from '@mserve/register';
import {
  checkServableNames,
  findConfig,
  listServables,
  listVersions,
  modelFiles,
  passedOverServables,
  passedOverVersions,
  resolveVersion,
} from './servable-directory.js';
import { ServableFolder } from './servable-folder.fixture.js';

/** Which folders are servables and versions, and what is refused: links that lead out, odd names, files that are no plain files. */

let folder: ServableFolder;
let outside: string;
beforeEach(() => {
  folder = new ServableFolder();
  outside = mkdtempSync(join(tmpdir(), 'mserve-outside-'));
});
afterEach(() => {
  folder.remove();
  rmSync(outside, { recursive: true, force: true });
});

const declared = (...files: string[]): ServableDeclaration => ({
  servable: 'S',
  models: files.map((file) => ({
    key: file,
    files: [file],
    format: 'ONNX',
    withBatchDim: true,
    withoutBatchDimInputs: [],
    maxBatchSize: 1,
    batching: 'proven',
  })),
  functions: [],
  methods: [],
});
const message = (act: () => unknown): string => {
  try {
    act();
  } catch (thrown) {
    return (thrown as Error).message.replaceAll(folder.path, 'D').replaceAll(outside, 'OUT');
  }
  return 'no error';
};

describe('servables of a directory', () => {
  it('are its folders with a config, in TypeScript or JavaScript', () => {
    folder.write('b/servable_config.ts', '');
    folder.write('a/servable_config.mjs', '');
    folder.write('c/servable_config.js', '');
    folder.write('no/readme.md', '');
    folder.write('not*allowed/servable_config.ts', '');
    folder.write('servable_config.ts', '');
    mkdirSync(join(folder.path, 'folder/servable_config.ts'), { recursive: true });
    expect(listServables(folder.path)).toEqual(['a', 'b', 'c']);
    folder.write('old/servable_config.py', '');
    folder.write('misspelt/servable-config.ts', '');
    expect(passedOverServables(folder.path)).toEqual([
      expect.stringMatching(/^the folder 'not\*allowed' is passed over: /),
      "the folder 'misspelt' is passed over: it has a servable-config.ts, a servable_config.ts is expected",
      "the folder 'old' is passed over: it has a servable_config.py, a servable_config.ts is expected",
    ]);
  });

  it('may have dots, blanks and letters of any language in their names, however the file system writes those', () => {
    const names = ['resnet50-v1.5', 'my net', 'größe', '模型', 'a'.repeat(64)];
    for (const name of names) folder.write(`${name.normalize('NFD')}/servable_config.ts`, '');
    expect(listServables(folder.path)).toEqual([...names].sort());
    expect(passedOverServables(folder.path)).toEqual([]);
    for (const name of names) expect(findConfig(folder.path, name)).toBe(join(folder.path, name.normalize('NFD'), 'servable_config.ts'));
    mkdirSync(join(folder.path, 'größe'.normalize('NFD'), '7'));
    expect(listVersions(folder.path, 'größe')).toEqual([7]);
  });

  it('of two that differ only in how a letter is written, one is passed over', () => {
    for (const form of ['NFC', 'NFD']) folder.write(`${'größe'.normalize(form)}/servable_config.ts`, '');
    expect(listServables(folder.path)).toEqual(['größe']);
    expect(passedOverServables(folder.path)).toEqual([expect.stringContaining('another folder has the same name')]);
    expect(findConfig(folder.path, 'größe')).toBe(join(folder.path, 'größe', 'servable_config.ts'));
  });

  it('are listed beside plain files and links in a circle that could be servables by their names', () => {
    folder.write('a/servable_config.ts', '');
    folder.write('LICENSE', '');
    symlinkSync('circle', join(folder.path, 'circle'));
    expect(listServables(folder.path)).toEqual(['a']);
    expect(message(() => findConfig(folder.path, 'LICENSE'))).toContain('not exist');
  });

  it('cannot be listed where there is no directory', () => {
    expect(message(() => listServables(join(folder.path, 'nope')))).toBe("The servable directory 'D/nope' does not exist");
    folder.write('LICENSE', '');
    expect(message(() => listServables(join(folder.path, 'LICENSE')))).toBe("The servable directory 'D/LICENSE' is not a folder");
  });

  it.each([
    ['digits', "there is no servable 'digist' in D (a folder with a servable_config.ts is expected); did you mean 'digits'?"],
    ['kit', "there is no servable 'digist' in D (a folder with a servable_config.ts is expected); there are: kit"],
    [undefined, "there is no servable 'digist' in D (a folder with a servable_config.ts is expected); there is none"],
  ])('are asked for by name, beside %s', (other, text) => {
    if (other !== undefined) folder.write(`${other}/servable_config.ts`, '');
    expect(message(() => checkServableNames(folder.path, ['digist']))).toBe(text);
    if (other !== undefined) expect(() => checkServableNames(folder.path, [other])).not.toThrow();
  });

  it.each(['../x', '..', '.', '', 'a/b', 'a\0b', '.a', 'a.', ' a', 'a:1', 'a,b', '\u0301a', 'a'.repeat(65), '%2e%2e', 'a.*', '$SYS'])(
    'are never called %j',
    (name) => {
      expect(message(() => findConfig(folder.path, name))).toContain('is not allowed: 1 to 64 letters, digits,');
    },
  );

  it('prefer TypeScript where there are both', () => {
    folder.write('a/servable_config.js', '');
    const typescript = folder.write('a/servable_config.ts', '');
    expect(findConfig(folder.path, 'a')).toBe(typescript);
  });

  it('have the original’s texts when they are not there', () => {
    mkdirSync(join(folder.path, 'empty'));
    expect(message(() => findConfig(folder.path, 'nope'))).toBe(
      "Check servable config failed, directory 'D/nope' not exist, servable directory 'D', servable name 'nope'",
    );
    expect(message(() => findConfig(folder.path, 'empty'))).toBe(
      "Check servable config failed, file 'D/empty/servable_config.ts' not exist,  servable directory 'D', servable name 'empty'",
    );
  });

  it('may be links inside of the directory, but not out of it', () => {
    folder.write('real/servable_config.ts', '');
    symlinkSync(join(folder.path, 'real'), join(folder.path, 'alias'));
    symlinkSync(outside, join(folder.path, 'away'));
    mkdirSync(join(folder.path, 'file'));
    folder.write('real/other.ts', '');
    symlinkSync('/etc/hostname', join(folder.path, 'file/servable_config.ts'));
    expect(findConfig(folder.path, 'alias')).toBe(join(folder.path, 'real/servable_config.ts'));
    expect(message(() => findConfig(folder.path, 'away'))).toBe(
      "Check servable config failed, directory 'D/away' is a link that leads out of 'D', to 'OUT': copy what it leads to, or allow the folder by the setting linkRoot",
    );
    expect(message(() => findConfig(folder.path, 'file'))).toContain(
      "file 'D/file/servable_config.ts' is a link that leads out of 'D', to '/etc/hostname'",
    );
  });
});

describe('versions', () => {
  beforeEach(() => {
    folder.write('S/servable_config.ts', '');
    for (const entry of ['1', '2', '10', '01', '0', '-1', '1abc', '1e3', '9007199254740992', 'x']) mkdirSync(join(folder.path, 'S', entry));
    folder.write('S/3', 'a file');
  });

  it('are folders called by a whole number', () => {
    expect(listVersions(folder.path, 'S')).toEqual([1, 2, 10]);
    expect(passedOverVersions(folder.path, 'S', [])).toEqual([
      expect.stringContaining("'0' is not a version and passed over"),
      expect.stringContaining("'01' is passed over: '1' is the same version"),
      expect.stringContaining("'1abc'"),
      expect.stringContaining("'1e3'"),
      expect.stringContaining(
        "'9007199254740992' is not a version and passed over: a version is a folder that is called by a whole number from 1 to 9007199254740991",
      ),
    ]);
  });

  it.each([
    ['1654584802', 1_654_584_802],
    ['20240131120000', 20_240_131_120_000],
    ['00000123', 123],
    ['9007199254740991', 9_007_199_254_740_991],
  ])('%s is version %i', (entry, version) => {
    folder.write('T/servable_config.ts', '');
    folder.write(`T/${entry}/m.onnx`, 'm');
    expect(resolveVersion(folder.path, 'T', 0, ['m.onnx'])).toBe(version);
    expect(resolveVersion(folder.path, 'T', version, ['m.onnx'])).toBe(version);
    expect(modelFiles(folder.path, 'T', version, declared('m.onnx')).versionDirectory).toBe(join(folder.path, 'T', entry));
    expect(passedOverVersions(folder.path, 'T', ['m.onnx'])).toEqual([]);
  });

  it.each(['v1', '1.0', 'latest', 'version 2'])('are not called %s, which the operator is told', (entry) => {
    folder.write('T/servable_config.ts', '');
    folder.write(`T/${entry}/m.onnx`, 'm');
    mkdirSync(join(folder.path, 'T/lib'));
    const text = `'${entry}' is not a version and passed over: a version is a folder that is called by a whole number from 1 to 9007199254740991`;
    expect(passedOverVersions(folder.path, 'T', ['m.onnx'])).toEqual([text]);
    expect(message(() => resolveVersion(folder.path, 'T', 0, ['m.onnx']))).toContain(`servable name: T; ${text}`);
  });

  it.each([
    [0, ['m'], 10],
    [2, ['m'], 2],
    [0, [], 10],
    [7, [], 7],
  ])('%d, with models: %j, resolves to %d', (version, files, resolved) => {
    expect(resolveVersion(folder.path, 'S', version, files)).toBe(resolved);
  });

  it('is 1 for a servable without models and version directories', () => {
    folder.write('N/servable_config.ts', '');
    expect(resolveVersion(folder.path, 'N', 0, [])).toBe(1);
  });

  it.each<readonly [number, string]>([
    [
      7,
      "Start servable failed: There is no specified version directory of models, specified version number: 7, servable directory: 'D', servable name: 'S'",
    ],
    [-1, "Parameter 'versionNumber' should be >= 0"],
    [1.5, "Parameter 'versionNumber' should be >= 0"],
  ])('%d is refused', (version, text) => {
    expect(message(() => resolveVersion(folder.path, 'S', version, ['m']))).toBe(text);
  });

  it('are needed by models', () => {
    folder.write('N/servable_config.ts', '');
    expect(message(() => resolveVersion(folder.path, 'N', 0, ['m']))).toBe(
      'There is no valid version directory of models while there are models declared in servable_config.ts, servable directory: D, servable name: N',
    );
  });
});

describe('model files', () => {
  beforeEach(() => {
    folder.write('S/servable_config.ts', '');
    folder.write('S/1/a.onnx', 'a');
    folder.write('S/1/sub/b.onnx', 'b');
  });

  it('lie in the version directory, also in folders of it', () => {
    const directory = join(folder.path, 'S/1');
    expect(modelFiles(folder.path, 'S', 1, declared('a.onnx', 'sub/b.onnx'))).toEqual({
      versionDirectory: directory,
      modelPaths: [[join(directory, 'a.onnx')], [join(directory, 'sub/b.onnx')]],
      linkRoots: [join(folder.path, 'S')],
    });
    expect(modelFiles(folder.path, 'S', 1, declared())).toEqual({ versionDirectory: undefined, modelPaths: [], linkRoots: [] });
  });

  it('may be links and have other names, inside of the servable or of the folder that is allowed', () => {
    folder.write('S/blobs/abc', 'model');
    symlinkSync('../blobs/abc', join(folder.path, 'S/1/cache.onnx'));
    folder.write('S/1/..2024/mount.onnx', 'model');
    symlinkSync('..2024', join(folder.path, 'S/1/..data'));
    symlinkSync('..data/mount.onnx', join(folder.path, 'S/1/mount.onnx'));
    linkSync(join(folder.path, 'S/blobs/abc'), join(folder.path, 'S/1/hard.onnx'));
    symlinkSync('1', join(folder.path, 'S/2'));
    const files = declared('cache.onnx', 'mount.onnx', 'hard.onnx');
    for (const version of [1, 2]) expect(() => modelFiles(folder.path, 'S', version, files)).not.toThrow();

    mkdirSync(join(outside, 'store'));
    writeFileSync(join(outside, 'store/soft'), 'model');
    writeFileSync(join(outside, 'store/hard'), 'model');
    symlinkSync(join(outside, 'store/soft'), join(folder.path, 'S/1/s.onnx'));
    linkSync(join(outside, 'store/hard'), join(folder.path, 'S/1/h.onnx'));
    symlinkSync(join(outside, 'store'), join(outside, 'mounted'));
    for (const file of ['s.onnx', 'h.onnx']) {
      expect(message(() => modelFiles(folder.path, 'S', 1, declared(file)))).toContain('setting linkRoot');
      expect(() => modelFiles(folder.path, 'S', 1, declared(file), { linkRoot: join(outside, 'mounted') })).not.toThrow();
    }
  });

  it.each<readonly [string, Uint8Array | string, RegExp]>([
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n', /git lfs pull/],
    ['an error page', '\n<!DOCTYPE html><html><body>404</body></html>', /fetch the model again/],
    ['a PyTorch checkpoint', `PK\x03\x04${' '.repeat(26)}net/data.pkl`, /torch\.onnx\.export/],
    ['a zip archive', `PK\x03\x04${' '.repeat(26)}model.onnx`, /is a zip archive/],
    ['a gzip file', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/],
    ['a tar archive', `${'a'.repeat(257)}ustar`, /is a tar archive/],
    ['safetensors', Uint8Array.of(60, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0x77), /safetensors/],
    ['a pickle', Uint8Array.of(0x80, 4, 0x95), /pickle/],
    ['HDF5', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10), /tf2onnx/],
    ['TensorFlow Lite', Uint8Array.of(28, 0, 0, 0, 0x54, 0x46, 0x4c, 0x33), /TensorFlow Lite/],
    ['MindSpore Lite', Uint8Array.of(28, 0, 0, 0, 0x4d, 0x53, 0x4c, 0x32), /MindSpore Lite/],
    ['an OM file', 'IMOD and more', /modelFormat OM/],
    ['a SavedModel', Uint8Array.of(8, 1, 0x12, 9, 0x73, 0x65, 0x72, 0x76, 0x65), /SavedModel/],
    ['a frozen graph', '\x0a\x14\x0a\x05input\x12\x0bPlaceholder', /frozen graph of TensorFlow.*--graphdef/],
    ['a Keras archive', `PK\x03\x04${' '.repeat(26)}metadata.json`, /Keras model/],
    ['TorchScript', `PK\x03\x04${' '.repeat(26)}m/code/__torch__.py`, /TorchScript/],
    ['a checkpoint of old PyTorch', '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', /PyTorch checkpoint/],
    ['OpenVINO', '<?xml version="1.0"?>\n<net name="m" version="11">', /OpenVINO/],
    ['a TensorRT engine', 'ftrt and more', /TensorRT engine/],
    ['bzip2', 'BZh91AY&SY', /bzip2/],
    ['zstd', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0), /zstd/],
    ['zeros', new Uint8Array(100), /holds zeros/],
    ["ONNX Runtime's format", Uint8Array.of(28, 0, 0, 0, 0x4f, 0x52, 0x54, 0x4d), /\.ort/],
    ['a checkpoint of MindSpore', '\x0a\x1e\x0a\x08conv1.w\x00\x12\x12\x08\x40\x12\x07Float32', /checkpoint of MindSpore.*MINDIR/],
    ['MindIR as ONNX', '\x0a\x050.1.0\x12\x09MindSpore', /declare it with modelFormat 'MindIR'/],
    ['JSON', '{"error": "Not found"}', /is JSON/],
    ['an ONNX model as text', 'ir_version: 8\ngraph {', /in binary form/],
    ['other text', 'AccessDenied: you may not read this', /is text and no model/],
    ['an XGBoost model', '{"learner":{"attributes":{}}}', /convert_xgboost/],
  ])('that are %s are told what they are', (_what, content, cure) => {
    folder.write('S/1/a.onnx', typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
    expect(message(() => modelFiles(folder.path, 'S', 1, declared('a.onnx')))).toMatch(cure);
  });

  it.each<readonly [string, readonly string[], RegExp]>([
    ['a SavedModel', ['saved_model.pb', 'variables/variables.index'], /folder of a SavedModel.*--saved-model/],
    ['a model with its weights', ['model.onnx', 'weights.bin'], /modelFile: 'folder\/model.onnx'/],
    ["transformers' files", ['config.json', 'model.safetensors'], /optimum-cli export onnx/],
    ['others', ['readme'], /is a folder, and the file of a model is expected/],
  ])('that are folders of %s are told so', (_what, files, cure) => {
    for (const file of files) folder.write(`S/1/folder/${file}`, 'x');
    expect(message(() => modelFiles(folder.path, 'S', 1, declared('folder')))).toMatch(cure);
  });

  it('may have accents that are composed otherwise than in the config', () => {
    folder.write(`S/1/${'größe'.normalize('NFD')}/modèle.onnx`, 'x');
    const file = `größe/${'modèle'.normalize('NFD')}.onnx`;
    expect(modelFiles(folder.path, 'S', 1, declared(file)).modelPaths).toEqual([
      [join(folder.path, `S/1/${'größe'.normalize('NFD')}/modèle.onnx`)],
    ]);
  });

  it('beside the config belong into a version', () => {
    folder.write('T/servable_config.ts', '');
    folder.write('T/m.onnx', 'x');
    expect(message(() => resolveVersion(folder.path, 'T', 0, ['m.onnx']))).toContain(
      "; 'm.onnx' lies beside the config: it belongs into the folder of its version, '1/m.onnx'",
    );
  });

  it('may lie in another container, behind /proc/PID/root', () => {
    writeFileSync(join(outside, 'm.onnx'), 'model');
    const there = `/proc/${process.pid}/root${outside}`;
    symlinkSync(there, join(folder.path, 'S/7'));
    expect(message(() => modelFiles(folder.path, 'S', 7, declared('m.onnx')))).toContain('leads out of');
    expect(modelFiles(folder.path, 'S', 7, declared('m.onnx'), { linkRoot: there }).versionDirectory).toBe(there);
  });

  const broken: readonly (readonly [string, () => void, string])[] = [
    ['x.onnx', () => undefined, 'does not exist'],
    ['x.onnx', () => folder.write('S/1/x.onnx', ''), 'is empty'],
    ['x.onnx', () => mkdirSync(join(folder.path, 'S/1/x.onnx')), 'is a folder, and the file of a model is expected'],
    ['x.onnx', () => execFileSync('mkfifo', [join(folder.path, 'S/1/x.onnx')]), 'is not a plain file'],
    [
      'x.onnx',
      () => symlinkSync('/dev/zero', join(folder.path, 'S/1/x.onnx')),
      "is a symbolic link that leads out of the servable's folder, to '/dev/zero'",
    ],
    ['x.onnx', () => symlinkSync('nowhere', join(folder.path, 'S/1/x.onnx')), 'is a symbolic link to a file that does not exist'],
    ['x.onnx', () => symlinkSync('x.onnx', join(folder.path, 'S/1/x.onnx')), 'is a symbolic link to a file that does not exist'],
    ['x.onnx', () => symlinkSync('sub', join(folder.path, 'S/1/x.onnx')), 'is a folder: name the file in it'],
    [
      'x.onnx',
      () => linkSync(folder.write('T/m.onnx', 'x'), join(folder.path, 'S/1/x.onnx')),
      "has more than one hard link (2), not all in the servable's folder",
    ],
    [
      'away/x.onnx',
      () => (folder.write('T/x.onnx', 'x'), symlinkSync(join(folder.path, 'T'), join(folder.path, 'S/1/away'))),
      "lies behind a link that leads out of the servable's folder, to 'D/T/x.onnx': copy what it leads to, or allow the folder by the setting linkRoot",
    ],
  ];
  it.each(broken)('%s is refused when it is not what it should be (%#)', (file, make, problem) => {
    make();
    const text = `Load model failed, servable name: S, version: 1, model file '${file}' ${problem}`;
    expect(message(() => modelFiles(folder.path, 'S', 1, declared(file))).slice(0, text.length)).toBe(text);
  });

  it('are not looked for in a version directory that leads out of the servable', () => {
    symlinkSync(outside, join(folder.path, 'S/5'));
    expect(message(() => modelFiles(folder.path, 'S', 5, declared('a.onnx')))).toBe(
      "Check servable config failed, version directory 'D/S/5' is a link that leads out of 'D/S', to 'OUT': copy what it leads to, or allow the folder by the setting linkRoot",
    );
  });
});
