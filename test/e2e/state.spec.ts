import { status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import type { State, StateTick } from '@mserve/ops';
import { grpcClient } from '../support/clients.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { serveDirectory } from '../support/running-process.js';
import { servableDirectory, writeAddServable, type ServableDirectory } from '../support/servables.js';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

async function stateOf(ops: string): Promise<State> {
  return (await (await fetch(`http://${ops}/state`)).json()) as State;
}

/** Asks until `wanted` holds; each answer comes when the fleet was asked anew. */
async function stateWhen(ops: string, wanted: (state: State) => boolean): Promise<State> {
  for (;;) {
    const state = await stateOf(ops);
    if (wanted(state)) return state;
  }
}

function callAdd(rest: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`http://${rest}/v2/models/add.predict/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

const pair = {
  inputs: [
    { name: 'x1', datatype: 'FP32', shape: [1, 2], data: [1, 2] },
    { name: 'x2', datatype: 'FP32', shape: [1, 2], data: [3, 4] },
  ],
};

/** The events of the stream, until `enough`. */
function eventsOf(ops: string, enough: (events: readonly (readonly [name: string, body: unknown])[]) => boolean) {
  return new Promise<(readonly [name: string, body: unknown])[]>((resolve, reject) => {
    const events: [string, unknown][] = [];
    let text = '';
    const sent = request(`http://${ops}/state/events`, (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (text + chunk).split('\n\n');
        text = parts.pop() ?? '';
        for (const part of parts) {
          const [, name, data] = /event: (\w+)\ndata: (.*)$/.exec(part) ?? [];
          if (name !== undefined && data !== undefined) events.push([name, JSON.parse(data)]);
        }
        if (!enough(events)) return;
        sent.destroy();
        resolve(events);
      });
    });
    sent.on('error', reject).end();
  });
}

let folder: ServableDirectory;
beforeAll(() => {
  folder = servableDirectory();
  writeAddServable(folder.path);
});
afterAll(() => folder.remove());

