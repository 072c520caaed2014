import { execFileSync } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { State } from '@mserve/ops';
import { differenceOf } from '../parity/mindir/comparison.js';
import { post } from '../support/clients.js';
import { command } from '../support/command.js';
import { distributedCases } from '../support/distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from '../support/distributed-server.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { root, startProcess, type RunningProcess } from '../support/running-process.js';

/** Worker and agents started apart: over the distributed address, and over NATS. */

const one = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'mlp_tp_2')!;
const mserve = join(root, 'apps/server/bin/mserve.mjs');
const files = [
  ...['--model-files', join(one.folder, 'rank_{rank}.mindir')],
  ...['--group-config-files', join(one.folder, 'group_config_{rank}.pb')],
];

const running: RunningProcess[] = [];
let servable: CaseServable | undefined;
let nats: NatsServer | undefined;

afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  servable?.remove();
  await nats?.stop();
  [servable, nats] = [undefined, undefined];
});

function start(...args: readonly string[]): RunningProcess {
  const child = startProcess(process.execPath, args);
  running.push(child);
  return child;
}

function startWorker(...args: readonly string[]): RunningProcess {
  servable ??= new CaseServable(one);
  const ports = ['--rest', '127.0.0.1:0', '--grpc', '', '--json'];
  const table = ['--servable', 'net', '--rank-table', join(one.folder, 'rank_table.json')];
  return start(mserve, 'distributed', 'start', servable.directory, ...table, ...ports, ...args);
}

async function outcome(worker: RunningProcess): Promise<string | undefined> {
  const { rest } = JSON.parse(await worker.line((line) => line.startsWith('{"rest"'))) as { rest: string };
  const { status, body } = await post(rest, '/model/net:predict', JSON.stringify({ instances: [{ x0: nestedLists(one.inputs[0]![0]!) }] }));
  if (status !== 200) return JSON.stringify(body);
  const [instance] = (body as { instances: Record<string, unknown>[] }).instances;
  const expected = one.outputs[0]!;
  return differenceOf([tensorOfLists(instance?.['output_0'], expected[0]!.dtype)], expected, one.tolerance);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function childrenOf({ child }: RunningProcess): string {
  return execFileSync('ps', ['-o', 'pid=', '--ppid', String(child.pid)], { encoding: 'utf8' });
}

describe('mserve distributed start and agents', () => {
  it('meet at the distributed address, in any order; agents keep their models when the worker is killed, for the next one', async () => {
    const address = ['--distributed-address', `127.0.0.1:${await freePort()}`];
    const agents = start(mserve, 'distributed', 'agents', ...address, ...files, '--agent-port', '0');
    const first = startWorker(...address);
    expect(await outcome(first)).toBeUndefined();
    const before = childrenOf(agents);
    await first.stop('SIGKILL');
    const second = startWorker(...address);
    expect(await outcome(second)).toBeUndefined();
    expect(childrenOf(agents)).toBe(before);
  }, 90_000);

  it('says how many agents are there when they do not come in time', async () => {
    const worker = startWorker('--distributed-address', '127.0.0.1:0', '--wait-agents-ms', '300');
    const text = 'Failed to wait for ready of all agents, current agents count: 0, rank size: 2';
    await worker.line((line) => line.startsWith('mserve: ') && line.includes(text));
    expect(await worker.stop()).toBe(1);
  }, 60_000);
});

describe('agents as apps of a fleet', () => {
  it('join over NATS', async () => {
    nats = await startNatsServer();
    const worker = startWorker('--bus', nats.url, '--ops', '127.0.0.1:0');
    for (const rank of [0, 1])
      start(
        join(root, 'apps/agent/dist/main.js'),
        ...['--bus', nats.url, '--servables', 'net:1', '--rank', String(rank), '--rank-size', '2', ...files],
      );
    expect(await outcome(worker)).toBeUndefined();
    const { ops } = JSON.parse(await worker.line((line) => line.startsWith('{"rest"'))) as { ops: string };
    const { processes } = (await (await fetch(`http://${ops}/state`)).json()) as State;
    const agents = processes.filter(({ role }) => role === 'agent');
    expect(agents.map(({ holds }) => holds).sort()).toEqual(['net rank 0', 'net rank 1']);
    expect(agents.map(({ report }) => report?.pid).sort()).toEqual(
      running
        .slice(1)
        .map(({ child }) => child.pid)
        .sort(),
    );
  }, 90_000);
});

describe('an agent that comes late with another model', () => {
  it('is not used; one with the same files is', async () => {
    const address = ['--distributed-address', `127.0.0.1:${await freePort()}`];
    const startRank = (rank: number, model: string): RunningProcess =>
      start(
        join(root, 'apps/agent/dist/main.js'),
        ...[...address, '--servables', 'net', '--rank', String(rank), '--rank-size', '2', '--model-files', model],
      );
    const worker = startWorker(...address);
    const agents = [0, 1].map((rank) => startRank(rank, join(one.folder, `rank_${rank}.mindir`)));
    expect(await outcome(worker)).toBeUndefined();
    await agents[1]!.stop('SIGKILL');
    const stranger = startRank(1, join(one.folder, 'rank_0.mindir'));
    await worker.line((line) => line.includes('the agent of rank 1 has another model than the one before it: it is not used'));
    const asked = outcome(worker);
    await stranger.stop('SIGKILL');
    startRank(1, join(one.folder, 'rank_1.mindir'));
    expect(await asked).toBeUndefined();
  }, 90_000);
});

describe('an agent that cannot use its settings', () => {
  it('is not started again, and who started it hears why', async () => {
    const supervisor = join(root, 'apps/server/dist/distributed/agent-supervisor.js');
    const script = [
      `import { AgentSupervisor } from ${JSON.stringify(supervisor)};`,
      `const log = { error: (_fields, text) => console.log(text), warn() {}, info() {}, debug() {} };`,
      `const agents = new AgentSupervisor([{ rank: 3, flags: ['--servables', 'net', '--rank', '3', '--rank-size', '2'] }], { log });`,
      `const { name, message } = await agents.unfit;`,
      `console.log(name + ': ' + message + ', ' + agents.pids.filter(Boolean).length + ' run');`,
      `await agents.close();`,
    ].join('\n');
    const { code, stdout, stderr } = await command(process.execPath, ['--input-type=module', '-e', script]);
    const text = 'the agent of rank 3 cannot use its settings and is not started again';
    expect({ code, lines: stdout.trim().split('\n') }).toEqual({ code: 0, lines: [text, `ConfigError: ${text}, 0 run`] });
    expect(stderr).toContain('--rank must be less than --rank-size, which is 2, but is 3');
  }, 60_000);
});
