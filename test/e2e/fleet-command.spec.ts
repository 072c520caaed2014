import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { askFleet } from '../../apps/server/src/fleet/control-port.js';
import type { ProcessStatus } from '../../apps/server/src/fleet/fleet.js';
import { grpcClient, post } from '../support/clients.js';
import { mserve } from '../support/command.js';
import { findNatsCommand } from '../support/nats-command.js';
import { root, startProcess, type RunningProcess } from '../support/running-process.js';
import { servableDirectory, writeTurnsServable } from '../support/servables.js';
import { SteadyLoad } from '../support/steady-load.js';

const servables = servableDirectory();
const state = mkdtempSync(join(tmpdir(), 'mserve-fleet-'));
const socket = join(state, 'fleet.sock');
const natsCommand = findNatsCommand();
const names = ['nats-server', 'gateway-1', 'gateway-2', 'scheduler-1', 'scheduler-2', 'worker-1', 'worker-2'];

/** As nats micro tells it. */
interface MicroService {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly description: string;
  readonly endpoints: readonly { readonly name: string; readonly num_requests?: number }[];
}

interface Ready {
  readonly rest: string;
  readonly grpc: string;
  readonly ops: string;
  readonly docs: string;
  readonly servables: readonly unknown[];
  readonly failed: readonly unknown[];
}

async function processes(): Promise<readonly ProcessStatus[]> {
  return (await askFleet(socket, { do: 'status' }, () => undefined)).processes ?? [];
}

async function processOf(name: string): Promise<ProcessStatus> {
  return (await processes()).find((one) => one.name === name) as ProcessStatus;
}

/** Resolves when the process was restarted so often, and does its work. */
async function untilRestarted(name: string, restarts: number): Promise<void> {
  for (;;) {
    const one = await processOf(name);
    if (one.restarts >= restarts && one.ready === true) return;
    await sleep(50);
  }
}