describe('the state of a fleet at a gateway’s operations port', () => {
  let nats: NatsServer;
  let fleet: Fleet;
  let ops: string;
  beforeAll(async () => {
    nats = await startNatsServer();
    ops = `127.0.0.1:${await freePort()}`;
    fleet = await startFleet(nats.url, folder.path, ['add.predict'], ['gateway-0', 'gateway-1', 'scheduler', 'worker-1', 'worker-2'], {
      flagsOf: (name) => (name === 'gateway-0' ? ['--ops', ops] : []),
    });
  });
  afterAll(async () => {
    await fleet?.stop();
    await nats?.stop();
  });

  it('shows every process, each with its own memory and event loop, and every replica with its device', async () => {
    const state = await stateWhen(
      ops,
      ({ processes, replicas }) =>
        processes.length === 5 &&
        processes.every(({ report }) => report !== undefined) &&
        replicas.length === 2 &&
        replicas.every((replica) => replica.state === 'ready'),
    );
    expect(state).toMatchObject({ format: 1, ready: true, bus: { kind: 'nats', state: 'up' }, ports: { rest: fleet.gateways[0]?.rest } });
    const pids = [...fleet.processes.values()].map(({ child }) => child.pid);
    expect(new Set(state.processes.map(({ report }) => report?.pid))).toEqual(new Set(pids));
    expect(state.processes.map(({ role }) => role).sort()).toEqual(['gateway', 'gateway', 'scheduler', 'worker', 'worker']);
    for (const { report } of state.processes) expect(report?.residentBytes).toBeGreaterThan(2 ** 24);
    expect(state.replicas.map(({ servable, version, deviceId, state: is }) => [servable, version, deviceId, is]).sort()).toEqual([
      ['add', 1, 1, 'ready'],
      ['add', 1, 2, 'ready'],
    ]);
    for (const { credits, inHand } of state.replicas) expect(credits - inHand).toBeGreaterThan(0);
  });

  it('has methods with their signatures and their stages', async () => {
    const { servables } = await stateWhen(ops, (state) => state.servables[0]?.readyReplicas === 2);
    expect(servables).toMatchObject([
      {
        servable: 'add',
        version: 1,
        state: 'ready',
        readyReplicas: 2,
        methods: [
          {
            name: 'predict',
            inputs: [{ dtype: 'float32' }, { dtype: 'float32' }],
            graph: {
              stages: [{ number: 1, kind: 'model', name: 'model.onnx' }],
              returns: [{ from: 'stage', stage: 1, output: 0 }],
            },
          },
        ],
      },
    ]);
  });

  it('records what requests do, and tells it as it happens', async () => {
    const { rest } = fleet.gateways[0] as { rest: string };
    const watching = eventsOf(ops, (events) =>
      events.some(([name, body]) => name === 'tick' && (body as StateTick).sample.methods['add/1/predict'] !== undefined),
    );
    const inputs = pair.inputs.map(({ name }) => name);
    const described = (await (await fetch(`http://${rest}/v2/models/add.predict`)).json()) as { inputs: { name: string }[] };
    const body = { inputs: pair.inputs.map((input, i) => ({ ...input, name: described.inputs[i]?.name ?? inputs[i] })) };
    for (let i = 0; i < 5; i++) expect((await callAdd(rest, body)).status).toBe(200);
    const events = await watching;
    expect(events.slice(0, 2).map(([name]) => name)).toEqual(['servables', 'history']);
    const state = await stateWhen(ops, ({ history }) => history.samples.some(({ ok }) => ok > 0));
    const busy = state.history.samples.filter(({ ok }) => ok > 0);
    for (const { p50, p99 } of busy) {
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50 as number);
    }
  });

  it('keeps the last failures with reason, request id and trace id', async () => {
    const { rest } = fleet.gateways[0] as { rest: string };
    const answer = await callAdd(rest, { inputs: [] }, { 'x-request-id': 'find-me', traceparent });
    expect(answer.status).toBe(400);
    const unknown = await fetch(`http://${rest}/v2/models/nobody/infer`, { method: 'POST', body: '{}' });
    expect(unknown.status).toBe(404);
    const state = await stateWhen(ops, ({ failuresByReason }) => failuresByReason['servable-not-found'] === 1);
    expect(state.failures[0]).toMatchObject({ code: 'NOT_FOUND', reason: 'servable-not-found', protocol: 'oip-rest' });
    expect(state.failures[0]?.requestId).toBe(unknown.headers.get('x-request-id'));
    expect(state.failures[1]).toMatchObject({
      code: 'INVALID_ARGUMENT',
      requestId: 'find-me',
      traceId: '0af7651916cd43dd8448eb211c80319c',
    });
  });

  it('a worker that is killed leaves, and so does another gateway', async () => {
    await Promise.all([fleet.processes.get('worker-2')?.stop('SIGKILL'), fleet.processes.get('gateway-1')?.stop()]);
    const state = await stateWhen(ops, ({ processes }) => processes.length === 3);
    expect(state.processes.map(({ role }) => role).sort()).toEqual(['gateway', 'scheduler', 'worker']);
    expect(state.replicas.map(({ deviceId }) => deviceId)).toEqual([1]);
  });

  it('what the last worker had is unavailable when it is gone, not unknown', async () => {
    const [{ rest, grpc } = { rest: '', grpc: '' }] = fleet.gateways;
    await fleet.processes.get('worker-1')?.stop('SIGKILL');
    const statusOf = async (path: string, body?: string): Promise<number> =>
      (await fetch(`http://${rest}${path}`, body === undefined ? {} : { method: 'POST', body })).status;
    await stateWhen(ops, ({ servables }) => servables.some(({ state }) => state === 'unavailable'));
    const model = '/v2/models/add.predict';
    expect(await statusOf(`${model}/ready`)).toBe(503);
    for (const path of [model, `${model}/versions/1`, `${model}/config`, `${model}/stats`])
      expect([path, await statusOf(path)]).toEqual([path, 503]);
    // Waits for the next worker for a while; nothing does any more after that
    expect(await statusOf('/model/add:predict', '{"instances":[{"x1":[1,2],"x2":[3,4]}]}')).toBe(503);
    expect(await statusOf(`${model}/infer`, '{"inputs":[]}')).toBe(503);
    expect(await statusOf(`${model}/versions/2`)).toBe(404);
    const client = grpcClient('oip', grpc);
    const codeOf = (method: string, name: object): Promise<number> =>
      client.call(method, name).then(
        () => status.OK,
        (error: ServiceError) => error.code,
      );
    for (const rpc of ['ModelMetadata', 'ModelConfig', 'ModelStatistics'])
      expect([rpc, await codeOf(rpc, { name: 'add.predict' })]).toEqual([rpc, status.UNAVAILABLE]);
    expect(await codeOf('ModelInfer', { model_name: 'add.predict' })).toBe(status.UNAVAILABLE);
    expect(await codeOf('ModelMetadata', { name: 'nobody.predict' })).toBe(status.NOT_FOUND);
    client.close();
  });
});

describe('the state of a server that is one process', () => {
  it('is the same, on the bus of the process; only GET is answered, and no foreign host', async () => {
    const ops = `127.0.0.1:${await freePort()}`;
    const server = await serveDirectory(folder.path, ['--ops', ops]);
    try {
      const state = await stateOf(ops);
      expect(state).toMatchObject({ bus: { kind: 'memory' }, replicas: [{ servable: 'add', state: 'ready' }] });
      expect(new Set(state.processes.map(({ report }) => report?.pid))).toEqual(new Set([server.child.pid]));
      for (const path of ['/state', '/state/events']) {
        expect((await fetch(`http://${ops}${path}`, { method: 'POST' })).status).toBe(405);
        const status = await new Promise<number | undefined>((resolve, reject) => {
          request(`http://${ops}${path}`, { headers: { host: 'attacker.example' } }, (response) => {
            response.resume().on('end', () => resolve(response.statusCode));
          })
            .on('error', reject)
            .end();
        });
        expect(status).toBe(403);
      }
      const page = await eventsOf(ops, (events) => events.length >= 3);
      expect(page.map(([name]) => name).slice(0, 3)).toEqual(['servables', 'history', 'tick']);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });
});
