import { execFileSync } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { differenceOf } from '../parity/mindir/comparison.js';
import { post } from '../support/clients.js';
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
    const worker = startWorker('--bus', nats.url);
    for (const rank of [0, 1])
      start(
        join(root, 'apps/agent/dist/main.js'),
        ...['--bus', nats.url, '--servables', 'net:1', '--rank', String(rank), '--rank-size', '2', ...files],
      );
    expect(await outcome(worker)).toBeUndefined();
  }, 90_000);
});
