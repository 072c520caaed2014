import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { credentials, loadPackageDefinition, type Client, type ServiceError } from '@grpc/grpc-js';
import { loadPublicProtos } from '../health/proto-files.js';
import { GatewayRig, predict, rawClient } from '../testing/gateway-rig.js';

const mebibyte = 1024 * 1024;

type Call = (request: object, callback: (error: ServiceError | null, reply: Record<string, unknown>) => void) => void;

/** Calls an rpc of a public service by name. */
function ask(client: Client, rpc: string, request: object = {}): Promise<Record<string, unknown>> {
  const call = (client as unknown as Record<string, Call>)[rpc] as Call;
  return new Promise((resolve, reject) => call.call(client, request, (error, reply) => (error === null ? resolve(reply) : reject(error))));
}

function connectTo(address: string, definition: 'oip' | 'health'): Client {
  const packages = loadPackageDefinition(loadPublicProtos()[definition]) as unknown as {
    inference?: { GRPCInferenceService: new (address: string, secrets: unknown) => Client };
    grpc?: { health: { v1: { Health: new (address: string, secrets: unknown) => Client } } };
  };
  const Service = packages.inference?.GRPCInferenceService ?? packages.grpc?.health.v1.Health;
  if (Service === undefined) throw new TypeError('no such service');
  return new Service(address, credentials.createInsecure());
}

describe('the gRPC port', () => {
  let rig: GatewayRig;
  let raw: Client;
  let oip: Client;
  let health: Client;
  beforeAll(async () => {
    rig = await GatewayRig.start({ maxMessageBytes: mebibyte });
    const address = rig.gateway.grpcAddress as string;
    raw = rawClient(address);
    oip = connectTo(address, 'oip');
    health = connectTo(address, 'health');
  });
  afterAll(async () => {
    for (const client of [raw, oip, health]) client.close();
    await rig.stop();
  });
  afterEach(async () => {
    expect(await predict(raw, 'kit echo good').done).toBe('good');
    await rig.idle();
  });

  it('refuses messages over the limit', async () => {
    const within = `kit echo ${'x'.repeat(mebibyte - 9)}`;
    expect(await predict(raw, within).done).toHaveLength(mebibyte - 9);
    await expect(predict(raw, `${within}x`).done).rejects.toMatchObject({
      code: 8,
      details: expect.stringContaining('Received message larger than max (1048577 vs. 1048576)'),
    });
  });

  it('refuses what has no method, and a deadline that has passed', async () => {
    const pass = (bytes: Buffer): Buffer => bytes;
    const code = await new Promise((resolve) =>
      raw.makeUnaryRequest('/mindspore.serving.proto.MSService/Nope', pass, pass, Buffer.alloc(0), (error) => resolve(error?.code)),
    );
    expect(code).toBe(12);
    await expect(predict(raw, 'kit echo a', { deadline: new Date(Date.now() - 1000) }).done).rejects.toMatchObject({ code: 4 });
  });

  it('answers many calls at once, each with its own answer', async () => {
    const texts = Array.from({ length: 500 }, (_, i) => `t${i}`);
    expect(await Promise.all(texts.map((text) => predict(raw, `kit echo ${text}`).done))).toEqual(texts);
  });

  it('tells of itself and its models', async () => {
    expect(await ask(oip, 'ServerLive')).toEqual({ live: true });
    expect(await ask(oip, 'ServerReady')).toEqual({ ready: true });
    expect(await ask(oip, 'ModelReady', { name: 'kit.echo' })).toEqual({ ready: true });
    expect(await ask(oip, 'ModelReady', { name: 'kit.echo', version: '2' })).toEqual({ ready: false });
    expect(await ask(oip, 'ServerMetadata')).toMatchObject({ name: 'mserve' });
    expect(await ask(oip, 'ModelMetadata', { name: 'kit.echo' })).toMatchObject({
      name: 'kit.echo',
      versions: ['1'],
      inputs: [{ name: 'x', datatype: 'BYTES', shape: ['-1'] }],
    });
    await expect(ask(oip, 'ModelMetadata', { name: 'nope' })).rejects.toMatchObject({ code: 5, details: "model 'nope' is not available" });
    await expect(ask(oip, 'ModelMetadata', { name: 'kit' })).rejects.toMatchObject({
      code: 5,
      details: "model 'kit' has several methods, ask for one of kit.echo, kit.other",
    });
  });

  it('has grpc.health.v1 and reflection', async () => {
    for (const service of ['', 'mindspore.serving.proto.MSService', 'inference.GRPCInferenceService'])
      expect(await ask(health, 'Check', { service })).toEqual({ status: 'SERVING' });
    await expect(ask(health, 'Check', { service: 'nope' })).rejects.toMatchObject({ code: 5 });
    for (const version of ['v1', 'v1alpha']) {
      // list_services (field 7) in, list_services_response (field 6) out
      const reply = await new Promise<string>((resolve, reject) => {
        const pass = (bytes: Buffer): Buffer => bytes;
        const stream = raw.makeBidiStreamRequest(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, pass, pass);
        stream.on('data', (bytes: Buffer) => resolve(bytes.toString('latin1')));
        stream.on('error', reject);
        stream.write(Buffer.from([0x3a, 0x00]));
        stream.end();
      });
      for (const name of ['mindspore.serving.proto.MSService', 'inference.GRPCInferenceService', 'grpc.health.v1.Health'])
        expect(reply).toContain(name);
    }
  });

  it('closes HTTP/1 connections', async () => {
    await expect(fetch(`http://${rig.gateway.grpcAddress}/`)).rejects.toThrow();
  });
});

