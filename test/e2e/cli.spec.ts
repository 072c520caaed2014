import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readNpy, writeNpy } from '../../apps/server/src/npy.js';
import { float32s } from '../support/clients.js';
import { mserve } from '../support/command.js';
import { distance, imagePng, imageTensor, labelOf, logitsOf } from '../support/digits.js';
import { freePort } from '../support/free-port.js';
import { addModel, doubleModel, int64Bytes, loopModel, onnxModel } from '../support/onnx-model.js';
import { root, serveDirectory, startProcess, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

/** The commands of docs/cli.md as their own processes: what they print, where, and how they end. */

const scratch = servableDirectory();
const file = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(scratch.path, name), bytes);
  return join(scratch.path, name);
};
const floats = (shape: number[], values: readonly number[]): Uint8Array =>
  writeNpy({ dtype: 'float32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) });
const valuesIn = (path: string): number[] => [...float32s(readNpy(readFileSync(path)).bytes)];
afterAll(() => scratch.remove());

describe('mserve infer', () => {
  let server: RunningProcess & ServerAddresses;
  const servables = join(scratch.path, 'servables');
  beforeAll(async () => {
    mkdirSync(join(servables, 'echo'), { recursive: true });
    writeFileSync(
      join(servables, 'echo/servable_config.ts'),
      `import { addStage, registerMethod, Tensor } from '@mserve/register';
function kind(x: Tensor | string) { return typeof x === 'string' ? 'text ' + x : x.dtype + ' [' + x.shape + '] ' + [...x.data]; }
function fail(x: Tensor) { if (x.size >= 0) throw new Error('not today'); return x; }
registerMethod(['kind'], function tell(x) { return addStage(kind, x); });
registerMethod(['b', 'a'], function swap(a, b) { return [a, b]; });
registerMethod(
  { inputs: { n: { dtype: 'int64' }, x: { dtype: 'float32' } }, outputs: { n: { dtype: 'int64' }, x: { dtype: 'float32' } } },
  function exact(n, x) { return [n, x]; },
);
registerMethod(['y'], function refuse(x) { return addStage(fail, x); });
`,
    );
    mkdirSync(join(servables, 'echo/3'));
    mkdirSync(join(servables, 'digits/1'), { recursive: true });
    for (const path of ['servable_config.ts', '1/digits.onnx'])
      writeFileSync(join(servables, 'digits', path), readFileSync(join(root, 'examples/digits', path)));
    server = await serveDirectory(servables);
  }, 60_000);
  afterAll(() => server?.stop());
  const infer = (...args: string[]): ReturnType<typeof mserve> => mserve('infer', '--rest', server.rest, ...args);

  it('sends a .npy file as a tensor', async () => {
    const image = file('image.npy', floats([1, 28, 28], [...imageTensor(5)]));
    const { code, stdout } = await infer('--servable', 'digits', '--method', 'logits', '--input', `image=@${image}`, '--json');
    expect(code).toBe(0);
    const { logits } = JSON.parse(stdout) as { logits: number[] };
    expect(distance(Float32Array.from(logits), logitsOf(5))).toBeLessThan(1e-4);
  });

  it('sends any other file as its bytes', async () => {
    const { code, stdout } = await infer(
      '--servable',
      'digits',
      '--method',
      'classify',
      '--input',
      `image=@${file('image.png', await imagePng(11))}`,
      '--json',
    );
    expect([code, (JSON.parse(stdout) as { label: number }).label]).toEqual([0, labelOf(11)]);
  });

  it.each([
    ['x="a\\u00e9"', 'text aé'],
    ['x=[[1,2],[3,4]]', 'int32 [2,2] 1,2,3,4'],
    ['x=[1.0,2.0]', 'float32 [2] 1,2'],
    ['x=true', 'bool [] 1'],
    ['x={"b64":"AQI=","type":"uint8","shape":[2]}', 'uint8 [2] 1,2'],
    ['x=[{"b64":"aGk=","type":"str"}]', 'text hi'],
    ['x="3.5 \\" 1"', 'text 3.5 " 1'],
  ])('sends JSON as it is written: %s', async (input, kind) => {
    const { code, stdout } = await infer('--servable', 'echo', '--method', 'tell', '--input', input, '--json');
    expect([code, JSON.parse(stdout)]).toEqual([0, { kind }]);
  });

  it('prints JSON for people without --json, one line with it', async () => {
    const args = ['--servable', 'echo', '--method', 'swap', '--input', 'a=1', '--input', 'b="x"'];
    const [pretty, line] = await Promise.all([infer(...args), infer(...args, '--json')]);
    expect(pretty).toEqual({ code: 0, stderr: '', stdout: '{\n "a": "x",\n "b": 1\n}\n' });
    expect([line.code, line.stdout.trimEnd().split('\n')]).toEqual([0, [expect.stringMatching(/^\{.*\}$/)]]);
  });

  it('keeps all digits of integers of 64 bits, both ways, and takes the dtype that the method declares', async () => {
    const one = async (...inputs: string[]): Promise<unknown> =>
      (await infer('--servable', 'echo', '--method', 'exact', ...inputs.flatMap((text) => ['--input', text]), '--json')).stdout;
    expect(await one('n=[9007199254740993,-1]', 'x=[1,"NaN"]')).toBe('{"n":[9007199254740993,-1],"x":[1,null]}\n');
  });

  it('asks a gRPC port, too', async () => {
    const args = ['--servable', 'echo', '--method', 'tell', '--input', 'x=[1.0]', '--server', `grpc://${server.grpc}`, '--json'];
    expect(await mserve('infer', ...args)).toEqual({ code: 0, stderr: '', stdout: '{"kind":"float32 [1] 1"}\n' });
  });

  it('asks for a version', async () => {
    const args = ['--servable', 'echo', '--method', 'tell', '--input', 'x=1', '--version-number'];
    expect((await infer(...args, '3')).code).toBe(0);
    expect(await infer(...args, '4')).toMatchObject({ code: 1, stderr: expect.stringContaining('NOT_FOUND: ') });
  });

  it.each([
    ['an unknown servable', ['--servable', 'no', '--method', 'm', '--input', 'x=1'], 1, /^mserve: NOT_FOUND: /],
    ['an unknown method', ['--servable', 'echo', '--method', 'no', '--input', 'x=1'], 1, /^mserve: NOT_FOUND: /],
    [
      'a missing input',
      ['--servable', 'echo', '--method', 'tell', '--input', 'y=1'],
      1,
      /INVALID_ARGUMENT: echo\.tell has no input 'y', it takes x/,
    ],
    ['an instance that fails', ['--servable', 'echo', '--method', 'refuse', '--input', 'x=1'], 1, /not today/],
    ['text without quotes', ['--servable', 'echo', '--method', 'tell', '--input', 'x=hello'], 2, /'hello' is not JSON \(text needs quotes/],
    ['a file that is not there', ['--servable', 'echo', '--method', 'tell', '--input', 'x=@gone.npy'], 2, /cannot read gone\.npy/],
    ['an input given twice', ['--servable', 'echo', '--method', 'tell', '--input', 'x=1', '--input', 'x=2'], 2, /--input x is given twice/],
    [
      'a .npy file that is none',
      ['--servable', 'echo', '--method', 'tell', '--input', `x=@${file('text.npy', 'no numbers here')}`],
      1,
      /text\.npy is not a \.npy file mserve can read/,
    ],
    [
      'a URL for an address',
      ['--rest', 'http://127.0.0.1:1500', '--servable', 'echo', '--method', 'tell', '--input', 'x=1'],
      2,
      /HOST:PORT is expected/,
    ],
    [
      "the flag --version, which is mserve's own",
      ['--servable', 'echo', '--method', 'tell', '--input', 'x=1', '--version', '3'],
      2,
      /unknown option '--version'/,
    ],
    ['an input without a name', ['--servable', 'echo', '--method', 'tell', '--input', '=1'], 2, /neither name=@file nor name=json/],
    ['no servable', ['--method', 'm', '--input', 'x=1'], 2, /--servable <name>' not specified/],
    ['an unknown flag', ['--servable', 'echo', '--method', 'tell', '--input', 'x=1', '--fast'], 2, /unknown option '--fast'/],
    ['a wrong number', ['--servable', 'echo', '--method', 'tell', '--input', 'x=1', '--timeout-ms', 'soon'], 2, /a whole number from 1 to/],
  ])('%s: the reason on stderr, nothing on stdout', async (_name, args, code, text) => {
    expect(await infer(...args)).toEqual({ code, stdout: '', stderr: expect.stringMatching(text) });
  });

  it('says that nobody answers', async () => {
    const { code, stderr } = await mserve(
      'infer',
      '--rest',
      `127.0.0.1:${await freePort()}`,
      '--servable',
      's',
      '--method',
      'm',
      '--input',
      'x=1',
    );
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/no answer from 127\.0\.0\.1:\d+ \(ECONNREFUSED\); is a server running there/),
    ]);
  });
});

describe('mserve run', () => {
  const sum = file('sum.onnx', addModel(['n', 2]));
  const a = file('a.npy', floats([2, 2], [1, 2, 3, 4]));
  const b = file('b.npy', floats([2, 2], [0.5, 0.5, 0.5, 0.5]));

  it('writes the outputs as .npy', async () => {
    const out = join(scratch.path, 'out');
    const { code, stdout } = await mserve('run', sum, '--input', a, '--input', b, '--output-dir', out, '--json');
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { outputs: [{ name: 'sum', dtype: 'float32', shape: [2, 2], file: join(out, 'output_0.npy') }] },
    ]);
    expect(readNpy(readFileSync(join(out, 'output_0.npy'))).shape).toEqual([2, 2]);
    expect(valuesIn(join(out, 'output_0.npy'))).toEqual([1.5, 2.5, 3.5, 4.5]);
  });

  it('takes inputs by name, in any order', async () => {
    const difference = file(
      'difference.onnx',
      onnxModel({
        inputs: ['x', 'y'].map((name) => ({ name, dtype: 'float32' as const, shape: [2, 2] })),
        outputs: [{ name: 'd', dtype: 'float32', shape: [2, 2] }],
        nodes: [{ op: 'Sub', inputs: ['x', 'y'], outputs: ['d'] }],
      }),
    );
    const out = join(scratch.path, 'named');
    expect((await mserve('run', difference, '--input', `y=${b}`, '--input', `x=${a}`, '--output-dir', out)).code).toBe(0);
    expect(valuesIn(join(out, 'output_0.npy'))).toEqual([0.5, 1.5, 2.5, 3.5]);
  });

  it('writes nothing without --output-dir', async () => {
    expect(await mserve('run', sum, '--input', a, '--input', b)).toEqual({ code: 0, stderr: '', stdout: 'sum  float32 [2, 2]\n' });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends at the first %s, also when the model never would', async (signal) => {
    const limit = join(scratch.path, `${signal}.npy`);
    execFileSync('mkfifo', [limit]);
    const running = startProcess(process.execPath, [
      join(root, 'apps/server/bin/mserve.mjs'),
      'run',
      file('loop.onnx', loopModel()),
      '--input',
      limit,
    ]);
    try {
      const pipe = await open(limit, 'w'); // open once the command reads its input
      await pipe.write(writeNpy({ dtype: 'int64', shape: [], bytes: int64Bytes([2n ** 62n]) }));
      await pipe.close();
      await running.stop(signal);
      expect(running.child.signalCode).toBe(signal);
    } finally {
      running.child.kill('SIGKILL');
    }
  });

  it.each([
    ['an input is missing', [sum, '--input', a], 2, /no --input for b; the model takes: a float32 \[-1, 2\]; b float32 \[-1, 2\]/],
    ['there is one too many', [sum, '--input', a, '--input', b, '--input', a], 2, /1 --input too many/],
    ['an input is given twice', [sum, '--input', `a=${a}`, '--input', `a=${b}`], 2, /--input a is given twice/],
    [
      'an input has a name that the model does not know',
      [sum, '--input', `c=${a}`, '--input', b],
      2,
      /the model has no input 'c'; it takes: a float32/,
    ],
    [
      'the outputs cannot be written',
      [sum, '--input', a, '--input', b, '--output-dir', a],
      1,
      /cannot write into --output-dir .*a\.npy: a file of that name is in the way/,
    ],
    [
      'the file system has no folders to make',
      [sum, '--input', a, '--input', b, '--output-dir', '/proc/out/x'],
      1,
      /cannot write into --output-dir \/proc\/out\/x: no such file or folder/,
    ],
    [
      'an input has another shape',
      [sum, '--input', a, '--input', file('wide.npy', floats([2, 3], [1, 2, 3, 4, 5, 6]))],
      1,
      /'b'|dim|shape/,
    ],
    [
      'an input has another dtype',
      [sum, '--input', a, '--input', file('bytes.npy', writeNpy({ dtype: 'uint8', shape: [2, 2], bytes: Uint8Array.of(1, 2, 3, 4) }))],
      1,
      /uint8/,
    ],
    ['an input is no .npy file', [sum, '--input', a, '--input', sum], 1, /npy/i],
    ['an input file is missing', [sum, '--input', a, '--input', 'gone.npy'], 2, /cannot read gone\.npy/],
    ['the model is missing', ['gone.onnx', '--input', a], 2, /there is no model file gone\.onnx/],
    ['the model is a folder', [scratch.path, '--input', a], 2, /is not a file/],
    ['the model is broken', [file('broken.onnx', 'no model'), '--input', a], 1, /cannot load .*broken\.onnx/],
    [
      'a key is given for ONNX',
      [sum, '--input', a, '--dec-key-file', file('key', new Uint8Array(16))],
      2,
      /only MindIR models can be encrypted/,
    ],
    ['there is no model argument', [], 2, /missing required argument 'model'/],
    ['a flag is unknown', [sum, '--gpu'], 2, /unknown option '--gpu'/],
  ])('says what is wrong when %s', async (_name, args, code, text) => {
    const outcome = await mserve('run', ...args);
    expect(outcome).toEqual({ code, stdout: '', stderr: expect.stringMatching(text) });
    expect(outcome.stderr).not.toMatch(/\n {4}at /);
  });
});

