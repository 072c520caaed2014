import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Tensor, typesOf, type ClientOptions } from '@mserve/client';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { copyExample, servableDirectory, writeAddServable, writeEchoServable, writeTurnsServable } from '../support/servables.js';
import { root } from '../support/running-process.js';

/** Servable `typed`: gives back what it gets, each of a declared type. */
function writeTypedServable(directory: string): void {
  mkdirSync(join(directory, 'typed', '1'), { recursive: true });
  writeFileSync(
    join(directory, 'typed', 'servable_config.ts'),
    `import { addStage, registerMethod, Tensor } from '@mserve/register';
function same(text: string, raw: Tensor, count: Tensor, matrix: Tensor) {
  return [text, raw.data as Uint8Array, count, matrix];
}
registerMethod({
  inputs: {
    text: { dtype: 'string', shape: [] }, raw: { dtype: 'bytes', shape: [] }, count: { dtype: 'int64', shape: [] }, matrix: { dtype: 'float32', shape: [2, -1] },
  },
  outputs: {
    text: { dtype: 'string', shape: [] }, raw: { dtype: 'bytes', shape: [] }, count: { dtype: 'int64', shape: [] }, matrix: { dtype: 'float32', shape: [2, -1] },
  },
}, function all(text, raw, count, matrix) {
  return addStage(same, text, raw, count, matrix, { outputsCount: 4 });
});
`,
  );
}

function run(...args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return { status, stdout, stderr };
}

const transports = ['REST', 'gRPC', 'NATS'] as const;

