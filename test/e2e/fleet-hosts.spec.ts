import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { oipProto } from '@mserve/wire/gen';
import { findNatsServer } from '../../scripts/nats-server.mjs';
import { command } from '../support/command.js';
import { ip, makeHosts, obstacleToNamespaces } from '../support/network-namespaces.js';
import { startProcess, type RunningProcess } from '../support/running-process.js';
import { samplesOf } from '../support/scrape.js';
import { servableDirectory, writeModelServable } from '../support/servables.js';

/**
 * Two network namespaces as two hosts: nats-server, gateway, scheduler and one worker on one, the other worker on the other. NATS goes over one link, tensors over another, which can be cut alone.
 */
const hosts = [`mserve-fa-${process.pid}`, `mserve-fb-${process.pid}`] as const;
const why = obstacleToNamespaces();

(why === undefined ? describe : describe.skip)(`a fleet on two hosts${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const running: RunningProcess[] = [];
  const directory = servableDirectory();
  const folder = mkdtempSync(join(tmpdir(), 'mserve-fleet-hosts-'));
  const socket = join(folder, 'grpc');
  let session: ClientHttp2Session;

  function start(host: 0 | 1, ...args: readonly string[]): RunningProcess {
    const started = startProcess('ip', ['netns', 'exec', hosts[host], ...args]);
    running.push(started);
    return started;
  }
  function startApp(host: 0 | 1, app: string, ops: number, ...args: readonly string[]): RunningProcess {
    const flags = ['--nats', 'nats://10.78.1.1:4222', '--insecure-bus', '--ops', `127.0.0.1:${ops}`, ...args];
    return start(host, process.execPath, `apps/${app}/dist/main.js`, ...flags);
  }

  beforeAll(async () => {
    writeModelServable(directory.path, 'wide', {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 'm'] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 'm'] }],
      nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
    });
    makeHosts(hosts, '10.78', ['bus', 'tensors']);
    start(0, await findNatsServer({ build: false }), '-a', '10.78.1.1', '-p', '4222', '-m', '8222');
    const gateway = startApp(0, 'gateway', 9001, '--rest', '127.0.0.1:9000', '--grpc', `unix:${socket}`, '--tensor-address', '10.78.2.1:0');
    startApp(0, 'scheduler', 9002);
    const workers = ([0, 1] as const).map((host) =>
      startApp(host, 'device-worker', 9003, '--directory', directory.path, '--tensor-address', `10.78.2.${host + 1}:0`),
    );
    await Promise.all([
      gateway.line((line) => line.includes('gRPC server start success')),
      ...workers.map((worker) => worker.line((line) => line.includes('replica is ready'))),
    ]);
    session = connectHttp2('http://localhost', {
      createConnection: () => connect(socket),
      maxSessionMemory: 1000,
      settings: { initialWindowSize: 2 ** 22 },
    });
  }, 90_000);

  afterAll(async () => {
    session?.close();
    await Promise.all(running.map((started) => started.stop()));
    directory.remove();
    rmSync(folder, { recursive: true });
    for (const host of hosts) ip('netns', 'delete', host);
  }, 60_000);

  /** Whether the answer to so many bytes is right. */
  async function isRight(bytes: number): Promise<boolean> {
    const x = new Float32Array(bytes / 4);
    for (let i = 0; i < x.length; i++) x[i] = (i % 1000) - 500;
    const encoded = oipProto.ModelInferRequest.encode({
      ...oipProto.ModelInferRequest.decode(new Uint8Array(0)),
      modelName: 'wide',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, BigInt(x.length)], parameters: {}, contents: undefined }],
      rawInputContents: [new Uint8Array(x.buffer)],
    }).finish();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(encoded.length, 1);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelInfer',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(Buffer.concat([head, encoded]));
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    const [y] = oipProto.ModelInferResponse.decode(Buffer.concat(parts).subarray(5)).rawOutputContents;
    for (let i = 0; i < x.length; i++) x[i] = Math.max(0, (i % 1000) - 500);
    const wanted = Buffer.from(x.buffer);
    return y !== undefined && Buffer.compare(y, wanted) === 0;
  }

  /** What a process counted. */
  async function counts(host: 0 | 1, ops: number): Promise<(name: string) => number> {
    const script = `fetch('http://127.0.0.1:${ops}/metrics').then(async (response) => console.log(await response.text()))`;
    const { stdout } = await command('ip', ['netns', 'exec', hosts[host], process.execPath, '-e', script]);
    const samples = samplesOf(stdout);
    return (name) => [...samples].filter(([sample]) => sample.includes(name)).reduce((sum, [, value]) => sum + value, 0);
  }

  /** Bytes that went in and out of nats-server, in all and with the scheduler, since their connections were made. */
  async function busBytes(): Promise<{ readonly all: number; readonly scheduler: number }> {
    const script =
      "Promise.all(['varz', 'connz'].map(async (page) => (await fetch('http://10.78.1.1:8222/' + page)).json())).then((pages) => console.log(JSON.stringify(pages)))";
    const { stdout } = await command('ip', ['netns', 'exec', hosts[0], process.execPath, '-e', script]);
    interface Traffic {
      readonly in_bytes: number;
      readonly out_bytes: number;
    }
    const [varz, { connections }] = JSON.parse(stdout) as [
      Traffic,
      { readonly connections: readonly (Traffic & { readonly name: string })[] },
    ];
    const bytes = ({ in_bytes, out_bytes }: Traffic): number => in_bytes + out_bytes;
    const scheduler = connections.filter(({ name }) => name.startsWith('scheduler'));
    expect(scheduler).toHaveLength(1);
    return { all: bytes(varz), scheduler: scheduler.reduce((sum, one) => sum + bytes(one), 0) };
  }

  it('gives right answers for tensors of 1 KiB, 600 KiB and 64 MiB, through memory on one host and from owner to reader between them, and not over the bus', async () => {
    const sizes = [1024, 1024, ...new Array<number>(8).fill(600 * 1024), 64 * 2 ** 20];
    expect(await Promise.all(sizes.map(isRight))).toEqual(sizes.map(() => true));
    const many = new Array<number>(8).fill(600 * 1024);
    for (;;) {
      const gateway = await counts(0, 9001);
      const [here, there] = [await counts(0, 9003), await counts(1, 9003)];
      for (const counted of [gateway, here, there]) expect(counted('way="bus"')).toBe(0);
      expect(there('way="shared"')).toBe(0);
      // Each of the workers gets some of them, sooner or later
      const ways = [gateway('way="shared"'), gateway('way="direct"'), here('way="shared"'), there('way="direct"')];
      if (ways.every((bytes) => bytes > 600 * 1024)) break;
      expect(await Promise.all(many.map(isRight))).toEqual(many.map(() => true));
    }
  }, 120_000);

  it('sends small messages through rings on one host, and over nats-server between them', async () => {
    const [gateway, scheduler] = [9001, 9002] as const;
    const ring = 'sent_messages_total{role="worker",way="ring"}';
    for (;;) {
      expect(await Promise.all(new Array<number>(16).fill(64).map(isRight))).toEqual(new Array(16).fill(true));
      const [here, there] = [await counts(0, 9003), await counts(1, 9003)];
      expect(['mserve_bus_rings', ring].map(there)).toEqual([0, 0]);
      const rings = [await counts(0, gateway), await counts(0, scheduler), here].map((counted) => counted('mserve_bus_rings'));
      // For tickets, assignments, receipts and answers, each with an end in two processes
      const areAllThere = [2, 3, 3].every((least, i) => (rings[i] ?? 0) >= least);
      if (areAllThere && here(ring) > 0 && there('way="server"') > 0) break;
    }
  }, 120_000);

  it('gives the traffic of nats-server and of the scheduler no share in the size of tensors', async () => {
    const sizes = [64 * 2 ** 20, ...new Array<number>(32).fill(600 * 1024)];
    const before = await busBytes();
    expect(await Promise.all(sizes.map(isRight))).toEqual(sizes.map(() => true));
    const after = await busBytes();
    // There and back
    const tensors = 2 * sizes.reduce((sum, size) => sum + size, 0);
    process.stdout.write(
      `${tensors} bytes of tensors; nats-server ${after.all - before.all}, the scheduler ${after.scheduler - before.scheduler}\n`,
    );
    expect(after.all - before.all).toBeLessThan(tensors / 100);
    expect(after.scheduler - before.scheduler).toBeLessThan(tensors / 500);
  }, 120_000);

  it('goes over the bus when the hosts cannot connect to each other any more', async () => {
    const before = await busBytes();
    ip('-n', hosts[1], 'link', 'set', 'tensors', 'down');
    const sizes = new Array<number>(8).fill(600 * 1024);
    expect(await Promise.all(sizes.map(isRight))).toEqual(sizes.map(() => true));
    // Which shows in the traffic that is held above
    expect((await busBytes()).all - before.all).toBeGreaterThan(600 * 1024);
    const there = await counts(1, 9003);
    expect(there('way="bus"')).toBeGreaterThan(600 * 1024);
    expect(there('reason="unreachable"')).toBeGreaterThan(0);
  }, 120_000);
});