describe('the gRPC port at a socket file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mserve-gateway-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('serves there, also over what a killed server left behind, and removes the file', async () => {
    const path = join(directory, 'grpc.sock');
    await leaveStaleSocket(path);
    expect(existsSync(path)).toBe(true);
    const rig = await GatewayRig.start({ grpcAddress: `unix:${path}` });
    const client = rawClient(`unix:${path}`);
    expect(await predict(client, 'kit echo a').done).toBe('a');
    client.close();
    await rig.stop();
    expect(existsSync(path)).toBe(false);
  });

  it('takes no file for a socket that is something else', async () => {
    const [file, folder, link] = [join(directory, 'model.onnx'), join(directory, 'folder'), join(directory, 'link')];
    writeFileSync(file, 'precious');
    mkdirSync(folder);
    symlinkSync(file, link);
    for (const path of [file, folder, link]) {
      await expect(GatewayRig.start({ grpcAddress: `unix:${path}` })).rejects.toMatchObject({
        message: `Serving Error: Serving gRPC server start failed, create server failed, address unix:${path}`,
      });
    }
    expect([readFileSync(file, 'utf8'), readFileSync(link, 'utf8'), existsSync(folder)]).toEqual(['precious', 'precious', true]);
  });

  it('is not ready any more when no servable is', async () => {
    const rig = await GatewayRig.start();
    const health = connectTo(rig.gateway.grpcAddress as string, 'health');
    const watch = (health as unknown as { Watch: (request: object) => AsyncIterable<{ status: string }> & { cancel(): void } }).Watch({
      service: '',
    });
    const seen: string[] = [];
    try {
      for await (const { status } of watch) {
        seen.push(status);
        if (status === 'NOT_SERVING') break;
        rig.scheduler.list([]);
      }
    } finally {
      health.close();
    }
    expect(seen).toEqual(['SERVING', 'NOT_SERVING']);
    expect((await fetch(`${rig.url}/v2/health/ready`)).status).toBe(503);
    expect((await fetch(`${rig.url}/v2/health/live`)).status).toBe(200);
    await rig.stop();
  });
});

/** A socket file whose server is gone: linked a second time before its server removes the first name. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { link } = await import('node:fs/promises');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.first`, resolve));
  await link(`${path}.first`, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

describe('addresses that cannot be bound', () => {
  it("refuses a taken port in the original's words, and goes on serving", async () => {
    const rig = await GatewayRig.start();
    const { restAddress, grpcAddress } = rig.gateway;
    try {
      await expect(GatewayRig.start({ grpcAddress: restAddress })).rejects.toMatchObject({
        message: `Serving Error: Serving gRPC server start failed, create server failed, address ${restAddress}`,
      });
      await expect(GatewayRig.start({ restAddress: grpcAddress })).rejects.toMatchObject({
        message: `Serving Error: RESTful server start failed, bind to the socket address ${grpcAddress} failed`,
      });
      await expect(rig.gateway.listenRest({ address: '127.0.0.1:0' })).rejects.toMatchObject({
        message: 'Serving Error: RESTful server is already running',
      });
      await expect(rig.gateway.listenGrpc({ address: '127.0.0.1:0' })).rejects.toMatchObject({
        message: 'Serving Error: Serving gRPC server is already running',
      });
      expect(await (await rig.post('kit echo a')).text()).toBe('a');
    } finally {
      await rig.stop();
    }
  });

  it('opens ports later, each on its own', async () => {
    const rig = await GatewayRig.start({ restAddress: undefined, grpcAddress: undefined });
    try {
      expect(rig.gateway.restAddress).toBeUndefined();
      await expect(rig.gateway.listenGrpc({ address: '300.1.1.1:0' })).rejects.toMatchObject({
        message: 'Serving Error: Serving gRPC server start failed, create server failed, address 300.1.1.1:0',
      });
      await rig.gateway.listenRest({ address: 'localhost:0' });
      expect(await (await rig.post('kit echo a')).text()).toBe('a');
      await expect(rig.gateway.listenGrpc({ address: '127.0.0.1:0', maxMessageBytes: 513 * mebibyte })).rejects.toThrow(
        "Parameter 'max_msg_mb_size' should be in range [1,512]",
      );
    } finally {
      await rig.stop();
    }
  });
});
