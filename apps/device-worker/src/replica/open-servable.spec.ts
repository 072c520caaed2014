import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { stringTensor } from '@mserve/wire';
import { FunctionCalls } from '../functions/function-calls.fixture.js';
import { checkServable } from './check-servable.js';
import type { ServableConfigError } from '../servable/servable-config-error.js';
import { openServable, type OpenedServable, type OpenServableOptions } from './open-servable.js';
import { ServableFolder } from '../servable/servable-folder.fixture.js';

/** Real configs in real threads, with the faults that authors make. */

const badDeclarations = `declareModel('a', 'tflite' as 'ONNX');
registerMethod(['y'], function m(x) {
  return addStage('f' as never, x);
});
registerMethod(['y'], function n(x = 1) { return x; });`;
const folder = new ServableFolder();
let servable: OpenedServable | undefined;
afterEach(async () => {
  await servable?.runner.close();
  servable = undefined;
});
afterAll(() => folder.remove());

async function load(name: string, options: OpenServableOptions = {}): Promise<OpenedServable> {
  servable = await openServable(folder.path, name, options);
  return servable;
}
async function call(index = 0): Promise<string> {
  const [result] = servable === undefined ? [] : await new FunctionCalls(servable.runner).run(index, [[stringTensor('x')]]);
  if (result === undefined || 'failure' in result) return result?.failure.message ?? 'no result';
  return Buffer.from(result.outputs[0]?.bytes.subarray(4) ?? []).toString();
}

describe('a servable_config', () => {
  const method = `registerMethod(['y'], function m(x) { return addStage(f, x); });`;

  it('may be TypeScript with types, enums, decorators’ like, top-level await, own modules and packages', async () => {
    folder.write('node_modules/friendly/package.json', '{"name":"friendly","version":"1.0.0","type":"module","exports":"./index.js"}');
    folder.write('node_modules/friendly/index.js', `export const hello = (name) => 'hello ' + name;`);
    folder.write('node_modules/older/package.json', '{"name":"older","version":"1.0.0"}');
    folder.write('node_modules/older/index.js', `module.exports.bye = (name) => 'bye ' + name;`);
    folder.write(
      'ts/lib/words.ts',
      `import type { Word } from './types.js';\nexport const word: Word = { text: '!' };\nexport enum Sign { Dot = '.' }`,
    );
    folder.write('ts/lib/types.ts', 'export interface Word { text: string }');
    folder.write('ts/words.json', '{"more":"?"}');
    folder.config(
      'ts',
      `import { hello } from 'friendly';
import { bye } from 'older';
import { word, Sign } from './lib/words.js';
import more from './words.json';
const late = await Promise.resolve('late');
class Greeter<T extends string> {
  #name: T;
  constructor(name: T) { this.#name = name; }
  get text(): string { return hello(this.#name) + word.text + Sign.Dot + more.more + late satisfies string; }
}
function f(x: string): string { return new Greeter(x).text + bye(x); }
${method}`,
    );
    await load('ts');
    expect(await call()).toBe('hello x!.?latebye x');
  });

  it.each([
    ['mts', `import { registerMethod, addStage } from '@mserve/register';\nconst f = (x: string): string => x + 'mts';\n${method}`],
    ['mjs', `import { registerMethod, addStage } from '@mserve/register';\nconst f = (x) => x + 'mjs';\n${method}`],
    ['js', `import { registerMethod, addStage } from '@mserve/register';\nconst f = (x) => x + 'js';\n${method}`],
    ['cjs', `const { registerMethod, addStage } = require('@mserve/register');\nconst f = (x) => x + 'cjs';\n${method}`],
    ['cts', `import { registerMethod, addStage } from '@mserve/register';\nconst f = (x: string): string => x + 'cts';\n${method}`],
  ])('may end in .%s', async (extension, text) => {
    folder.write(`as-${extension}/servable_config.${extension}`, text);
    await load(`as-${extension}`);
    expect(await call()).toBe(`x${extension}`);
  });

  it('gets our @mserve/register, whatever its node_modules have', async () => {
    folder.write(
      'own/node_modules/@mserve/register/package.json',
      '{"name":"@mserve/register","version":"0.0.1","type":"module","exports":"./index.js"}',
    );
    folder.write('own/node_modules/@mserve/register/index.js', `throw new Error('the wrong copy')`);
    folder.config('own', `const f = (x: string) => x + ' ours';\n${method}`);
    await load('own');
    expect(await call()).toBe('x ours');
  });

  it('is loaded with the environment of its replica', async () => {
    folder.config('env', `const id = process.env.SERVING_DEVICE_ID;\nconst f = (x: string) => x + id;\n${method}`);
    await load('env', { environment: { SERVING_DEVICE_ID: '7' } });
    expect(await call()).toBe('x7');
    expect(process.env['SERVING_DEVICE_ID']).toBeUndefined();
  });

  it('runs with its version and model files', async () => {
    folder.config(
      'versions',
      `const model = declareModel('m.onnx', 'ONNX');\nregisterMethod(['y'], function m(x) { return addStage(model, x); });`,
    );
    folder.write('versions/1/m.onnx', '1');
    folder.write('versions/12/m.onnx', '12');
    expect(await load('versions')).toMatchObject({ version: 12, modelPaths: [[`${folder.path}/versions/12/m.onnx`]] });
    expect(await load('versions', { version: 1 })).toMatchObject({ version: 1, modelPaths: [[`${folder.path}/versions/1/m.onnx`]] });
    await expect(load('versions', { version: 3 })).rejects.toThrow('specified version number: 3');
  });

  it('warns of deprecated calls through the log, once each, however many threads load it', async () => {
    folder.write('old/1/m.onnx', 'x');
    folder.write(
      'old/servable_config.ts',
      `import { callPostprocess, callServable, declareServable, registerMethod } from '@mserve/register';
declareServable('m.onnx', 'onnx');
const g = (x: string) => x;
registerMethod('y', function m(x) { return callPostprocess(g, callServable(x)); });`,
    );
    const lines: string[] = [];
    await load('old', { numParallelWorkers: 3, log: (level, text) => lines.push(`${level}: ${text}`) });
    expect(lines.map((line) => line.slice(0, 40))).toEqual([
      "warn: servable old: 'declareServable' is",
      "warn: servable old: 'callServable' is de",
      "warn: servable old: 'callPostprocess' is",
    ]);
  });
});

