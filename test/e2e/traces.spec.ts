import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.js';
import { post } from '../support/clients.js';
import { serveDirectory } from '../support/running-process.js';
import { servableDirectory, writeAddServable, writeDoubledSumServable } from '../support/servables.js';

/** A function, then a model. The function notes what it knows of its trace; with a file `hold`, the first call hangs in it. */
const config = `import { existsSync, writeFileSync } from 'node:fs';
import { addStage, declareModel, registerMethod, type CallContext, type Tensor } from '@mserve/register';
const add = declareModel({ modelFile: 'add.onnx', modelFormat: 'ONNX' });
function pass(x: Tensor, { traceparent, tracestate }: CallContext) {
  writeFileSync('NOTES/traceparent', traceparent + '-' + tracestate);
  if (existsSync('NOTES/hold') && !existsSync('NOTES/held')) {
    writeFileSync('NOTES/held', String(process.pid));
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  }
  return x;
}
registerMethod(['y'], function predict(x1, x2) {
  return addStage(add, addStage(pass, x1, { outputsCount: 1, context: true }), x2, { outputsCount: 1 });
});
`;

/** Resolves when the file is there. */
async function untilThere(folder: string, name: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const watcher = watch(folder, () => look());
    const look = (): void => {
      if (!existsSync(join(folder, name)) || readFileSync(join(folder, name)).length === 0) return;
      watcher.close();
      resolve();
    };
    look();
  });
}

