import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostileModels, writeHostileServables } from '../../support/hostile-models.js';
import { doubleModel, onnxModel } from '../../support/onnx-model.js';
import { root } from '../../support/running-process.js';
import { mserve } from '../../support/command.js';
import { servableDirectory, writeEchoServable } from '../../support/servables.js';
import { FaultServer } from './fault-server.js';
import { faultTable, type FaultRow } from './fault-table.js';

const method = "registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });\n";
const imports = "import { addStage, declareModel, registerMethod } from '@mserve/register';\n";
const onnx = `${imports}const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX' });\n${method}`;
const mindir = `${imports}const model = declareModel({ modelFile: 'net.mindir', modelFormat: 'MindIR', withBatchDim: false });\n${method}`;
const om = `${imports}const model = declareModel({ modelFile: 'model.om', modelFormat: 'OM' });\n${method}`;
const sealed = join(root, 'libs/mindir/test-cases/sealed');

function writeServable(directory: string, name: string, config: string, files: Readonly<Record<string, Uint8Array>> = {}): void {
  mkdirSync(join(directory, name, '1'), { recursive: true });
  writeFileSync(join(directory, name, 'servable_config.ts'), config);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(directory, name, '1', file), bytes);
}

/** Bytes of a model with one bit of every 50th turned. */
function flipped(model: Uint8Array): Uint8Array {
  return model.map((byte, i) => (i % 50 === 13 ? byte ^ 0x10 : byte));
}

/** Beside the hostile models: links that lead out, models of other formats that are damaged, and configs that misbehave. */
function write(directory: string): void {
  writeEchoServable(directory);
  writeHostileServables(directory);
  const outside = servableDirectory();
  writeServable(outside.path, 'away', onnx, { 'model.onnx': doubleModel() });
  symlinkSync(join(outside.path, 'away'), join(directory, 'away'));
  mkdirSync(join(directory, 'half_away'), { recursive: true });
  writeFileSync(join(directory, 'half_away', 'servable_config.ts'), onnx);
  symlinkSync(join(outside.path, 'away', '1'), join(directory, 'half_away', '1'));
  writeServable(directory, 'flipped', onnx, { 'model.onnx': flipped(doubleModel()) });
  const net = readFileSync(join(sealed, 'ncf_split', '..', 'cbam_gcm16', 'net.mindir'));
  writeServable(directory, 'mindir_empty', mindir, { 'net.mindir': new Uint8Array(0) });
  writeServable(directory, 'mindir_noise', mindir, { 'net.mindir': net.subarray(2000) });
  writeServable(directory, 'mindir_locked', mindir, { 'net.mindir': net });
  writeServable(directory, 'om', om, { 'model.om': net });
  writeServable(directory, 'throws', `${imports}throw new Error('no servable today');`);
  writeServable(directory, 'exits', `${imports}process.exit(3);`);
  writeServable(directory, 'no_config', 'export const nothing = 1;');
}

const numbers: Readonly<Record<string, string>> = {
  nothing: '79a',
  pipe: '79b',
  folder: '79c',
  device: '79d',
  data_pipe: '79e',
  linked: '78',
  noise: '81a',
  zeros: '81b',
  short: '81c',
  up: '82a',
  absolute: '82b',
  data_pointed: '82c',
  data_linked: '83',
  operator: '86a',
  opset: '86b',
  huge: '87',
};

/** The answer to a request for a servable that was not loaded for this reason. The reason may name files: it is for the operator. */
const notLoaded =
  (name: string, reason: RegExp) =>
  async (server: FaultServer): Promise<string> => {
    const said = server.ready.failed.find(({ servable }) => servable === name)?.reason ?? 'it is served';
    if (!reason.test(said)) return `${name}: ${said}`;
    return server.infer(name, 'FP32', '[1,4]', '[1,2,3,4]');
  };
const gone = /^404 /;

