import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { Tensor } from '@mserve/wire';
import { post } from '../support/clients.js';
import { distributedCases } from '../support/distributed-cases.js';
import { CaseServable } from '../support/distributed-server.js';
import { root } from '../support/running-process.js';

/** Rows of many clients through a distributed model with a batch dim: each gets the answer to its own, whether its author vouches for the rows or not. */

const whole = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'mlp_tp_2')!;
const one = { ...whole, withBatchDim: true };

function rowsOf({ shape: [rows = 0, width = 0], bytes }: Tensor): number[][] {
  const values = Array.from(new Float32Array(new Uint8Array(bytes).buffer));
  return Array.from({ length: rows }, (_, row) => values.slice(row * width, (row + 1) * width));
}

const rows = whole.inputs.flatMap((inputs, set) => {
  const expected = rowsOf(whole.outputs[set]![0]!);
  return rowsOf(inputs[0]!).map((input, row) => ({ input, expected: expected[row]! }));
});

function isRight(given: readonly number[], wanted: readonly number[]): boolean {
  const { atol, rtol } = whole.tolerance;
  return given.length === wanted.length && wanted.every((value, at) => Math.abs(value - given[at]!) <= atol + rtol * Math.abs(value));
}

describe.each([
  ['unproven rows run one at a time', undefined, 'alone'],
  ["rows that batching: 'trust' vouches for share runs", 'trust', 'shared'],
])('%s', (_, batching, how) => {
  it('and every client gets its own row', async () => {
    const servable = new CaseServable(one, batching === undefined ? '' : `, batching: '${batching}'`);
    const server = await servable.serve('--ops', '127.0.0.1:0');
    try {
      // Requests of 1 to 5 rows, at the same time
      const requests = Array.from({ length: 24 }, (__, at) =>
        Array.from({ length: 1 + (at % 5) }, (___, more) => rows[(7 * at + more) % rows.length]!),
      );
      const answers = await Promise.all(
        requests.map((asked) =>
          post(server.rest, '/model/net:predict', JSON.stringify({ instances: asked.map(({ input }) => ({ x0: input })) })),
        ),
      );
      for (const [at, { status, body }] of answers.entries()) {
        const given = (body as { instances: { output_0: number[] }[] }).instances;
        expect({ status, right: given.map(({ output_0: row }, index) => isRight(row, requests[at]![index]!.expected)) }).toEqual({
          status: 200,
          right: requests[at]!.map(() => true),
        });
      }
      const { ops } = JSON.parse(
        server
          .output()
          .split('\n')
          .find((line) => line.startsWith('{"rest"'))!,
      ) as { ops: string };
      const metrics = await (await fetch(`http://${ops}/metrics`)).text();
      const sum = (name: string): number =>
        metrics
          .split('\n')
          .filter((line) => line.startsWith(`${name}{`))
          .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
      const [runs, instances] = [sum('mserve_worker_run_instances_count'), sum('mserve_worker_run_instances_sum')];
      expect(instances).toBeGreaterThanOrEqual(requests.flat().length);
      expect(runs < instances ? 'shared' : 'alone').toBe(how);
    } finally {
      await server.stop();
      servable.remove();
    }
  }, 60_000);
});