describe('Client over REST, gRPC and NATS, to one fleet', () => {
  let nats: NatsServer;
  let fleet: Fleet;
  const clients: Client[] = [];
  const directory = servableDirectory();

  beforeAll(async () => {
    nats = await startNatsServer();
    copyExample(directory.path, 'digits');
    writeAddServable(directory.path);
    writeEchoServable(directory.path);
    writeTypedServable(directory.path);
    writeTurnsServable(directory.path, [1, 2]);
    const models = ['digits.classify', 'add.predict', 'echo.predict', 'typed.all', 'turns.predict/versions/1', 'turns.predict/versions/2'];
    fleet = await startFleet(nats.url, directory.path, models, ['gateway-0', 'scheduler', 'worker-0'], {
      worker: ['--version-policy', 'all'],
    });
  }, 120_000);
  afterAll(async () => {
    for (const client of clients) await client.close();
    await fleet?.stop();
    await nats?.stop();
    directory.remove();
  }, 60_000);

  function addressOf(transport: (typeof transports)[number]): string {
    const [gateway] = fleet.gateways;
    return { REST: `http://${gateway?.rest}`, gRPC: `grpc://${gateway?.grpc}`, NATS: nats.url }[transport];
  }

  function open(transport: (typeof transports)[number], options: ClientOptions = {}): Client {
    const client = new Client(addressOf(transport), options);
    clients.push(client);
    return client;
  }

  describe.each(transports)('%s', (transport) => {
    let client: Client;
    beforeAll(() => {
      client = open(transport);
    });

    it('classifies an image given as bytes', async () => {
      const image = readFileSync(join(root, 'examples/digits/images/digit_7.png'));
      expect(await client.infer('digits', 'classify', { image })).toMatchObject({ label: 7n });
    });

    it('answers a program that has nothing else to do, which ends by itself then', () => {
      const program = `import { Client } from '@mserve/client';
const client = new Client(process.argv[1]);
console.log((await client.infer('add', 'predict', { x1: [1, 2], x2: [10, 0.5] })).y.toArray());
await client.close();`;
      expect(run('--input-type=module', '-e', program, addressOf(transport))).toEqual({ status: 0, stdout: '[ 11, 2.5 ]\n', stderr: '' });
    });

    it('is what the example of digits calls', () => {
      const images = [0, 7].map((digit) => `examples/digits/images/digit_${digit}.png`);
      const { status, stdout, stderr } = run('examples/digits/client.mjs', addressOf(transport), ...images, 'README.md');
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^README\.md: [A-Z_]+: .*\n$/)]);
      expect(stdout.split('\n').sort()).toEqual([
        '',
        ...[0, 7].map((digit) => expect.stringMatching(`^${images[digit === 0 ? 0 : 1]}: ${digit} \\(probability 0\\.9\\d+\\)$`)),
      ]);
    });

    it('takes numbers as nested lists, as a TypedArray and as a tensor, and gives a tensor', async () => {
      for (const x1 of [[1, 2], Float32Array.of(1, 2), Tensor.of('float32', [1, 2])]) {
        const { y } = await client.infer('add', 'predict', { x1, x2: [10, 0.5] });
        expect(y).toBeInstanceOf(Tensor);
        expect((y as Tensor).dtype).toBe('float32');
        expect((y as Tensor).toArray()).toEqual([11, 2.5]);
      }
    });

    it('gives back texts, bytes, 64-bit integers and tensors as they were', async () => {
      const sent = {
        text: 'grüße ≠ \0',
        raw: Uint8Array.of(0x61, 0, 255),
        count: 2n ** 60n + 1n,
        matrix: Float32Array.of(1, 2, 3, 4, 5, 6),
      };
      const { text, raw, count, matrix } = await client.infer('typed', 'all', sent);
      expect([text, [...(raw as Uint8Array)], count]).toEqual([sent.text, [0x61, 0, 255], sent.count]);
      expect((matrix as Tensor).toArray()).toEqual([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      // Bytes that are text stay bytes where the method says so
      expect((await client.infer('typed', 'all', { ...sent, raw: Buffer.from('abc') }))['raw']).toEqual(expect.any(Uint8Array));
    });

    it('keeps the type of a value where the method declares none', async () => {
      const echoed = async (x: Parameters<typeof client.infer>[2][string]): Promise<unknown> =>
        (await client.infer('echo', 'predict', { x }))['y'];
      expect(await echoed('text')).toBe('text');
      expect(await echoed(5)).toBe(5n);
      expect(await echoed(0.5)).toBe(0.5);
      expect(await echoed(true)).toBe(true);
      expect(((await echoed(Int16Array.of(-3, 4))) as Tensor).dtype).toBe('int16');
      expect(((await echoed([[0.5], [1]])) as Tensor).toArray()).toEqual([[0.5], [1]]);
    });

    it('calls the version that is asked for, else the latest', async () => {
      const inputs = { x1: [5, 5], x2: [1, 2] };
      const of = async (version?: number): Promise<unknown> =>
        ((await client.infer('turns', 'predict', inputs, { version }))['y'] as Tensor).toArray();
      expect(await of(1)).toEqual([6, 7]);
      expect(await of(2)).toEqual([4, 3]);
      expect(await of()).toEqual([4, 3]);
    });

    it('refuses what is wrong with a code, and says what', async () => {
      const refused = async (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);
      expect(await refused(client.infer('nobody', 'predict', {}))).toMatchObject({ name: 'ServingError', code: 'NOT_FOUND' });
      expect(await refused(client.infer('add', 'nothing', {}))).toMatchObject({ code: 'NOT_FOUND' });
      expect(await refused(client.infer('add', 'predict', { x1: [1, 2] }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: "input 'x2' of add.predict is missing",
      });
      expect(await refused(client.infer('add', 'predict', { x1: [1, 2], x2: [1, 2], x3: 1 }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: "add.predict has no input 'x3', it takes x1, x2",
      });
      expect(await refused(client.infer('add', 'predict', { x1: [[1, 2, 3]], x2: [1, 2] }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(await refused(client.infer('add', 'predict', { x1: Float32Array.of(1, 2, 3), x2: [1, 2] }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: "input 'x1' is a list of 3 elements, shape [2] is expected",
      });
      const left = AbortSignal.abort();
      expect(await refused(client.infer('add', 'predict', { x1: [1, 2], x2: [1, 2] }, { signal: left }))).toMatchObject({
        code: 'CANCELLED',
      });
    });

    it('infers 500 instances of a stream, each with its own answer; those that fail do not stop it', async () => {
      function* instances(): Generator<{ x1: number[]; x2: number[] }> {
        for (let n = 0; n < 500; n++) yield n === 77 ? { x1: [n], x2: [n] } : { x1: [n, n], x2: [1, 2] };
      }
      const seen = new Set<number>();
      const failed: number[] = [];
      for await (const { index, outputs, error } of client.inferMany('add', 'predict', instances())) {
        seen.add(index);
        if (error !== undefined) failed.push(index);
        else expect((outputs['y'] as Tensor).toArray()).toEqual([index + 1, index + 2]);
      }
      expect([seen.size, failed]).toEqual([500, [77]]);
    });

    it('carries tensors of megabytes', async () => {
      const x = Float32Array.from({ length: 1_500_000 }, (_, i) => i % 1000);
      const { y } = await client.infer('echo', 'predict', { x });
      const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
        Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
      expect(bytesOf((y as Tensor).data).equals(bytesOf(x))).toBe(true);
    });

    it('lists and describes what is served, and writes it as TypeScript', async () => {
      const listed = await client.list();
      expect(listed).toContainEqual({ servable: 'turns', method: 'predict', version: 2 });
      expect(listed).toContainEqual({ servable: 'typed', method: 'all', version: 1 });
      const typed = await client.describe('typed', 'all');
      expect(typed).toMatchObject({ servable: 'typed', method: 'all', version: 1 });
      expect(typed.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
        ['text', 'string', []],
        ['raw', 'bytes', []],
        ['count', 'int64', []],
        ['matrix', 'float32', [2, -1]],
      ]);
      const text = typesOf([typed], 'a spec');
      expect(text).toContain("readonly matrix: NumbersFor<'float32'>;");
      expect(text).toContain('readonly count: bigint;');
    });
  });

  it('gets its types from mserve types: what does not fit is an error of tsc', () => {
    const folder = servableDirectory();
    const rest = fleet.gateways[0]?.rest as string;
    const program = (name: string, inputs: string): string => {
      writeFileSync(
        join(folder.path, `${name}.ts`),
        `import { Client } from '@mserve/client';
const { count, matrix } = await new Client('http://localhost').infer('typed', 'all', ${inputs});
export const sum: bigint = count + BigInt(matrix.size);
`,
      );
      return `${name}.ts`;
    };
    const good = program('good', "{ text: 'a', raw: new Uint8Array(1), count: 1n, matrix: [[1], [2]] }");
    const bad = program('bad', '{ text: 1, raw: new Uint8Array(1), count: 1n, matrix: [[1], [2]] }');
    writeFileSync(
      join(folder.path, 'servables.d.ts'),
      run('apps/server/bin/mserve.mjs', 'types', '--server', rest, '--servable', 'typed').stdout,
    );
    const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', skipLibCheck: true, types: ['node'] };
    const check = (file: string): { readonly status: number | null; readonly stdout: string } => {
      writeFileSync(join(folder.path, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['servables.d.ts', file] }));
      return run('node_modules/typescript/bin/tsc', '-p', folder.path);
    };
    expect(check(good)).toMatchObject({ status: 0, stdout: '' });
    expect(check(bad)).toMatchObject({
      status: 2,
      stdout: expect.stringContaining("Type 'number' is not assignable to type 'string'") as unknown,
    });
    expect(run('apps/server/bin/mserve.mjs', 'types', '--server', rest, '--servable', 'nobody')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("no servable 'nobody'") as unknown,
    });
    folder.remove();
  }, 60_000);

  it('sends the tickets of a scheduler that is killed to the next one', async () => {
    const client = open('NATS', { timeoutMs: 30_000 });
    await client.infer('add', 'predict', { x1: [0, 0], x2: [1, 2] });
    await fleet.processes.get('scheduler')?.stop('SIGKILL');
    const calls = Array.from({ length: 50 }, (_, n) => client.infer('add', 'predict', { x1: [n, n], x2: [1, 2] }));
    fleet.start('scheduler');
    const answers = await Promise.all(calls);
    expect(answers.map(({ y }) => (y as Tensor).toArray())).toEqual(Array.from({ length: 50 }, (_, n) => [n + 1, n + 2]));
  });
});

describe('a Client whose server is not as it should be', () => {
  it('is refused at once for an address or option that is none', () => {
    for (const address of ['127.0.0.1:1500', 'ftp://host', 'http://', 'grpc://host'])
      expect(() => new Client(address)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => new Client('http://host', { timeoutMs: 0 })).toThrow('timeoutMs is 0');
    expect(() => new Client('http://host', { retries: -1 })).toThrow('retries is -1');
  });

  it('says UNAVAILABLE where nobody listens, after its retries', async () => {
    for (const address of ['http://127.0.0.1:9', 'grpc://127.0.0.1:9']) {
      const client = new Client(address, { retries: 1 });
      await expect(client.list()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await client.close();
    }
    const client = new Client('nats://127.0.0.1:9', { timeoutMs: 300 });
    await expect(client.list()).rejects.toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/) as unknown });
    await client.close();
  });

  /** Answers requests as the function says: a status with a body, or undefined to cut the connection. */
  async function withServer(answer: () => readonly [number, string] | undefined, use: (client: Client) => Promise<void>): Promise<number> {
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      const said = answer();
      request.resume();
      if (said === undefined) return response.destroy();
      response.writeHead(said[0], { 'content-type': 'application/json', 'retry-after': '0' });
      return response.end(said[1]);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { retries: 4 });
    try {
      await use(client);
    } finally {
      await client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    return asked;
  }

  it('tries again what was refused for now, and nothing else', async () => {
    let left = 3;
    const asked = await withServer(
      () => (left-- > 0 ? [503, '{"error":"later"}'] : [200, '[]']),
      async (client) => expect(await client.list()).toEqual([]),
    );
    expect(asked).toBe(4);
    const always = await withServer(
      () => [503, '{"error":"later"}'],
      async (client) => expect(client.list()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'later' }),
    );
    expect(always).toBe(5);
    const lost = await withServer(
      () => undefined,
      async (client) => expect(client.list()).rejects.toMatchObject({ code: 'UNAVAILABLE' }),
    );
    expect(lost).toBe(1);
    const wrong = await withServer(
      () => [400, 'not even JSON'],
      async (client) => expect(client.list()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: 'the server answered 400' }),
    );
    expect(wrong).toBe(1);
  });

  it('understands no answer that is none', async () => {
    for (const body of ['', 'hello', '{"model_version":"1"}', '[[']) {
      await withServer(
        () => [200, body],
        async (client) => expect(client.infer('add', 'predict', {})).rejects.toMatchObject({ code: 'INTERNAL' }),
      );
    }
  });
});