const files: readonly FaultRow[] = [
  ...Object.entries(hostileModels).map(([name, [, reason]]): FaultRow => {
    return [numbers[name] ?? '81', `the model of ${name}`, notLoaded(name, reason), gone];
  }),
  ['77a', 'a folder of a servable that is a link out of the directory', notLoaded('away', /is a link that leads out/), gone],
  ['77b', 'a folder of a version that is a link out of the directory', notLoaded('half_away', /leads out/), gone],
  ['81d', 'an ONNX file with bits turned', notLoaded('flipped', /./), gone],
  ['81e', 'an empty MindIR file', notLoaded('mindir_empty', /empty/), gone],
  ['81f', 'a MindIR file without its beginning', notLoaded('mindir_noise', /MindIR/i), gone],
  ['81g', 'an OM file on a machine without Ascend', notLoaded('om', /./), gone],
  ['88a', 'an encrypted file without a key', notLoaded('mindir_locked', /encrypted.*key|key.*encrypted/), gone],
  ['89a', 'a config that throws', notLoaded('throws', /import throws.servable_config failed, .*no servable today/), gone],
  ['89b', 'a config that exits', notLoaded('exits', /import exits.servable_config failed, .*exit/), gone],
  ['89c', 'a config that registers nothing', notLoaded('no_config', /./), gone],
];

const endless = (server: FaultServer, times: bigint, timeoutMs: number): Promise<string> =>
  server.infer('endless', 'INT64', '[]', `[${times}]`, `"parameters":{"timeout":${timeoutMs * 1000}},`);

const runs: readonly FaultRow[] = [
  [
    '89d',
    'a config that loops',
    async () => {
      const directory = servableDirectory();
      writeServable(directory.path, 'loops', `${imports}for (;;);`);
      const ports = ['--rest', '127.0.0.1:0', '--grpc', '', '--ops', ''];
      // It ends of itself, so its thread has ended
      const { code, stderr } = await mserve('serve', directory.path, '--servables', 'loops', '--config-timeout-ms', '1000', ...ports);
      directory.remove();
      return `${code} ${stderr.match(/import loops.*/)?.[0] ?? stderr}`;
    },
    /^1 import loops.servable_config failed, it was not loaded within 1000 ms/,
  ],
  [
    '84',
    'a run that asks for 64 TiB',
    async (server) => {
      const greedy = (count: string): Promise<string> => server.infer('greedy', 'INT64', '[1]', `[${count}]`);
      const refused = await greedy('17592186044416');
      return `${refused} then ${(await greedy('5')).slice(0, 3)}`;
    },
    /^400 .*Predict Failed, Non-zero status code returned while running ConstantOfShape.* then 200$/,
    'the client chose the size; ONNX Runtime does not say whose fault it was, and the worker lives on',
  ],
  [
    '85',
    'a run that never ends',
    async (server) => {
      const late = await endless(server, 2n ** 62n, 400);
      return `${late.slice(0, 3)} then ${(await endless(server, 3n, 30_000)).slice(0, 3)}`;
    },
    /^504 then 200$/,
  ],
  [
    '80',
    'model files that are swapped for a link again and again',
    async () => {
      const directory = servableDirectory();
      const outside = servableDirectory();
      const other = join(outside.path, 'other.onnx');
      const shape = ['n', 2];
      writeFileSync(
        other,
        onnxModel({
          inputs: [{ name: 'x', dtype: 'float32', shape }],
          outputs: [{ name: 'y', dtype: 'float32', shape }],
          nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
        }),
      );
      const names = Array.from({ length: 10 }, (_, n) => `swapped_${n}`);
      for (const name of names) writeServable(directory.path, name, onnx, { 'model.onnx': doubleModel(), 'good.onnx': doubleModel() });
      writeEchoServable(directory.path);
      const paths = names.map((name) => join(directory.path, name, '1'));
      const swapper = spawn(process.execPath, ['-e', swap, other, ...paths], { stdio: 'ignore' });
      try {
        const server = await FaultServer.start(directory.path);
        try {
          const answers = await Promise.all(names.map((name) => server.infer(name, 'FP32', '[1,2]', '[1,2]')));
          const wrong = answers.filter((answer) => !/^404 /.test(answer) && !/^200 .*"data":\[2(\.0)?,4(\.0)?\]/.test(answer));
          return wrong[0] ?? 'the good file or none';
        } finally {
          await server.stop();
        }
      } finally {
        swapper.kill();
        directory.remove();
        outside.remove();
      }
    },
    /^the good file or none$/,
  ],
];