describe('a servable_config is refused', () => {
  const rows: readonly (readonly [name: string, body: string, text: string])[] = [
    [
      'that-throws',
      `\nconst deep = (): never => { throw new Error('no luck'); };\n\ndeep();`,
      'import that-throws.servable_config failed, no luck (servable_config.ts:3)',
    ],
    ['that-throws-a-string', `throw 'text';`, 'import that-throws-a-string.servable_config failed, text (servable_config.ts)'],
    ['that-exits', `process.exit(4);`, 'import that-exits.servable_config failed, it exited with code 4 (servable_config.ts)'],
    ['that-spins', `while (true);`, 'import that-spins.servable_config failed, it was not loaded within 1500 ms (servable_config.ts)'],
    [
      'that-waits',
      `await new Promise(() => setInterval(() => undefined, 1000));`,
      'import that-waits.servable_config failed, it was not loaded within 1500 ms (servable_config.ts)',
    ],
    [
      'that-rejects',
      `void Promise.reject(new Error('nobody listens'));\nawait new Promise(() => setInterval(() => undefined, 1000));`,
      'import that-rejects.servable_config failed, nobody listens (servable_config.ts:2)',
    ],
    [
      'that-throws-later',
      `setTimeout(() => { throw new Error('later'); });\nawait new Promise(() => setInterval(() => undefined, 1000));`,
      'import that-throws-later.servable_config failed, later (servable_config.ts:2)',
    ],
    [
      'that-leaves-a-rejection',
      `registerMethod(['y'], function m(x) { return x; });\nvoid Promise.reject(new Error('nobody listens'));`,
      'import that-leaves-a-rejection.servable_config failed, nobody listens (servable_config.ts:3)',
    ],
    [
      'without-methods',
      ``,
      'import without-methods.servable_config failed, no method is registered: call registerMethod in servable_config (servable_config.ts)',
    ],
    [
      'with-a-syntax-error',
      `const a = = 1;`,
      'import with-a-syntax-error.servable_config failed, ParseError: Unexpected token (servable_config.ts:2)',
    ],
    [
      'with-bad-declarations',
      badDeclarations,
      [
        "'modelFormat' must be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX (in any case), not 'tflite' (servable_config.ts:2)",
        "the first argument of addStage in method 'm' must be a function or a model of declareModel, not string (servable_config.ts:4)",
        "input 'x' of method 'n' must not have a default value (servable_config.ts:6)",
      ]
        .map((problem) => `import with-bad-declarations.servable_config failed, ${problem}`)
        .join('\n'),
    ],
  ];
  it.each(rows)('%s', async (name, body, text) => {
    folder.config(name, body);
    const loadTimeoutMs = name.includes('-spins') || name.includes('-waits') ? 1500 : 30_000;
    const error = (await load(name, { loadTimeoutMs }).catch((thrown: unknown) => thrown)) as ServableConfigError;
    expect([error.name, error.message]).toEqual(['ServableConfigError', text]);
  });

  it('with a syntax error, and in a module of its own, with file and line', async () => {
    folder.config('syntax', `const a = = 1;`);
    folder.config('module', `import './lib/broken.js';`);
    folder.write('module/lib/broken.ts', `// one\n\nthrow new Error('in a module');`);
    await expect(load('syntax')).rejects.toMatchObject({ file: 'servable_config.ts', line: 2 });
    await expect(load('module')).rejects.toMatchObject({ file: 'lib/broken.ts', line: 3 });
  });

  it('with file and line whatever its directory is called', async () => {
    const odd = new ServableFolder();
    odd.config('in (brackets)/größe 1:2/odd', `\n\nthrow new Error('here');`);
    odd.config('in (brackets)/größe 1:2/module', `import './größe der.mjs';`);
    odd.write('in (brackets)/größe 1:2/module/größe der.mjs', `// one\n\nthrow new Error('there');`);
    const directory = `${odd.path}/in (brackets)/größe 1:2`;
    await expect(openServable(directory, 'odd')).rejects.toMatchObject({ file: 'servable_config.ts', line: 4 });
    await expect(openServable(directory, 'module')).rejects.toMatchObject({ file: 'größe der.mjs', line: 3 });
    odd.remove();
  });

  it('with an import that is not there', async () => {
    folder.config('missing', `import 'no-such-package';`);
    await expect(load('missing')).rejects.toThrow("import missing.servable_config failed, Cannot find module 'no-such-package'");
  });

  it.each([0, 65, 1.5])('with %d threads', async (numParallelWorkers) => {
    await expect(load('ts', { numParallelWorkers })).rejects.toThrow("Parameter 'numParallelWorkers' should be in range [1,64]");
  });
});