function infer(rest: string, n: number): ReturnType<typeof post> {
  const tensor = (name: string, value: number): unknown => ({ name, datatype: 'FP32', shape: [1, 2], data: [value, 0.5] });
  return post(rest, '/v2/models/turns/infer', JSON.stringify({ inputs: [tensor('x1', n), tensor('x2', 3)] }), { connection: 'close' });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('mserve fleet', () => {
  let fleet: RunningProcess;
  let ready: Ready;
  const said = (text: string): Promise<string> => fleet.line((line) => line.includes(text));

  beforeAll(async () => {
    writeTurnsServable(servables.path, [1]);
    const flags = ['--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--ops', '127.0.0.1:0', '--drain-delay-ms', '500', '--json'];
    // On a busy machine who lives may be silent for long, and who starts may take long
    const patience = ['--worker-lost-ms', '10000', '--unavailable-grace-ms', '60000', '--unresponsive-ms', '3000'];
    const command = ['apps/server/bin/mserve.mjs', 'fleet', servables.path, '--state-directory', state, ...flags, ...patience];
    fleet = startProcess(process.execPath, command);
    ready = JSON.parse(await fleet.line((line) => line.startsWith('{"rest"'))) as Ready;
  }, 180_000);
  afterAll(async () => {
    await fleet?.stop();
    servables.remove();
    rmSync(state, { recursive: true, force: true });
  }, 60_000);

  it('says where it serves what, over REST and gRPC', async () => {
    expect(ready).toMatchObject({ servables: [{ servable: 'turns', version: 1, methods: ['predict'] }], failed: [] });
    expect(ready.docs).toBe(`http://${ready.rest}/docs`);
    expect(await infer(ready.rest, 4)).toMatchObject({ status: 200, body: { outputs: [{ data: [7, 1] }] } });
    const client = grpcClient('oip', ready.grpc);
    expect(await client.call('ServerReady', {})).toMatchObject({ ready: true });
    client.close();
  });

  it('keeps its logins and its socket to itself', () => {
    const modes = readdirSync(state, { recursive: true, encoding: 'utf8' }).map((name) => [name, statSync(join(state, name)).mode & 0o077]);
    expect(modes.length).toBeGreaterThan(10);
    expect(modes.filter(([name, mode]) => mode !== 0 && name !== 'users')).toEqual([]);
    expect(statSync(state).mode & 0o077).toBe(0);
  });

  it('tells its processes, each with its operations port', async () => {
    const { code, stdout } = await mserve('fleet', 'status', '--state-directory', state);
    expect([code, stdout.split('\n').map((line) => line.split(/\s+/)[0])]).toEqual([0, ['PROCESS', ...names, '']]);
    const told = await processes();
    expect(told).toMatchObject(names.map((name) => ({ name, state: 'running', ready: true, restarts: 0, crashLoop: false })));
    const ports = told.flatMap(({ ops }) => ops ?? []);
    expect(new Set(ports).size).toBe(names.length - 1);
    expect(ports[0]).toBe(ready.ops);
    for (const port of ports) expect((await fetch(`http://${port}/readyz`)).status).toBe(200);
  });

  const noNats = natsCommand === undefined ? ' (skipped: no nats command in PATH or in the folder of our nats-server)' : '';
  (noNats === '' ? it : it.skip)(`is what nats micro ls, info and stats show${noNats}`, async () => {
    const micro = async <T>(...args: readonly string[]): Promise<T> => {
      const [, listen = ''] = /^listen: "(.*)"$/m.exec(readFileSync(join(state, 'nats.conf'), 'utf8')) ?? [];
      const login = ['--nkey', join(state, 'users/operator.nk'), '--inbox-prefix', 'mserve.inbox.operator'];
      const command = ['--server', `nats://${listen}`, ...login, 'micro', ...args, '--json'];
      // The servers and logins that this user has set up are not asked
      const { stdout } = await promisify(execFile)(natsCommand as string, command, { env: { ...process.env, XDG_CONFIG_HOME: state } });
      return JSON.parse(stdout) as T;
    };
    await infer(ready.rest, 4);
    let all: readonly MicroService[] = [];
    // It gives up on who does not answer soon
    while (all.length < names.length - 1) all = await micro('ls');
    expect(all.map(({ name, id }) => `${name} ${id.replace(/-[0-9a-f]{8}$/, '')}`).sort()).toEqual(
      ['gateway', 'scheduler', 'worker'].flatMap((role) => [`mserve-${role} ${role}-1`, `mserve-${role} ${role}-2`]),
    );
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(new Set(all.map((one) => one.version))).toEqual(new Set([version]));
    const { info } = await micro<{ info: MicroService }>('info', 'mserve-scheduler');
    expect([info.description, info.endpoints.map(({ name }) => name)]).toEqual([
      'scheduler of an mserve fleet',
      expect.arrayContaining(['tickets', 'receipts', 'catalog-list']),
    ]);
    const workers = await micro<readonly MicroService[]>('stats', 'mserve-worker');
    const asked = workers.flatMap(({ endpoints }) => endpoints.filter(({ name }) => name === 'assignments'));
    expect(asked.reduce((sum, { num_requests: requests = 0 }) => sum + requests, 0)).toBeGreaterThan(0);
  });

  it('is there once: a second start in its state directory is refused', async () => {
    const { code, stderr } = await mserve('fleet', servables.path, '--state-directory', state);
    expect([code, stderr]).toEqual([
      1,
      `mserve: a fleet runs already with the state directory ${state}: --state-directory names another one\n`,
    ]);
  });

  it('nobody sees one of two schedulers, workers, or nats-server killed, and each is started again', async () => {
    const load = new SteadyLoad([ready.rest], 16);
    try {
      for (const name of ['worker-1', 'scheduler-1', 'nats-server']) {
        await load.until(1, 100);
        const { pid } = await processOf(name);
        process.kill(pid as number, 'SIGKILL');
        expect(await said(`${name} has ended and is started again`)).toMatch(
          new RegExp(`process=${name} processId=${pid} signal=SIGKILL againInMs=200$`),
        );
        await untilRestarted(name, 1);
        await load.until(1, 100);
      }
    } finally {
      expect((await load.stop()).wrong).toEqual([]);
    }
  }, 180_000);

  it('kills what is frozen, and starts it again; nobody sees it', async () => {
    const load = new SteadyLoad([ready.rest], 16);
    try {
      for (const name of ['worker-2', 'scheduler-2', 'nats-server']) {
        await load.until(1, 100);
        const { pid, restarts } = await processOf(name);
        process.kill(pid as number, 'SIGSTOP');
        expect(await said(`processId=${pid} silentMs=`)).toMatch(new RegExp(`${name} does not answer \\(it is stopped\\) and is killed`));
        expect(await said(`processId=${pid} signal=SIGKILL`)).toContain(`${name} has ended and is started again`);
        await untilRestarted(name, restarts + 1);
        await load.until(1, 100);
      }
    } finally {
      expect((await load.stop()).wrong).toEqual([]);
    }
  }, 180_000);

  it('the other gateway takes what comes while one is away', async () => {
    const { pid } = await processOf('gateway-1');
    process.kill(pid as number, 'SIGKILL');
    await said('gateway-1 has ended and is started again');
    let isBack = false;
    const back = untilRestarted('gateway-1', 1).then(() => (isBack = true));
    for (let n = 0; !isBack; n++)
      expect(await infer(ready.rest, n)).toMatchObject({ status: 200, body: { outputs: [{ data: [n + 3, 1] }] } });
    await back;
    const ports = (await processes()).filter(({ kind }) => kind === 'gateway').map(({ ops }) => ops);
    for (let n = 0; n < 8; n++) await infer(ready.rest, n);
    for (const port of ports)
      expect(await (await fetch(`http://${port}/metrics`)).text()).toMatch(/mserve_gateway_requests_answered_total [1-9]/);
  }, 180_000);

  it('a restart of everything, one after the other, loses nothing', async () => {
    const before = await processes();
    const load = new SteadyLoad([ready.rest], 16);
    const steps: string[] = [];
    try {
      await load.until(1, 100);
      expect(await askFleet(socket, { do: 'restart' }, (step) => steps.push(step))).toEqual({ done: true });
      await load.until(1, 100);
    } finally {
      expect((await load.stop()).wrong).toEqual([]);
    }
    expect(steps.map((step) => step.replace(' is restarted', '')).sort()).toEqual([...names].sort());
    const after = await processes();
    expect(after).toMatchObject(names.map((name) => ({ name, ready: true })));
    expect(after.filter(({ pid }, i) => pid === before[i]?.pid)).toEqual([]);
  }, 240_000);

  it('drains a process by name, and starts it again', async () => {
    expect(await askFleet(socket, { do: 'drain', name: 'worker-2' }, () => undefined)).toEqual({ done: true });
    expect(await processOf('worker-2')).toMatchObject({ state: 'drained' });
    expect(await infer(ready.rest, 1)).toMatchObject({ status: 200 });
    await askFleet(socket, { do: 'restart', name: 'worker-2' }, () => undefined);
    expect(await processOf('worker-2')).toMatchObject({ state: 'running', ready: true });
    await expect(askFleet(socket, { do: 'drain', name: 'worker-9' }, () => undefined)).rejects.toThrow(
      `there is no process 'worker-9'; there are ${names.join(', ')}`,
    );
  }, 120_000);

  it('ends with Ctrl+C in the right order, and leaves no process and no file', async () => {
    const pids = (await processes()).map(({ pid }) => pid as number);
    expect(await fleet.stop('SIGINT')).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(readdirSync(state)).toEqual([]);
    const ends = fleet
      .output()
      .slice(fleet.output().lastIndexOf('asked to end'))
      .split('\n')
      .flatMap((line) => /(\S+)-?\d? has ended/.exec(line)?.[1] ?? []);
    expect(ends.map((name) => name.replace(/-\d$/, ''))).toEqual([
      'gateway',
      'gateway',
      'scheduler',
      'scheduler',
      'worker',
      'worker',
      'nats-server',
    ]);
    const { code, stderr } = await mserve('fleet', 'status', '--state-directory', state);
    expect([code, stderr]).toEqual([1, expect.stringContaining('no fleet runs there')]);
  }, 60_000);
});

describe('Ctrl+C of mserve fleet', () => {
  it('begins to drain, a second time ends everything at once, and a third time changes nothing', async () => {
    const own = mkdtempSync(join(tmpdir(), 'mserve-fleet-'));
    const directory = servableDirectory();
    writeTurnsServable(directory.path, [1]);
    const flags = [
      '--rest',
      '127.0.0.1:0',
      '--grpc',
      '127.0.0.1:0',
      '--ops=',
      '--drain-delay-ms',
      '600000',
      '--grace-ms',
      '900000',
      '--json',
    ];
    const fleet = startProcess(process.execPath, [
      ...['apps/server/bin/mserve.mjs', 'fleet', directory.path, '--state-directory', own],
      ...['--gateways', '1', '--schedulers', '1', '--workers', '1', ...flags],
    ]);
    try {
      const { rest } = JSON.parse(await fleet.line((line) => line.startsWith('{"rest"'))) as Ready;
      // Of a gateway that was never asked nobody may be on his way
      expect(await infer(rest, 1)).toMatchObject({ status: 200 });
      const { processes: running = [] } = await askFleet(join(own, 'fleet.sock'), { do: 'status' }, () => undefined);
      const pids = running.map(({ pid }) => pid as number);
      fleet.child.kill('SIGINT');
      await fleet.line((line) => line.includes('asked to end: gateways first'));
      while ((await fetch(`http://${rest}/v2/health/ready`)).status === 200);
      // It still takes what comes, and everything runs
      expect(await infer(rest, 2)).toMatchObject({ status: 200 });
      expect(pids.filter(isAlive)).toEqual(pids);
      // Signals of less than half a second after the first one are the first one
      while (fleet.child.exitCode === null && fleet.child.signalCode === null) {
        fleet.child.kill('SIGINT');
        await sleep(20);
      }
      expect([await fleet.stop(), fleet.child.signalCode]).toEqual([1, null]);
      while (pids.some(isAlive)) await sleep(20);
      expect(readdirSync(own)).toEqual([]);
    } finally {
      fleet.child.kill('SIGKILL');
      rmSync(own, { recursive: true, force: true });
      directory.remove();
    }
  }, 180_000);
});

describe('mserve fleet with a servable that no worker survives', () => {
  it('sets it aside by name when two have ended of it, and serves the others', async () => {
    const own = mkdtempSync(join(tmpdir(), 'mserve-fleet-'));
    const directory = servableDirectory();
    writeTurnsServable(directory.path, [1]);
    mkdirSync(join(directory.path, 'killer', '3'), { recursive: true });
    writeFileSync(join(directory.path, 'killer', 'servable_config.ts'), "process.kill(process.pid, 'SIGABRT');\n");
    const flags = ['--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--ops', '127.0.0.1:0', '--drain-delay-ms', '0', '--json'];
    const fleet = startProcess(process.execPath, [
      ...['apps/server/bin/mserve.mjs', 'fleet', directory.path, '--state-directory', own],
      ...['--gateways', '1', '--schedulers', '1', '--workers', '1', ...flags],
    ]);
    try {
      const { rest, servables: served, failed } = JSON.parse(await fleet.line((line) => line.startsWith('{"rest"'))) as Ready;
      expect(served).toMatchObject([{ servable: 'turns', version: 1 }]);
      const reason = /version 3 of servable 'killer' is set aside: 2 times a worker ended while it was being loaded/;
      expect(failed).toEqual([{ servable: 'killer', reason: expect.stringMatching(reason) }]);
      expect(await infer(rest, 4)).toMatchObject({ status: 200, body: { outputs: [{ data: [7, 1] }] } });
      const { processes: running = [] } = await askFleet(join(own, 'fleet.sock'), { do: 'status' }, () => undefined);
      const worker = running.find(({ kind }) => kind === 'worker');
      expect(worker).toMatchObject({ restarts: 2, ready: true, crashLoop: false });
      expect(await (await fetch(`http://${worker?.ops}/metrics`)).text()).toContain(
        'mserve_worker_replicas_set_aside{servable="killer",version="3"} 1\n',
      );
      expect(fleet.output()).toMatch(reason);
      expect(await fleet.stop()).toBe(0);
      expect(readdirSync(own)).toEqual([]);
    } finally {
      fleet.child.kill('SIGKILL');
      rmSync(own, { recursive: true, force: true });
      directory.remove();
    }
  }, 180_000);
});

describe('mserve fleet refuses', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-fleet-'));
  const old = join(folder, 'nats-server');
  writeFileSync(old, '#!/bin/sh\necho "nats-server: v2.9.1"\n', { mode: 0o755 });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['an unknown flag', ['--gateway', '3'], 2, "unknown flag '--gateway', did you mean '--gateways'?"],
    ['a number of workers', ['--workers', '0'], 2, '--workers must be a whole number from 1 to 256, but is 0'],
    ['a bus of its own', ['--bus', 'nats://h:4222'], 2, "unknown flag '--bus': it is a setting of gateway"],
    [
      'an old nats-server',
      ['--nats-server', old],
      78,
      `--nats-server names ${old}, which is version 2.9.1: nats-server 2.14 or newer is needed`,
    ],
    [
      'what is no nats-server',
      ['--nats-server', '/bin/true'],
      78,
      'which does not run as a nats-server: nats-server 2.14 or newer is needed',
    ],
    ['a socket file for gRPC', ['--grpc', 'unix:/tmp/x'], 78, '--grpc must be HOST:PORT for mserve fleet'],
    ['a state directory for everybody', ['--state-directory', tmpdir()], 78, 'others than its owner may look into it: chmod 700'],
    ['a directory without servables', ['--ops=', '--rest=127.0.0.1:0', '--grpc=127.0.0.1:0'], 1, 'there is no servable in'],
  ])(
    '%s',
    async (_, flags, code, text) => {
      const where = flags.includes('--state-directory') ? [] : ['--state-directory', join(folder, 'state')];
      const outcome = await mserve('fleet', folder, ...flags, ...where);
      expect(outcome.stderr).toContain(text);
      expect(outcome.code).toBe(code);
      expect(existsSync(join(folder, 'state/fleet.sock'))).toBe(false);
    },
    120_000,
  );
});