describe('mserve model', () => {
  const lenet = join(root, 'examples/lenet/1/lenet.mindir');
  const cases = join(root, 'test/parity/mindir/cases');
  const image = join(cases, 'lenet5/input_0_0.npy');

  it('convert writes an ONNX file that gives the same', async () => {
    const onnx = join(scratch.path, 'lenet.onnx');
    const converted = await mserve('model', 'convert', lenet, '-o', onnx, '--json');
    expect([converted.code, JSON.parse(converted.stdout)]).toEqual([0, { written: [onnx] }]);
    const [fromMindir, fromOnnx] = [join(scratch.path, 'from-mindir'), join(scratch.path, 'from-onnx')];
    for (const [model, out] of [
      [lenet, fromMindir],
      [onnx, fromOnnx],
    ] as const) {
      expect((await mserve('run', model, '--input', image, '--output-dir', out, '--threads', '1')).code).toBe(0);
    }
    expect(readFileSync(join(fromOnnx, 'output_0.npy'))).toEqual(readFileSync(join(fromMindir, 'output_0.npy')));
    const recorded = Float32Array.from(valuesIn(join(cases, 'lenet5/output_0_0.npy')));
    expect(distance(Float32Array.from(valuesIn(join(fromOnnx, 'output_0.npy'))), recorded)).toBeLessThan(1e-4);
  }, 60_000);

  it('inspect tells inputs, outputs and operators', async () => {
    const { code, stdout } = await mserve('model', 'inspect', lenet, '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      {
        format: 'MindIR',
        inputs: [{ name: 'x', dtype: 'float32', shape: [2, 1, 32, 32] }],
        outputs: [{ dtype: 'float32', shape: [2, 10] }],
        mindir: { ops: { Conv2D: 2 }, unsupported: [] },
      },
    ]);
    const onnx = await mserve('model', 'inspect', file('double.onnx', doubleModel()), '--json');
    expect(JSON.parse(onnx.stdout)).toEqual({
      format: 'ONNX',
      inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 2] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [-1, 2] }],
      batching: { outcome: 'proven' },
    });
  });

  it.each([
    ['inspect a file that is not there', ['inspect', 'gone.mindir'], 2, /there is no model file gone\.mindir/],
    ['inspect what is no model', ['inspect', file('text.mindir', 'no model at all')], 1, /text\.mindir|MindIR/],
    ['inspect a sealed model without its key', ['inspect', join(cases, 'lenet5_enc_gcm16/lenet.mindir')], 1, /encrypted/],
    ['convert an ONNX model', ['convert', file('d.onnx', doubleModel()), '-o', 'never.onnx'], 2, /only MindIR can be converted/],
    ['convert without a target', ['convert', lenet], 2, /--output <file\.onnx>' not specified/],
    [
      'convert into a folder that is not there',
      ['convert', lenet, '-o', 'nowhere/lenet.onnx'],
      1,
      /cannot write nowhere\/lenet\.onnx: no such file or folder/,
    ],
    ['convert a file into itself', ['convert', lenet, '-o', lenet], 2, /is the file that is converted/],
    ['do something unknown', ['train', lenet], 2, /unknown command 'train'/],
  ])('does not %s', async (_name, args, code, text) => {
    expect(await mserve('model', ...args)).toEqual({ code, stdout: '', stderr: expect.stringMatching(text) });
  });
});

