import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { differenceOf } from '../parity/mindir/comparison.js';
import { post } from '../support/clients.js';
import { distributedCases } from '../support/distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from '../support/distributed-server.js';
import { root, type RunningProcess, type ServerAddresses } from '../support/running-process.js';

/** Real agents that are killed and stopped while a client asks: right answers or an error that may be retried, and nothing hangs. bench/distributed-faults.mjs does more of it. */

const one = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'pipe2_tp2_4')!;
const body = JSON.stringify({ instances: [{ x0: nestedLists(one.inputs[0]![0]!) }] });
const expected = one.outputs[0]!;

let servable: CaseServable;
let server: RunningProcess & ServerAddresses;

beforeAll(async () => {
  servable = new CaseServable(one);
  server = await servable.serve('--default-deadline-ms', '60000');
}, 60_000);

afterAll(async () => {
  await server.stop();
  servable.remove();
});

/** Process ids of the agents, by rank. */
function agents(): number[] {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(server.child.pid)], { encoding: 'utf8' }).split('\n');
  const pids: number[] = [];
  for (const line of lines) {
    const found = /^\s*(\d+) .*--rank (\d+) /.exec(line);
    if (found !== null) pids[Number(found[2])] = Number(found[1]);
  }
  return pids;
}

/** undefined for a right answer, else the status. */
async function ask(): Promise<string | undefined> {
  const { status, body: answer } = await post(server.rest, '/model/net:predict', body);
  if (status !== 200) return `status ${status}`;
  const [instance] = (answer as { instances: Record<string, unknown>[] }).instances;
  return differenceOf([tensorOfLists(instance?.['output_0'], expected[0]!.dtype)], expected, one.tolerance);
}

describe.each<[NodeJS.Signals, number[]]>([
  ['SIGKILL', [0, 3]],
  ['SIGSTOP', [1]],
])('agents that get %s', (signal, ranks) => {
  it.each(ranks)(
    'rank %i: requests wait for it to come back, and are right',
    async (rank) => {
      expect(await ask()).toBeUndefined();
      const before = agents();
      const asked = [ask(), ask()];
      process.kill(before[rank]!, signal);
      asked.push(ask(), ask());
      // A batch that is lost twice fails with a code that clients may retry
      expect((await Promise.all(asked)).filter((outcome) => outcome !== undefined && outcome !== 'status 503')).toEqual([]);
      expect(await ask()).toBeUndefined();
      const after = agents();
      expect(after.map((pid, index) => pid === before[index])).toEqual([0, 1, 2, 3].map((index) => index !== rank));
    },
    60_000,
  );
});

it('agents end when the server that started them is killed', async () => {
  const started = agents();
  expect(started).toHaveLength(4);
  await server.stop('SIGKILL');
  const isThere = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  while (started.some(isThere)) await new Promise((resolve) => setTimeout(resolve, 50));
}, 60_000);
