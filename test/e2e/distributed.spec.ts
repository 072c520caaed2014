import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { dtypeEntry, type Tensor } from '@mserve/wire';
import { differenceOf } from '../parity/mindir/comparison.js';
import { GrpcClients, post } from '../support/clients.js';
import { command } from '../support/command.js';
import { distributedCases, type DistributedCase } from '../support/distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from '../support/distributed-server.js';
import { root, type ServerAddresses } from '../support/running-process.js';

/**
 * `mserve distributed serve` with real agents, as its own processes. DISTRIBUTED_CASES names a further folder of cases, all of which are tried then; by
 * itself only what differs in its collectives is, since each case starts a process per rank.
 */

const typical = ['explicit_3', 'explicit_a2a_4', 'pipe2_tp2_4', 'bad_missing_4', 'bad_swapped_stage_4'];
const own = distributedCases(join(root, 'test/parity/distributed/cases')).filter(({ name }) => typical.includes(name));
const further = process.env['DISTRIBUTED_CASES'];
const cases = further === undefined ? own : distributedCases(further);

async function overRest({ rest }: ServerAddresses, inputs: readonly Tensor[], expected: readonly Tensor[]): Promise<Tensor[]> {
  const instance = Object.fromEntries(inputs.map((tensor, index) => [`x${index}`, nestedLists(tensor)]));
  const { status, body } = await post(rest, '/model/net:predict', JSON.stringify({ instances: [instance] }));
  expect({ status, body: status === 200 ? undefined : body }).toEqual({ status: 200, body: undefined });
  const [answer] = (body as { instances: Record<string, unknown>[] }).instances;
  return expected.map(({ dtype }, index) => tensorOfLists(answer?.[`output_${index}`], dtype));
}

async function overGrpc(clients: GrpcClients, inputs: readonly Tensor[], expected: readonly Tensor[]): Promise<Tensor[]> {
  const items = Object.fromEntries(
    inputs.map(({ dtype, shape, bytes }, index) => [
      `x${index}`,
      { dtype: dtypeEntry(dtype).msNumber, shape: { dims: shape }, data: Buffer.from(bytes) },
    ]),
  );
  const reply = await clients.ms.call('Predict', { servable_spec: { name: 'net', method_name: 'predict' }, instances: [{ items }] });
  const [answer] = reply['instances'] as { items: Record<string, { shape: { dims: string[] }; data: Buffer }> }[];
  return expected.map(({ dtype }, index) => {
    const { shape, data } = answer!.items[`output_${index}`]!;
    return { dtype, shape: shape.dims.map(Number), bytes: new Uint8Array(data) };
  });
}

async function serving(one: DistributedCase, use: (server: ServerAddresses, clients: GrpcClients) => Promise<void>): Promise<void> {
  const servable = new CaseServable(one);
  const server = await servable.serve();
  const clients = new GrpcClients(server.grpc);
  try {
    await use(server, clients);
  } finally {
    clients.close();
    const code = await server.stop();
    servable.remove();
    expect(code).toBe(0);
  }
}

describe('mserve distributed serve', () => {
  it.each(cases.filter(({ expect: outcome }) => outcome === 'match'))(
    '$name gives what the whole net gives, over REST and gRPC',
    async (one) => {
      await serving(one, async (server, clients) => {
        for (const [set, inputs] of one.inputs.entries()) {
          const expected = one.outputs[set]!;
          expect(differenceOf(await overRest(server, inputs, expected), expected, one.tolerance)).toBeUndefined();
          expect(differenceOf(await overGrpc(clients, inputs, expected), expected, one.tolerance)).toBeUndefined();
        }
      });
    },
    60_000,
  );

  it.each(cases.filter(({ expect: outcome }) => outcome === 'reject'))(
    '$name is refused: $reason',
    async (one) => {
      const servable = new CaseServable(one);
      const { code, stdout, stderr } = await command(process.execPath, servable.command());
      servable.remove();
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(one.reason!);
    },
    60_000,
  );
});
