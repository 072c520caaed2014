import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import { GrpcClients, post } from '../support/clients.js';
import { startFleet } from '../support/fleet.js';
import { startNatsServer } from '../support/nats-server.js';
import { serveDirectory, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

/** As docs/servables.md shows it: functions that ask for the context of their request. */
const config = `import { addStage, registerMethod, type CallContext, type Tensor } from '@mserve/register';
export const functionIsolation = 'ISOLATION';

const seen = ({ requestId, parameters, headers, deadline, remainingMs, log }: CallContext) => {
  log.warn('seen');
  return JSON.stringify({ requestId, parameters, headers, hasDeadline: deadline instanceof Date, isSoon: remainingMs > 0 && remainingMs <= 60_000 });
};
function one(x: Tensor, context: CallContext) { return seen(context); }
function many(instances: [Tensor][], contexts: CallContext[]) { return instances.map(([x], i) => seen(contexts[i]!)); }
function plain(x: Tensor, ...rest: unknown[]) { return rest.length; }

registerMethod(['y'], function each(x) { return addStage(one, x, { context: { headers: ['X-Tenant', 'x-user'] } }); });
registerMethod(['y'], function batch(x) { return addStage(many, x, { batchSize: 8, context: { headers: 'x-tenant' } }); });
registerMethod(['y'], function bare(x) { return addStage((v: Tensor, context: CallContext) => seen(context), x, { context: true }); });
registerMethod(['n'], function none(x) { return addStage(plain, x); });
`;

interface Started extends ServerAddresses {
  output(): string;
  stop(): Promise<void>;
}

async function embedded(directory: string): Promise<Started> {
  const server = await serveDirectory(directory);
  return { rest: server.rest, grpc: server.grpc, output: () => server.output(), stop: async () => void (await server.stop()) };
}

async function fleet(directory: string): Promise<Started> {
  const nats = await startNatsServer();
  const started = await startFleet(nats.url, directory, ['ctx.each'], ['gateway-0', 'scheduler', 'worker-0']);
  const [gateway] = started.gateways;
  if (gateway === undefined) throw new Error('there is no gateway');
  return {
    ...gateway,
    output: () => started.processes.get('worker-0')?.output() ?? '',
    stop: async () => {
      await started.stop();
      await nats.stop();
    },
  };
}

describe.each([
  ['embedded, functions in threads', 'thread', embedded],
  ['a fleet, functions in processes', 'process', fleet],
])('the context of a request: %s', (_what, isolation, start) => {
  const directory = servableDirectory();
  let server: Started;
  let clients: GrpcClients;
  beforeAll(async () => {
    mkdirSync(join(directory.path, 'ctx'));
    writeFileSync(join(directory.path, 'ctx/servable_config.ts'), config.replace('ISOLATION', isolation));
    server = await start(directory.path);
    clients = new GrpcClients(server.grpc);
  }, 120_000);
  afterAll(async () => {
    clients?.close();
    await server?.stop();
    directory.remove();
  }, 60_000);

  const headers = { 'x-tenant': 'blue', authorization: 'Bearer secret', 'x-request-id': 'r-1', 'x-request-timeout-ms': '30000' };
  const metadata = (): Metadata => Metadata.fromHttp2Headers({ 'x-tenant': 'blue', authorization: 'Bearer secret', 'x-request-id': 'r-1' });
  const common = { headers: { 'x-tenant': 'blue' }, hasDeadline: true, isSoon: true };
  const parameters = { text: 'a', count: 3, half: 0.5, on: true };

  it.each(['each', 'batch'])('/model REST: %s', async (method) => {
    const { body } = await post(server.rest, `/model/ctx:${method}`, '{"instances":[{"x":1},{"x":2}]}', headers);
    const { instances } = body as { instances: { y: string }[] };
    const expected = { requestId: 'r-1', parameters: {}, ...common };
    expect(instances.map(({ y }) => JSON.parse(y) as unknown)).toEqual([expected, expected]);
  });

  it.each(['each', 'batch'])('Open Inference Protocol REST: %s', async (method) => {
    const input = { name: 'x', shape: [1, 1], datatype: 'INT64', data: [1] };
    const request = JSON.stringify({ id: 'of the body', parameters: { ...parameters, list: [1] }, inputs: [input] });
    const { body } = await post(server.rest, `/v2/models/ctx.${method}/infer`, request, headers);
    const { outputs } = body as { outputs: { data: string[] }[] };
    expect(JSON.parse(outputs[0]?.data[0] ?? '')).toEqual({ requestId: 'of the body', parameters, ...common });
  });

  it.each(['each', 'batch'])('Open Inference Protocol gRPC: %s', async (method) => {
    const input = { name: 'x', shape: [1, 1], datatype: 'INT64', contents: { int64_contents: ['1'] } };
    const sent = { text: { string_param: 'a' }, count: { int64_param: '3' }, half: { double_param: 0.5 }, on: { bool_param: true } };
    const request = { model_name: `ctx.${method}`, id: 'of the message', parameters: sent, inputs: [input] };
    const answer = await clients.oip.call('ModelInfer', request, { deadline: new Date(Date.now() + 30_000) }, metadata());
    const [output] = (answer as { raw_output_contents: Buffer[] }).raw_output_contents;
    const [contents] = (answer as { outputs: { contents?: { bytes_contents: Buffer[] } }[] }).outputs;
    const text = output === undefined ? contents?.contents?.bytes_contents[0]?.toString() : output.subarray(4).toString();
    expect(JSON.parse(text ?? '')).toEqual({ requestId: 'of the message', parameters, ...common });
  });

  it.each(['each', 'batch'])('MSService: %s', async (method) => {
    const data = Buffer.from(BigInt64Array.of(1n).buffer);
    const instance = { items: { x: { shape: { dims: [] }, dtype: 'MS_INT64', data } } };
    const request = { servable_spec: { name: 'ctx', method_name: method }, instances: [instance] };
    const answer = await clients.ms.call('Predict', request, { deadline: new Date(Date.now() + 30_000) }, metadata());
    const [first] = (answer as { instances: { items: { y: { string_val: Buffer[]; bytes_val: Buffer[]; data: Buffer } } }[] }).instances;
    const text = first?.items.y.string_val?.[0] ?? first?.items.y.bytes_val?.[0] ?? '';
    expect(JSON.parse(text.toString())).toEqual({ requestId: 'r-1', parameters: {}, ...common });
  });

  it('a request without an id gets one, and without named headers none', async () => {
    const ask = async (): Promise<{ requestId: string; headers: unknown }> => {
      const { body } = await post(server.rest, '/model/ctx:bare', '{"instances":[{"x":1}]}', { 'x-tenant': 'blue' });
      return JSON.parse((body as { instances: { y: string }[] }).instances[0]?.y ?? '') as { requestId: string; headers: unknown };
    };
    const [first, second] = [await ask(), await ask()];
    expect(first.requestId).not.toBe('');
    expect(first.requestId).not.toBe(second.requestId);
    expect(first.headers).toEqual({});
  });

  it('functions that do not ask for it get nothing more', async () => {
    expect((await post(server.rest, '/model/ctx:none', '{"instances":[{"x":1}]}')).body).toEqual({ instances: [{ n: 0 }] });
  });

  it('its log has the id of the request', async () => {
    await post(server.rest, '/model/ctx:each', '{"instances":[{"x":1}]}', { 'x-request-id': 'find-me' });
    while (!server.output().includes('find-me')) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(server.output()).toContain('seen');
  });
});
