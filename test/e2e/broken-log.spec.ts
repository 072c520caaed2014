import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from '@jest/globals';
import { encryptedBlock } from '../../libs/mindir/src/testing/encrypted-block.js';
import { post } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { folderObstacles } from '../support/read-only.js';
import { root, serveDirectory } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

/** Logs that cannot be written end nothing; and the log files of servables, what is in them and what never is. Those on a full disk are row 111 of faults/operations.spec.ts. */

const scratch = servableDirectory();
afterAll(() => scratch.remove());
const hasFull = existsSync('/dev/full');

mkdirSync(join(scratch.path, 'loud'));
writeFileSync(
  join(scratch.path, 'loud/servable_config.ts'),
  `import { addStage, registerMethod, type InputValue } from '@mserve/register';
function shout(x: InputValue) {
  console.log('a function prints');
  console.error('and on stderr');
  return x;
}
function fail(x: InputValue) {
  throw new Error('no luck');
  return x;
}
registerMethod(['y'], function predict(x) {
  return addStage(shout, x, { outputsCount: 1 });
});
registerMethod(['y'], function broken(x) {
  return addStage(fail, x, { outputsCount: 1 });
});
`,
);

/** A function prints, another fails, which is logged; then one works. */
async function useLog(rest: string): Promise<void> {
  const body = '{"instances":[{"x":1.5}]}';
  expect((await post(rest, '/model/loud:broken', body)).status).toBe(500);
  expect((await post(rest, '/model/loud:predict', body)).body).toEqual({ instances: [{ y: 1.5 }] });
}

async function metric(ops: string, name: string): Promise<number> {
  const text = await (await fetch(`http://${ops}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

/** Uses the log until so much is counted: writes fail a little after the line. Ends the process when that does not come to be. */
async function untilCounted({ child, rest, ops }: Started, name: string): Promise<void> {
  try {
    do await useLog(rest);
    while (!((await metric(ops, name)) > 1));
  } catch (thrown) {
    child.kill('SIGKILL');
    throw thrown;
  }
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('close', (code) => resolve(code)));

interface Started {
  readonly child: ChildProcess;
  readonly rest: string;
  readonly ops: string;
}

async function start(stdio: StdioOptions, ...flags: string[]): Promise<Started> {
  const args = [
    'apps/server/dist/main.js',
    'serve',
    scratch.path,
    '--servables',
    'loud',
    '--rest',
    '127.0.0.1:0',
    '--grpc',
    '',
    '--ops',
    '127.0.0.1:0',
  ];
  const child = spawn(process.execPath, [...args, '--json', ...flags], { cwd: root, stdio });
  const line = await new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once('line', resolve));
  return { child, ...(JSON.parse(line) as { rest: string; ops: string }) };
}

describe('a server whose console is gone', () => {
  it('goes on when nobody reads its stdout and stderr any more, and counts', async () => {
    const started = await start(['ignore', 'pipe', 'pipe'], '--log-level', 'debug');
    const { child } = started;
    child.stdout?.destroy();
    child.stderr?.destroy();
    await untilCounted(started, 'mserve_process_write_failures_total');
    const end = ended(child);
    child.kill('SIGTERM');
    expect(await end).toBe(0);
  });

  (hasFull ? it : it.skip)(
    `goes on when the disk under its stderr is full${hasFull ? '' : ' (skipped: there is no /dev/full)'}`,
    async () => {
      const full = openSync('/dev/full', 'w');
      const started = await start(['ignore', 'pipe', full]);
      const { child } = started;
      closeSync(full);
      await untilCounted(started, 'mserve_process_write_failures_total');
      const end = ended(child);
      child.kill('SIGTERM');
      expect(await end).toBe(0);
    },
  );

  (hasFull ? it : it.skip)(`so does an app of a fleet${hasFull ? '' : ' (skipped: there is no /dev/full)'}`, async () => {
    const full = openSync('/dev/full', 'w');
    const ops = `127.0.0.1:${await freePort()}`;
    // Nobody is there: that it waits for NATS is a line of its log
    const args = ['apps/scheduler/dist/main.js', '--bus', `nats://127.0.0.1:${await freePort()}`, '--ops', ops];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', full] });
    closeSync(full);
    const end = ended(child);
    let failures = 0;
    while (failures === 0 && child.exitCode === null) failures = await metric(ops, 'mserve_process_write_failures_total').catch(() => 0);
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await end).toBe(0);
  });
});