describe('mserve serve ends with one sentence when', () => {
  const directory = servableDirectory();
  let taken: Server;
  let port: number;
  const ports = ['--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0'];
  beforeAll(async () => {
    const head = "import { addStage, declareModel, registerMethod } from '@mserve/register';\n";
    const write = (name: string, config: string): void => {
      mkdirSync(join(directory.path, name));
      writeFileSync(join(directory.path, name, 'servable_config.ts'), config);
    };
    write('broken', `${head}\nregisterMethod(['y'], function m(x) {\n  return addStage(missing, x);\n});\n`);
    write('good', `${head}registerMethod(['y'], function m(x) { return x; });\n`);
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = (taken.address() as AddressInfo).port;
  });
  afterAll(() => {
    taken?.close();
    directory.remove();
  });

  it.each([
    ['the directory is missing', () => ['gone', ...ports], 1, /^mserve: The servable directory 'gone' does not exist$/m],
    ['the directory holds no servable', () => ['docs', ...ports], 1, /there is no servable in docs/],
    [
      'a chosen servable is broken',
      () => [directory.path, ...ports, '--servable', 'broken'],
      1,
      /servable_config\.ts:4.*missing|missing.*servable_config\.ts:4/,
    ],
    [
      'a chosen servable is not there',
      () => [directory.path, ...ports, '--servable', 'nothing'],
      1,
      /there is no servable 'nothing' in .*; there are: broken, good$/m,
    ],
    [
      'a chosen servable has nearly another name',
      () => [directory.path, ...ports, '--servable', 'godo'],
      1,
      /there is no servable 'godo' .*did you mean 'good'\?/,
    ],
    ['a chosen version is not there', () => ['examples', ...ports, '--servable', 'digits:9'], 1, /no specified version directory.*9/],
    [
      'the REST port is taken',
      () => ['examples', '--servable', 'digits', '--rest', `127.0.0.1:${port}`, '--grpc', '127.0.0.1:0'],
      1,
      /127\.0\.0\.1:\d+ failed \(another process has it\)$/m,
    ],
    [
      'the gRPC port is taken',
      () => ['examples', '--servable', 'digits', '--rest', '127.0.0.1:0', '--grpc', `127.0.0.1:${port}`],
      1,
      /^mserve: .*127\.0\.0\.1:\d+ \(another process has it\)\n$/,
    ],
    [
      'the folder of the gRPC socket is missing',
      () => ['examples', '--servable', 'digits', '--rest', '127.0.0.1:0', '--grpc', 'unix:/nowhere/grpc.sock'],
      1,
      /^mserve: .*unix:\/nowhere\/grpc\.sock \(its folder is not there or may not be written\)\n$/,
    ],
    [
      'a file that is no socket is where the gRPC socket should be',
      () => ['examples', '--servable', 'digits', '--rest', '127.0.0.1:0', '--grpc', `unix:${directory.path}/good/servable_config.ts`],
      1,
      /^mserve: .*servable_config\.ts \(another process has it, or something that is no socket is there\)\n$/,
    ],
    [
      'an address is none',
      () => ['examples', '--servable', 'digits', '--rest', 'nowhere'],
      2,
      /--rest must be HOST:PORT, for example 127\.0\.0\.1:1500, .*, but is "nowhere"/,
    ],
    [
      'a port is too high',
      () => ['examples', '--grpc', '127.0.0.1:65536'],
      2,
      /--grpc must be HOST:PORT or unix:PATH, .*, but is "127\.0\.0\.1:65536"/,
    ],
    [
      'the bus is none',
      () => ['examples', '--bus', 'http://127.0.0.1:4222'],
      2,
      /--bus must be memory, nats:\/\/HOST:PORT or tls:\/\/HOST:PORT/,
    ],
    [
      'a device is given twice',
      () => ['examples', '--device-ids', '1,0,1'],
      2,
      /--device-ids must be a list of .* different whole numbers .*, but is \[1,0,1\]/,
    ],
    [
      'a device is missing',
      () => ['examples', '--device-ids', '0,'],
      2,
      /--device-ids must be a list of .* whole numbers from 0 to 65535, but is \[0,""\]/,
    ],
    [
      'a number is out of range',
      () => ['examples', '--max-msg-mb-size', '0'],
      2,
      /--max-msg-mb-size must be a whole number from 1 to 512, but is 0/,
    ],
    [
      'a version is beyond all numbers',
      () => ['examples', '--servable', 'digits:99999999999999999999'],
      2,
      /--servable must be a list of different NAME or NAME:VERSION, the version up to 9007199254740991/,
    ],
    ['a servable is named wrongly', () => ['examples', '--servable', 'digits:one'], 2, /NAME or NAME:VERSION/],
    [
      'a key is given without a servable',
      () => ['examples', ...ports, '--dec-key-file', file('key16', new Uint8Array(16))],
      2,
      /--dec-key-file needs --servables/,
    ],
    ['a flag is unknown', () => ['examples', '--prot', '1'], 2, /unknown flag '--prot'/],
    ['there is no servable where it is started', () => [...ports], 1, /there is no servable in \./],
  ])('%s', async (_name, args, code, text) => {
    // Another server may have the usual address of the operations port
    const outcome = await mserve('serve', ...args(), '--ops', '');
    expect({ ...outcome, stderr: outcome.stderr.slice(-2000) }).toEqual({ code, stdout: '', stderr: expect.stringMatching(text) });
    expect(outcome.stderr).not.toMatch(/\n {4}at /);
  });

  it('serves the others beside a broken one that nobody chose, and says why', async () => {
    const server = await serveDirectory(directory.path, ['--ops', '']);
    try {
      expect(JSON.parse(await server.line((line) => line.startsWith('{"rest"')))).toEqual({
        rest: server.rest,
        grpc: server.grpc,
        docs: `http://${server.rest}/docs`,
        servables: [{ servable: 'good', version: 1, methods: ['m'] }],
        failed: [{ servable: 'broken', reason: expect.stringContaining('missing') }],
      });
      expect(await server.line((line) => line.includes('import broken.servable_config failed'))).toContain('servable_config.ts:4');
      expect(server.output()).toMatch(/^✗ broken, device 0: replica could not be loaded: .*missing/m);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });
});

describe('mserve', () => {
  it.each([
    [['--help'], 0, /Commands:[^]*serve[^]*infer[^]*run[^]*model[^]*check[^]*init/],
    [['serve', '--help'], 0, /--device-ids N,N/],
    [['help', 'serve'], 0, /--device-ids N,N/],
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
  ])('%j prints to stdout', async (args, code, text) => {
    expect(await mserve(...args)).toEqual({ code, stderr: '', stdout: expect.stringMatching(text) });
  });

  it.each([[['dance']], [['--loud']], [[]]])('%j ends with 2 and help on stderr', async (args) => {
    const { code, stdout, stderr } = await mserve(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/unknown command 'dance'|unknown option '--loud'|Usage: mserve/);
  });
});
