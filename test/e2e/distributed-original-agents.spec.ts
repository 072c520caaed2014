import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type Client,
  type GrpcObject,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadRankMindir, type RankModel } from '@mserve/mindir';
import { loadRank, type NativeTensor, type Rank, type RankProgram } from '@mserve/native';
import { dtypeEntry, dtypeTable, type DType } from '@mserve/wire';
import { differenceOf } from '../parity/mindir/comparison.js';
import { post } from '../support/clients.js';
import { caseFile, distributedCases } from '../support/distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from '../support/distributed-server.js';
import { freePort } from '../support/free-port.js';
import { root, startProcess, type RunningProcess } from '../support/running-process.js';

/**
 * Agents that speak the gRPC of MindSpore Serving (MSDistributedWorker, MSAgent) join `mserve distributed start`. Those of the original exist for Ascend only: these here run the same files
 * by our native ranks, which find each other without the worker, as the original's do by HCCL.
 */

const one = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'pipe2_tp2_4')!;
let node: GrpcObject = loadPackageDefinition(
  loadSync(join(root, 'proto/mindspore_serving/proto/ms_distributed.proto'), {
    ...{ keepCase: true, longs: Number, defaults: true, oneofs: true },
    includeDirs: [join(root, 'proto')],
  }),
);
for (const part of ['mindspore', 'serving', 'proto']) node = node[part] as GrpcObject;
const Worker = node['MSDistributedWorker'] as ServiceClientConstructor;
const MsAgent = node['MSAgent'] as ServiceClientConstructor;

interface TensorMessage {
  readonly dtype: number;
  readonly shape: { readonly dims: readonly number[] };
  readonly data: Uint8Array;
}

interface PredictRequest {
  readonly inputs: readonly TensorMessage[];
  readonly return_result: boolean;
}

const messageOf = ({ dtype, shape, bytes }: NativeTensor): TensorMessage => ({
  dtype: dtypeEntry(dtype).msNumber!,
  shape: { dims: shape },
  data: bytes,
});

const dtypeOf = (number: number): DType => dtypeTable.find(({ msNumber }) => msNumber === number)!.dtype;

/** One rank behind MSAgent. */
class ForeignAgent {
  readonly heard: string[] = [];
  address = '';
  private readonly server = new Server();
  private batch = 0;

  constructor(
    private readonly rank: Rank,
    private readonly model: RankModel,
    private readonly number: number,
  ) {}

