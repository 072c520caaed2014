import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command, mserve } from '../support/command.js';
import { onnxModel, type OnnxModel } from '../support/onnx-model.js';
import { root } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

describe('mserve init', () => {
  const directory = servableDirectory();
  const servables = join(directory.path, 'models');
  afterAll(() => directory.remove());

  it('writes a servable that check accepts and whose own test passes against mserve serve', async () => {
    const { code, stdout } = await mserve('init', 'my_net-1', '--dir', servables, '--json');
    expect(code).toBe(0);
    const written = JSON.parse(stdout) as { servable: string; files: string[]; test: string };
    expect(written.servable).toBe('my_net-1');
    expect(written.files.map((file) => file.slice(servables.length + 1)).sort()).toEqual(
      ['1/double.onnx', 'README.md', 'my_net-1.test.mjs', 'servable_config.ts'].map((file) => `my_net-1/${file}`),
    );
    const checked = await mserve('check', servables, '--json');
    expect([checked.code, JSON.parse(checked.stdout)]).toEqual([
      0,
      {
        ok: true,
        passedOver: [],
        servables: [
          {
            servable: 'my_net-1',
            ok: true,
            versions: [1],
            methods: ['predict', 'predict_text'],
            problems: [],
            remarks: [],
            batching: [{ model: 'double.onnx', version: 1, outcome: 'proven', text: expect.stringContaining('are independent: proven') }],
          },
        ],
      },
    ]);
    // The commands that init prints, word by word; NODE_OPTIONS is Jest's own
    const tested = await command('/bin/sh', ['-c', written.test], { NODE_OPTIONS: '' });
    expect(tested.stdout).toMatch(/^# pass 3$|^ℹ pass 3$/m);
    expect(tested.code).toBe(0);
  }, 60_000);

  it('prints commands that work as they stand, whatever the directory is called', async () => {
    const { stdout } = await mserve('init', 'second', '--dir', join(directory.path, "a friend's models"));
    const commands = stdout
      .slice(stdout.indexOf('Next:'))
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
    expect(commands.map((line) => / (check|--test|serve|infer) /.exec(line)?.[1])).toEqual(['check', '--test', 'serve', 'infer']);
    const checked = await command('/bin/sh', ['-c', commands[0] ?? ''], { NODE_OPTIONS: '' });
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('✓ second, version 1: predict, predict_text')]);
    const tested = await command('/bin/sh', ['-c', commands[1] ?? ''], { NODE_OPTIONS: '' });
    expect(tested.code).toBe(0);
  }, 60_000);

  it('overwrites nothing', async () => {
    mkdirSync(join(servables, 'mine'));
    writeFileSync(join(servables, 'mine', 'notes.txt'), 'kept');
    const { code, stderr } = await mserve('init', 'mine', '--dir', servables);
    expect([code, stderr]).toEqual([1, expect.stringContaining('mine is there already, and nothing is overwritten')]);
    expect(readdirSync(join(servables, 'mine'))).toEqual(['notes.txt']);
    expect(readFileSync(join(servables, 'mine', 'notes.txt'), 'utf8')).toBe('kept');
  });

  it('says that a directory cannot be made', async () => {
    expect(await mserve('init', 'mine', '--dir', '/proc/none/here')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'mserve: cannot make /proc/none/here/mine: ENOENT\n',
    });
  });

  it.each(['', '.', '../up', 'a b', 'naïve', 'n'.repeat(65)])("refuses the name '%s'", async (name) => {
    const { code, stderr } = await mserve('init', name, '--dir', servables);
    expect([code, stderr]).toEqual([2, expect.stringContaining("is not allowed: 1 to 64 letters, digits, '_' and '-'")]);
  });
});