describe.each(folderObstacles)('log files of servables and $what', ({ missing, begin, end }) => {
  const lost = 'mserve_worker_serving_log_lines_lost_total';
  const skipped = missing === undefined ? '' : ` (skipped: ${missing})`;

  (missing === undefined ? it : it.skip).each([
    ['from the start', true],
    ['while it serves', false],
  ])(`%s: the server goes on, counts what is lost, says so once, and writes again${skipped}`, async (_when, isFromStart) => {
    const outer = mkdtempSync(join(tmpdir(), 'mserve-logs-'));
    const folder = join(outer, 'serving_logs');
    mkdirSync(folder);
    const written = (): string =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), 'utf8'))
        .join('');
    let isSpoiled = false;
    const spoil = (): void => {
      begin(folder);
      isSpoiled = true;
    };
    if (isFromStart) spoil();
    const started = await start(['ignore', 'pipe', 'pipe'], '--serving-logs', folder);
    const { child, rest, ops } = started;
    let told = '';
    child.stderr?.on('data', (text: Buffer) => (told += text.toString()));
    try {
      if (!isFromStart) {
        while (!written().includes('a function prints')) await useLog(rest);
        expect(await metric(ops, lost)).toBe(0);
        spoil();
      }
      await untilCounted(started, lost);
      end(folder);
      isSpoiled = false;
      const before = written().length;
      while (!written().slice(before).includes('a function prints')) await useLog(rest);
      const ending = ended(child);
      child.kill('SIGTERM');
      expect(await ending).toBe(0);
      expect(told.match(/log files of servables cannot be written/g)).toHaveLength(1);
    } finally {
      child.kill('SIGKILL');
      if (isSpoiled) end(folder);
      rmSync(outer, { recursive: true, force: true });
    }
  });
});

describe('--serving-logs', () => {
  it('writes what is said of a servable and what its functions print, never a key or a tensor', async () => {
    const folder = join(scratch.path, 'serving_logs');
    const directory = servableDirectory();
    const key = randomBytes(16);
    const keyFile = join(scratch.path, 'key');
    writeFileSync(keyFile, key);
    mkdirSync(join(directory.path, 'sealed/1'), { recursive: true });
    const model = readFileSync(join(root, 'test/parity/mindir/cases/lenet5/lenet.mindir'));
    writeFileSync(join(directory.path, 'sealed/1/model.mindir'), encryptedBlock('AES-GCM', key, model));
    writeFileSync(
      join(directory.path, 'sealed/servable_config.ts'),
      `import { addStage, declareModel, registerMethod, type InputValue } from '@mserve/register';
const model = declareModel({ modelFile: 'model.mindir', modelFormat: 'MindIR' });
function look(x: InputValue) {
  console.log('looking');
  return x;
}
registerMethod(['y'], function predict(x) {
  return addStage(model, addStage(look, x, { outputsCount: 1 }), { outputsCount: 1 });
});
`,
    );
    const flags = ['--serving-logs', folder, '--servables', 'sealed', '--dec-key-file', keyFile, '--log-level', 'debug'];
    const server = await serveDirectory(directory.path, flags);
    const value = 4711.25;
    const image = [Array.from({ length: 32 }, () => new Array<number>(32).fill(value))];
    expect((await post(server.rest, '/model/sealed:predict', JSON.stringify({ instances: [{ x: image }] }))).status).toBe(200);
    // Refused by the model, with another shape and another dtype
    for (const x of [[value, value], { b64: Buffer.from(String(value)).toString('base64') }])
      expect((await post(server.rest, '/model/sealed:predict', JSON.stringify({ instances: [{ x }] }))).status).toBe(400);
    expect(await server.stop()).toBe(0);
    directory.remove();
    expect(readdirSync(folder)).toEqual(['log_sealed_device0_version1.log']);
    const text = readFileSync(join(folder, 'log_sealed_device0_version1.log'), 'utf8');
    expect(text).toMatch(/^\[INFO\] SERVING\(\d+,\d+,mserve\):[-\d:.]+ \[sealed:1\] device 0\] replica is ready /m);
    expect(text).toMatch(/^looking$/m);
    const keyTexts = [key.toString('hex'), key.toString('base64'), key.toString('latin1'), [...key].join(',')];
    for (const secret of [String(value), ...keyTexts]) expect(`${text}${server.output()}`).not.toContain(secret);
  });
});