  async listen(): Promise<void> {
    type Call = ServerUnaryCall<PredictRequest, object>;
    const note =
      (name: string) =>
      (_call: Call, done: sendUnaryData<object>): void => {
        this.heard.push(name);
        done(null, {});
      };
    this.server.addService(MsAgent.service, {
      Predict: ({ request }: Call, done: sendUnaryData<object>) =>
        void this.predict(request).then(
          (outputs) => done(null, { outputs }),
          (thrown: Error) => done(null, { error_msg: { error_code: 1, error_msg: Buffer.from(thrown.message) } }),
        ),
      Exit: note('Exit'),
      Ping: note('Ping'),
      Pong: note('Pong'),
    });
    const port = await new Promise<number>((resolve, reject) =>
      this.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    this.address = `127.0.0.1:${port}`;
  }

  get spec(): object {
    const ports = (list: RankModel['inputs']): object[] =>
      list.map(({ dtype, shape }) => ({ dtype: dtypeEntry(dtype).msNumber, shape: { dims: shape ?? [] }, size: 0 }));
    return { rank_id: this.number, batch_size: 0, inputs: ports(this.model.inputs), outputs: ports(this.model.outputs) };
  }

  private async predict({ inputs, return_result: wantResults }: PredictRequest): Promise<TensorMessage[]> {
    this.heard.push('Predict');
    const given = inputs.map(({ dtype, shape, data }) => ({ dtype: dtypeOf(dtype), shape: shape.dims, bytes: new Uint8Array(data) }));
    const used = this.model.program.inputs.map(
      ({ name }) => given[this.model.inputs.findIndex((port) => port.name === name)] as NativeTensor,
    );
    const results = await this.rank.run({ batch: ++this.batch, inputs: used, wantResults, deadlineMs: 10_000 });
    return wantResults ? results.map(messageOf) : [];
  }

  async close(): Promise<void> {
    this.server.forceShutdown();
    await this.rank.close();
  }
}

function ask<Reply = object>(client: Client, name: string, request: object): Promise<Reply> {
  type Call = (request: object, done: (error: Error | null, reply: Reply) => void) => void;
  return new Promise((resolve, reject) => {
    const call = (client as unknown as Record<string, Call>)[name] as Call;
    call.call(client, request, (error, reply) => (error === null ? resolve(reply) : reject(error)));
  });
}

let servable: CaseServable;
let worker: RunningProcess;
let client: Client;
let agents: ForeignAgent[];

beforeAll(async () => {
  servable = new CaseServable(one);
  const address = `127.0.0.1:${await freePort()}`;
  worker = startProcess(process.execPath, [
    ...[join(root, 'apps/server/bin/mserve.mjs'), 'distributed', 'start', servable.directory, '--servable', 'net'],
    ...['--rank-table', join(one.folder, 'rank_table.json'), '--distributed-address', address],
    ...['--rest', '127.0.0.1:0', '--grpc', '', '--json', '--log-level', 'info'],
  ]);
  client = new Worker(address, credentials.createInsecure());
  const { rankSize } = one;
  const models = await Promise.all(
    Array.from({ length: rankSize }, (_, rank) =>
      loadRankMindir(
        { bytes: caseFile(one, `rank_${rank}.mindir`)! },
        { rank, rankSize, groupConfig: caseFile(one, `group_config_${rank}.pb`) },
      ),
    ),
  );
  const ranks = await Promise.all(models.map((model, rank) => loadRank(model.program as RankProgram, { rank, rankSize })));
  const formation = { epoch: 1, token: 'ab'.repeat(32), endpoints: ranks.map(({ endpoint }) => endpoint), deadlineMs: 20_000 };
  await Promise.all(ranks.map((rank) => rank.form(formation)));
  agents = ranks.map((rank, number) => new ForeignAgent(rank, models[number]!, number));
  await Promise.all(agents.map((agent) => agent.listen()));
}, 60_000);

afterAll(async () => {
  client.close();
  await worker.stop();
  await Promise.all(agents.map((agent) => agent.close()));
  servable.remove();
}, 60_000);

const register = (agent: ForeignAgent): Promise<object> =>
  ask(client, 'AgentRegister', { agent_spec: [agent.spec], address: agent.address });

/** undefined when the answers for all inputs are right. */
async function wrong(rest: string): Promise<string | undefined> {
  for (const [set, inputs] of one.inputs.entries()) {
    const { status, body } = await post(rest, '/model/net:predict', JSON.stringify({ instances: [{ x0: nestedLists(inputs[0]!) }] }));
    if (status !== 200) return `${status}: ${JSON.stringify(body)}`;
    const expected = one.outputs[set]!;
    const [answer] = (body as { instances: Record<string, unknown>[] }).instances;
    const difference = differenceOf([tensorOfLists(answer?.['output_0'], expected[0]!.dtype)], expected, one.tolerance);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

it('agents of the original learn the model, register, serve, leave and come back', async () => {
  // As their start-up process does: it asks until the worker answers
  let config: Record<string, unknown> | undefined;
  for (let attempt = 0; config === undefined; attempt++) {
    config = await ask<Record<string, unknown>>(client, 'AgentConfigAcquire', {}).catch(async (error: Error) => {
      if (attempt === 60) throw error;
      await delay(500);
      return undefined;
    });
  }
  expect(config).toMatchObject({
    rank_list: [0, 1, 2, 3].map((device_id) => ({ ip: '127.0.0.1', device_id })),
    common_meta: { servable_name: 'net', model_key: 'net', with_batch_dim: false },
    distributed_meta: { rank_size: 4, stage_size: 2 },
  });
  // protobuf.js gives the keys of such maps as hashes
  const { inputs_count: inputs, outputs_count: outputs } = config['common_meta'] as Record<string, object>;
  expect([inputs, outputs].map((counts) => Object.values(counts ?? {}))).toEqual([[1], [1]]);
  expect(JSON.parse(config['rank_table_content'] as string)).toHaveProperty('server_list');

  const beyond = { ...agents[0]!.spec, rank_id: 4 };
  await expect(ask(client, 'AgentRegister', { agent_spec: [beyond], address: '127.0.0.1:1' })).rejects.toThrow(
    'offers rank 4, but the model has 4 ranks',
  );
  for (const agent of agents) await register(agent);
  const { rest } = JSON.parse(await worker.line((line) => line.startsWith('{"rest"'))) as { rest: string };
  expect(await wrong(rest)).toBeUndefined();

  await ask(client, 'Ping', { address: agents[2]!.address });
  while (!agents[2]!.heard.includes('Pong')) await delay(10);
  while (agents.some(({ heard }) => !heard.includes('Ping'))) await delay(10);

  await ask(client, 'AgentExit', { address: agents[1]!.address });
  await worker.line((line) => line.includes('the agent of rank 1 is lost'));
  const waiting = wrong(rest);
  await register(agents[1]!);
  expect(await waiting).toBeUndefined();

  // It was started again, and nobody said that it had ended
  await register(agents[2]!);
  expect(await wrong(rest)).toBeUndefined();

  expect(await worker.stop()).toBe(0);
  expect(agents.map(({ heard }) => heard.includes('Exit'))).toEqual([true, true, true, true]);
}, 180_000);