describe('the trace of a request through a fleet', () => {
  const directory = servableDirectory();
  const notes = join(directory.path, '..', `notes-${process.pid}`);
  let receiver: OtlpReceiver;
  let nats: NatsServer;
  let fleet: Fleet;

  beforeAll(async () => {
    mkdirSync(notes, { recursive: true });
    writeDoubledSumServable(directory.path, 'traced', [1]);
    writeFileSync(join(directory.path, 'traced/servable_config.ts'), config.replaceAll('NOTES', notes));
    receiver = await OtlpReceiver.start();
    nats = await startNatsServer();
    const order = ['gateway-0', 'scheduler', 'worker-1', 'worker-2'];
    fleet = await startFleet(nats.url, directory.path, ['traced.predict'], order, {
      env: receiver.environment,
      gateway: ['--slow-request-ms', '1', '--access-log'],
    });
  }, 120_000);
  afterAll(async () => {
    await fleet?.stop();
    await nats?.stop();
    await receiver?.stop();
    directory.remove();
    rmSync(notes, { recursive: true, force: true });
  });

  const infer = (instances: number, traceparent?: string, tracestate?: string): Promise<Response> => {
    const data = Array<number>(instances * 2).fill(1);
    const inputs = ['x1', 'x2'].map((name) => ({ name, datatype: 'FP32', shape: [instances, 2], data }));
    const context = { ...(traceparent !== undefined && { traceparent }), ...(tracestate !== undefined && { tracestate }) };
    const headers = { 'content-type': 'application/json', ...context };
    const url = `http://${fleet.gateways[0]?.rest}/v2/models/traced.predict/infer`;
    return fetch(url, { method: 'POST', headers, body: JSON.stringify({ inputs }) });
  };
  const named = (spans: readonly ReceivedSpan[], name: string): readonly ReceivedSpan[] =>
    spans.filter((span) => span.name === `mserve.${name}`);
  const isWhole = (spans: readonly ReceivedSpan[]): boolean => named(spans, 'request').length > 0 && named(spans, 'batch').length > 0;

  it('is one tree, from the client on, with links from runs to their instances', async () => {
    const [traceId, client] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const answer = await infer(3, `00-${traceId}-${client}-01`, 'vendor=x:1, , other=2');
    expect(answer.status).toBe(200);
    const spans = await receiver.trace(traceId, (all) => isWhole(all) && named(all, 'queue').length > 0);
    const [request] = named(spans, 'request');
    expect(request).toMatchObject({ service: 'mserve-gateway', parent: client, hasFailed: false });
    expect(request?.attributes).toMatchObject({ 'mserve.servable': 'traced', 'mserve.method': 'predict' });
    expect(answer.headers.get('traceparent')).toBe(`00-${traceId}-${request?.spanId}-01`);
    const tracestate = 'vendor=x:1,other=2';
    expect(answer.headers.get('tracestate')).toBe(tracestate);
    expect(new Set(spans.map((span) => span.tracestate))).toEqual(new Set([tracestate]));
    for (const queue of named(spans, 'queue')) expect(queue).toMatchObject({ service: 'mserve-scheduler', parent: request?.spanId });
    const batches = named(spans, 'batch');
    for (const batch of batches) expect(batch).toMatchObject({ service: 'mserve-device-worker', parent: request?.spanId });
    const stages = named(spans, 'stage');
    expect(stages.map(({ attributes }) => Number(attributes['mserve.stage'])).sort()).toEqual([1, 1, 1, 2, 2, 2]);
    for (const { parent } of stages) expect(batches.map(({ spanId }) => spanId)).toContain(parent);
    const atModel = stages.filter(({ attributes }) => Number(attributes['mserve.stage']) === 2).map(({ spanId }) => spanId);
    const runs = named(spans, 'run');
    expect(runs.flatMap(({ links }) => links).sort()).toEqual([...atModel].sort());
    for (const { parent, links } of runs) expect(links).toContain(parent);
    // The function knew the span that it worked for
    const known = readFileSync(join(notes, 'traceparent'), 'utf8').split('-');
    const atFunction = stages.filter(({ attributes }) => Number(attributes['mserve.stage']) === 1).map(({ spanId }) => spanId);
    expect([known[1], atFunction.includes(known[2] ?? ''), known[4]]).toEqual([traceId, true, tracestate]);
    // Nothing hangs in the air
    const ids = new Set([client, ...spans.map(({ spanId }) => spanId)]);
    expect(spans.filter(({ parent }) => !ids.has(parent))).toEqual([]);
  }, 60_000);

  it('begins in the gateway when the client has none, and tells it; one that is not sampled has no spans', async () => {
    const unsampled = '1'.repeat(32);
    expect((await infer(1, `00-${unsampled}-${'2'.repeat(16)}-00`)).headers.get('traceparent')).toBeNull();
    const answer = await infer(1, 'no traceparent at all', 'vendor=x:1');
    expect(answer.headers.get('tracestate')).toBeNull();
    const [, traceId = '', spanId] = answer.headers.get('traceparent')?.split('-') ?? [];
    const spans = await receiver.trace(traceId, isWhole);
    expect(named(spans, 'request')).toMatchObject([{ spanId, parent: '' }]);
    expect(receiver.spans.filter((span) => span.traceId === unsampled)).toEqual([]);
  }, 60_000);

  it('goes on at another worker when the first is killed, and says so', async () => {
    writeFileSync(join(notes, 'hold'), '');
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const answer = infer(1, `00-${traceId}-00f067aa0ba902b7-01`);
    await untilThere(notes, 'held');
    process.kill(Number(readFileSync(join(notes, 'held'), 'utf8')), 'SIGKILL');
    expect((await answer).status).toBe(200);
    const spans = await receiver.trace(traceId, (all) => isWhole(all) && named(all, 'queue').length === 2);
    const [request] = named(spans, 'request');
    const attempts = named(spans, 'queue').map(({ parent, attributes, events }) => [parent, Number(attributes['mserve.attempt']), events]);
    expect(attempts).toEqual([
      [request?.spanId, 1, []],
      [request?.spanId, 2, ['retry: its worker was lost']],
    ]);
    // What the killed worker had begun is lost with it
    expect(named(spans, 'batch')).toMatchObject([{ parent: request?.spanId, attributes: { 'mserve.attempt': 2 } }]);
    expect(request).toMatchObject({ hasFailed: false });
    // The log finds the trace, and says where the time went
    const lines = (fleet.processes.get('gateway-0')?.output() ?? '').split('\n').filter((line) => line.includes(traceId));
    const [slow, access] = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    const steps = Object.fromEntries(['queueMs', 'waitMs', 'runMs', 'functionMs'].map((name) => [name, expect.any(Number)]));
    expect(slow).toMatchObject({ msg: 'a request took long', traceId, ...steps });
    expect(access).toMatchObject({ msg: 'request', traceId, status: 200 });
  }, 60_000);
});

it('the trace of a request through mserve serve, as users start it', async () => {
  const directory = servableDirectory();
  writeAddServable(directory.path);
  const receiver = await OtlpReceiver.start();
  const server = await serveDirectory(directory.path, [], receiver.environment);
  try {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4737';
    const inputs = ['x1', 'x2'].map((name) => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] }));
    const { status } = await post(server.rest, '/v2/models/add.predict/infer', JSON.stringify({ inputs }), {
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    });
    expect(status).toBe(200);
    const names = ['mserve.request', 'mserve.queue', 'mserve.batch', 'mserve.stage', 'mserve.run'];
    const spans = await receiver.trace(traceId, (all) => names.every((name) => all.some((span) => span.name === name)));
    expect(spans.map(({ name }) => name).sort()).toEqual([...names].sort());
  } finally {
    await server.stop();
    await receiver.stop();
    directory.remove();
  }
}, 60_000);