/** In turns, each model is a plain file and a link to another model outside. */
const swap = `
const { copyFileSync, renameSync, symlinkSync, rmSync } = require('node:fs');
const [other, ...folders] = process.argv.slice(1);
for (let n = 0; ; n++)
  for (const folder of folders) {
    const next = folder + '/next';
    rmSync(next, { force: true });
    if (n % 2 === 0) symlinkSync(other, next);
    else copyFileSync(folder + '/good.onnx', next);
    renameSync(next, folder + '/model.onnx');
  }
`;

/** Starts a server with the encrypted model of a case and this key; what its operator reads, without the paths. The key must not be there. */
async function startWithKey(name: string, key: Uint8Array, settings: object, cut = false): Promise<string> {
  const directory = servableDirectory();
  try {
    writeServable(directory.path, 'locked', mindir);
    const file = join(directory.path, 'locked', '1', 'net.mindir');
    copyFileSync(join(sealed, name, 'net.mindir'), file);
    if (cut) truncateSync(file, 1000);
    writeEchoServable(directory.path);
    const keyFile = join(directory.path, 'key');
    writeFileSync(keyFile, key);
    const said = await FaultServer.start(directory.path, { servables: ['locked', 'echo'], decKeyFile: keyFile, ...settings }).then(
      async (server) => {
        await server.stop();
        return server.ready.failed[0]?.reason ?? 'served';
      },
      (error: Error) => error.message,
    );
    if (said.includes(Buffer.from(key).toString('latin1')) || said.includes(Buffer.from(key).toString('hex'))) return 'tells the key';
    const lines = said.split('\n').map((line) => line.replaceAll(directory.path, 'D').trim());
    return (
      lines.find((line) => /key|decrypt|encrypt|MindIR/i.test(line) && !/^(at|throw) /.test(line))?.replaceAll(/\S*\/\S*/g, '') ?? said
    );
  } finally {
    directory.remove();
  }
}
const keyOf = (name: string): Uint8Array =>
  Buffer.from((JSON.parse(readFileSync(join(sealed, name, 'case.json'), 'utf8')) as { key_hex: string }).key_hex, 'hex');
const wrong = (name: string): Uint8Array => keyOf(name).map((byte) => byte ^ 1);

const keys: readonly FaultRow[] = [
  ['88b', 'a wrong key of 16 bytes', () => startWithKey('cbam_gcm16', wrong('cbam_gcm16'), {}), /key/],
  ['88c', 'a wrong key of 24 bytes', () => startWithKey('cbam_cbc24', wrong('cbam_cbc24'), {}), /key/],
  ['88d', 'a wrong key of 32 bytes', () => startWithKey('cbam_gcm32', wrong('cbam_gcm32'), {}), /key/],
  ['88e', 'a key of 15 bytes', () => startWithKey('cbam_gcm16', Buffer.from('fifteen letters'), {}), /key file .*15 bytes/],
  ['88f', 'AES-CBC asked for, AES-GCM found', () => startWithKey('cbam_gcm16', keyOf('cbam_gcm16'), { decMode: 'AES-CBC' }), /AES|mode/],
  ['88g', 'a file that is cut off', () => startWithKey('cbam_gcm16', keyOf('cbam_gcm16'), {}, true), /./],
  ['88h', 'the right key', () => startWithKey('cbam_gcm16', keyOf('cbam_gcm16'), {}), /^served$/],
];

faultTable('model files', {}, files, write);
faultTable('runs of models', {}, runs, write);
faultTable('keys', {}, keys);