describe('checkServable', () => {
  beforeAll(() => {
    folder.config(
      'checked',
      `declareModel('a.onnx', 'ONNX');\nconst b = declareModel('b.onnx', 'ONNX');\nregisterMethod(['y'], function m(x) { return addStage(b, x); });`,
    );
    folder.write('checked/1/a.onnx', 'x');
    folder.write('checked/2/a.onnx', '');
    folder.write('checked/02/a.onnx', 'x');
  });

  it('tells everything that is wrong with all versions', async () => {
    const report = await checkServable(folder.path, 'checked');
    expect(report.declaration?.methods.map(({ name }) => name)).toEqual(['m']);
    expect(report.versions).toEqual([1, 2]);
    expect(report.problems.map(({ message }) => message)).toEqual([
      "Load model failed, servable name: checked, version: 1, model file 'b.onnx' does not exist",
      "Load model failed, servable name: checked, version: 2, model file 'a.onnx' is empty",
      "Load model failed, servable name: checked, version: 2, model file 'b.onnx' does not exist",
    ]);
    expect(report.remarks).toEqual(["'02' is passed over: '2' is the same version", "model 'a.onnx' is no stage of any method"]);
  });

  it.each([
    [
      'exports a function',
      'ts',
      `export default function predict(x: unknown) { return x; }`,
      'nobody calls what a servable_config exports (default)',
    ],
    ['is CommonJS that exports', 'cjs', `module.exports = { predict(x) { return x; } };`, 'nobody calls what a servable_config exports'],
    [
      'has a misspelt import',
      'ts',
      `import { registerMethods } from '@mserve/register';\nregisterMethods('y');`,
      "@mserve/register has no registerMethods, did you mean 'registerMethod'?",
    ],
    [
      'has no import',
      'ts',
      `registerMethod('y', function m(x) { return x; });`,
      "registerMethod is not defined: import { registerMethod } from '@mserve/register'",
    ],
    ['is no TypeScript', 'ts', `\nconst x = (;`, 'Unexpected token'],
  ])('tells an author whose config %s what to do', async (what, extension, body, text) => {
    const name = what.replaceAll(' ', '_');
    folder.write(`${name}/servable_config.${extension}`, body);
    const { problems } = await checkServable(folder.path, name);
    expect(problems.map(({ message, file }) => [message, file])).toEqual([[expect.stringContaining(text), `servable_config.${extension}`]]);
  });

  it('tells what is wrong with model files beside what is wrong with the config', async () => {
    folder.config(
      'both',
      `declareModel('a.onnx', 'ONNX');\ndeclareModel('b', 'tflite' as 'ONNX');\nregisterMethod(['y'], function m(x) { return 1 as never; });`,
    );
    const { declaration, problems } = await checkServable(folder.path, 'both');
    expect(declaration).toBeUndefined();
    expect(problems.map(({ message, line }) => [message.slice(0, 60), line])).toEqual([
      ["import both.servable_config failed, 'modelFormat' must be OM", 3],
      ["import both.servable_config failed, method 'm' must return i", 4],
      ['There is no valid version directory of models while there ar', undefined],
    ]);
    folder.write('both/1/b', 'x');
    expect((await checkServable(folder.path, 'both')).problems.at(-1)?.message).toBe(
      "Load model failed, servable name: both, version: 1, model file 'a.onnx' does not exist",
    );
  });

  it('of versions with configs of their own', async () => {
    folder.config('moving', `function f(x) { return 'shared'; }\nregisterMethod(['y'], function m(x) { return addStage(f, x); });`);
    folder.write('moving/1/x', '');
    folder.write('moving/3/x', '');
    folder.config('moving/2', `function f(x) { return 'own'; }\nregisterMethod(['z'], function other(x) { return addStage(f, x); });`);
    for (const [version, name, text] of [
      [1, 'm', 'shared'],
      [2, 'other', 'own'],
      [0, 'm', 'shared'],
    ] as const) {
      await load('moving', { version });
      expect([servable?.version, servable?.runner.declaration.methods.map((one) => one.name)]).toEqual([
        version === 0 ? 3 : version,
        [name],
      ]);
      expect(await call()).toBe(text);
      await servable?.runner.close();
    }
    folder.config('moving/3', badDeclarations);
    const report = await checkServable(folder.path, 'moving');
    expect([...report.ofVersions].map(([version, declared]) => [version, declared?.methods.map((one) => one.name)])).toEqual([
      [2, ['other']],
      [3, undefined],
    ]);
    expect(report.problems.map(({ file, line }) => [file, line])).toEqual([2, 4, 6].map((line) => ['3/servable_config.ts', line]));
    await expect(load('moving')).rejects.toMatchObject({ file: '3/servable_config.ts', line: 2 });
  });

  it('tells all problems of a config, and of a servable that is not there', async () => {
    folder.config('all-bad', badDeclarations);
    expect((await checkServable(folder.path, 'all-bad')).problems.map(({ line }) => line)).toEqual([2, 4, 6]);
    expect((await checkServable(folder.path, 'nope')).problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("nope' not exist"),
    ]);
  });

  it('finds nothing wrong with what is right', async () => {
    folder.config('right', `registerMethod(['y'], function m(x) { return x; });`);
    expect(await checkServable(folder.path, 'right')).toMatchObject({ servable: 'right', problems: [], remarks: [] });
  });
});