describe('mserve check', () => {
  const directory = servableDirectory();
  const double: OnnxModel = {
    inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
  };
  const write = (name: string, config: string, models: Readonly<Record<string, Uint8Array>> = {}): void => {
    mkdirSync(join(directory.path, name, '1'), { recursive: true });
    writeFileSync(join(directory.path, name, 'servable_config.ts'), config);
    for (const [file, bytes] of Object.entries(models)) writeFileSync(join(directory.path, name, '1', file), bytes);
  };
  const head = "import { addStage, declareModel, registerMethod } from '@mserve/register';\n";

  interface Checked {
    readonly servable: string;
    readonly ok: boolean;
    readonly problems: readonly { readonly text: string; readonly file?: string; readonly line?: number }[];
    readonly remarks: readonly string[];
  }
  let code: number;
  let servables: readonly Checked[];
  const problems = (name: string): string[] =>
    servables.find(({ servable }) => servable === name)?.problems.map(({ text, file, line }) => `${file ?? ''}:${line ?? ''} ${text}`) ??
    [];

  beforeAll(async () => {
    write('declarations', `${head}declareModel('a.onnx', 'TFLite' as 'ONNX');\nregisterMethod([], function m(x) { return x; });\n`);
    write('syntax', `${head}const x = ;\n`);
    write('throwing', `${head}\nthrow new Error('no vocabulary');\n`);
    write(
      'missing',
      `${head}registerMethod(['y'], function m(x) { return addStage(declareModel('a.onnx', 'ONNX'), x); });\ndeclareModel('b.onnx', 'ONNX');\n`,
      { 'b.onnx': new Uint8Array() },
    );
    write(
      'broken_models',
      `${head}const a = declareModel('a.onnx', 'ONNX');\nconst b = declareModel('b.mindir', 'MindIR');\nregisterMethod(['y'], function m(x) { return addStage(b, addStage(a, x)); });\n`,
      { 'a.onnx': Buffer.from('no model'), 'b.mindir': Buffer.from('no model') },
    );
    write(
      'misfits',
      `${head}const a = declareModel('a.onnx', 'ONNX');
registerMethod(['y'], function two(x1, x2) { return addStage(a, x1, x2); });
registerMethod({ inputs: { x: { dtype: 'int32' } }, outputs: { y: {} } }, function typed(x) { return x; });\n`,
      { 'a.onnx': onnxModel(double) },
    );
    write(
      'batches',
      `${head}const a = declareModel(['a.onnx', 'b.onnx'], 'ONNX');\nregisterMethod(['y'], function m(x) { return addStage(a, x); });\n`,
      {
        'a.onnx': onnxModel(double),
        'b.onnx': onnxModel({
          ...double,
          inputs: [{ name: 'x', dtype: 'float32', shape: [4, 2] }],
          outputs: [{ name: 'y', dtype: 'float32', shape: [4, 2] }],
        }),
      },
    );
    write(
      'good',
      `${head}console.log('printed while it is loaded');\nconst a = declareModel('a.onnx', 'ONNX');\nregisterMethod(['y'], function m(x) { return addStage(a, x); });\n`,
      { 'a.onnx': onnxModel(double) },
    );
    const outcome = await mserve('check', directory.path, '--json');
    code = outcome.code;
    ({ servables } = JSON.parse(outcome.stdout) as { servables: Checked[] });
  }, 60_000);
  afterAll(() => directory.remove());

  it('looks at every servable and ends with 1 when one is wrong', () => {
    expect(code).toBe(1);
    expect(servables.map(({ servable, ok }) => [servable, ok])).toEqual([
      ['batches', false],
      ['broken_models', false],
      ['declarations', false],
      ['good', true],
      ['misfits', false],
      ['missing', false],
      ['syntax', false],
      ['throwing', false],
    ]);
  });

  it('tells every wrong declaration with file and line', () => {
    expect(problems('declarations')).toEqual([
      expect.stringMatching(/^servable_config\.ts:2 .*'modelFormat' must be OM, MindIR/),
      expect.stringMatching(/^servable_config\.ts:3 .*'outputNames' must not be an empty array/),
    ]);
    expect(problems('syntax')).toEqual([expect.stringMatching(/^servable_config\.ts:2 /)]);
    expect(problems('throwing')).toEqual([expect.stringMatching(/^servable_config\.ts:3 .*no vocabulary/)]);
  });

  it('tells every model file that cannot be used', () => {
    expect(problems('missing')).toEqual([
      expect.stringMatching(/version: 1, model file 'a\.onnx' does not exist/),
      expect.stringMatching(/model file 'b\.onnx' is empty/),
    ]);
    expect(problems('broken_models')).toEqual([
      expect.stringMatching(/version 1: .*a\.onnx.*not a readable ONNX file/),
      expect.stringMatching(/version 1: .*b\.mindir/),
    ]);
    expect(problems('batches')).toEqual([expect.stringMatching(/version 1: model file 'b\.onnx': Expect batch size to be same/)]);
  });

  it('compares methods with the models they use', () => {
    expect(problems('misfits')).toEqual([
      expect.stringMatching(/version 1, method 'two': The inputs count 2 in registerMethod not equal to the count 1/),
    ]);
  });

  it('prints the same for people', async () => {
    const { code: status, stdout } = await mserve('check', directory.path, '--servable', 'good', '--servable', 'declarations');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^✓ good, version 1: m$/m);
    expect(stdout).toMatch(/^✗ declarations: 2 problems$/m);
    expect(stdout).toMatch(/^ {2}declarations\/servable_config\.ts:2: /m);
    expect(stdout).toMatch(/^2 servables checked, 1 cannot be served\.$/m);
  });

  it('reads MindIR as serving would: dialect, operators, and encrypted files with their key', async () => {
    const sealed = servableDirectory();
    try {
      const cases = join(root, 'test/parity/mindir/cases');
      for (const [name, source] of [
        ['old', 'ms10_lenet5/model.mindir'],
        ['sealed', 'lenet5_enc_gcm16/lenet.mindir'],
      ] as const) {
        mkdirSync(join(sealed.path, name, '1'), { recursive: true });
        writeFileSync(join(sealed.path, name, '1/m.mindir'), readFileSync(join(cases, source)));
        writeFileSync(
          join(sealed.path, name, 'servable_config.ts'),
          `${head}const m = declareModel('m.mindir', 'MindIR');\nregisterMethod(['y'], function p(x) { return addStage(m, x); });\n`,
        );
      }
      const { key_hex: key } = (
        JSON.parse(readFileSync(join(cases, 'lenet5_enc_gcm16/meta.json'), 'utf8')) as { encryption: { key_hex: string } }
      ).encryption;
      writeFileSync(join(sealed.path, 'key'), Buffer.from(key, 'hex'));
      const without = await mserve('check', sealed.path);
      expect([without.code, without.stderr]).toEqual([1, '']);
      expect(without.stdout).toMatch(/✗ old: 1 problem\n {2}version 1: .*unsupported MindIR dialect/);
      expect(without.stdout).toMatch(/✗ sealed: 1 problem\n {2}version 1: .*encrypted/);
      const opened = await mserve('check', sealed.path, '--servable', 'sealed', '--dec-key-file', join(sealed.path, 'key'));
      expect([opened.code, opened.stdout]).toEqual([0, expect.stringMatching(/^✓ sealed, version 1: p$/m)]);
    } finally {
      sealed.remove();
    }
  });

  it.each([
    [['--servable', 'nothing'], 1, "directory '.*nothing' not exist"],
    [['--dec-key-file', 'key'], 2, 'cannot read the key file|needs --servable'],
    [['--quick'], 2, "unknown option '--quick'"],
  ])('ends with a reason: %j', async (flags, expected, text) => {
    const { code: status, stdout, stderr } = await mserve('check', directory.path, ...flags);
    expect([status, stdout + stderr]).toEqual([expected, expect.stringMatching(text)]);
  });

  it('says that there is nothing to look at', async () => {
    const empty = servableDirectory();
    try {
      const none = await mserve('check', empty.path);
      expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('there is no servable in')]);
      const missing = await mserve('check', join(empty.path, 'gone'));
      expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('does not exist')]);
    } finally {
      empty.remove();
    }
  });
});
