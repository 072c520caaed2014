import { join } from 'node:path';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, describe, expect, it } from '@jest/globals';
import { prefixed, RawGrpc, type RawReply } from '../../apps/gateway/src/testing/raw-grpc.js';
import { Random } from '../support/random.js';
import { mutatedCall, type RecordedCall } from '../support/grpc-mutations.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { residentMiB } from '../support/steady-load.js';

/**
 * Both gRPC services with requests that were damaged at random: the server goes on, every call ends, right requests are answered rightly all the while, and memory
 * stays flat. A second or so here; `npm run fuzz-grpc -- --seconds 600 --seed N` goes on for long. A seed gives the same calls in the same order.
 */

const seconds = Number(process.env['GRPC_FUZZ_SECONDS'] ?? 0);
const seed = Number(process.env['GRPC_FUZZ_SEED'] ?? 20261129);
/** Calls of the short form, which has no time of its own. */
const shortCalls = 1000;
/** Calls at a time, all on one connection. */
const atATime = 16;
/** After so many calls right requests are tried, and the connection is a new one. */
const roundCalls = 256;
/** Far more than any of these calls takes: one that has not ended by then hangs. */
const patienceMs = 60_000;
/** What memory may have grown by between the first quarter and the end. */
const mostGrowth = { share: 0.1, MiB: 50 };

const oip = '/inference.GRPCInferenceService/';
const ms = '/mindspore.serving.proto.MSService/';

function serializers(): (path: string, request: object) => RecordedCall {
  const options = { longs: String, keepCase: true };
  const loaded = ['inference/grpc_service.proto', 'mindspore_serving/proto/ms_service.proto'].map((file) =>
    loadPackageDefinition(loadSync(join(root, 'proto', file), options)),
  );
  return (path, request) => {
    const [, service = '', rpc = ''] = path.split('/');
    for (const definition of loaded) {
      let node: unknown = definition;
      for (const part of service.split('.')) node = (node as Record<string, unknown> | undefined)?.[part];
      const methods = (node as { readonly service: ServiceDefinition } | undefined)?.service;
      if (methods !== undefined) return { path, message: methods[rpc]?.requestSerialize(request) as Buffer };
    }
    throw new Error(`there is no ${path}`);
  };
}

const recorded = serializers();
const bytesOf = (values: Float32Array): Buffer => Buffer.from(values.buffer);
const image = bytesOf(new Float32Array(784).fill(0.5));
const raw = { model_name: 'digits.logits', inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 1, 28, 28] }] };

/** Right requests with answers that are known not to be errors. */
const right: readonly RecordedCall[] = [
  recorded(`${oip}ModelInfer`, {
    model_name: 'add.add_common',
    id: 'a',
    inputs: ['x1', 'x2'].map((name) => ({ name, datatype: 'FP32', shape: [2, 2], contents: { fp32_contents: [1, 2, 3, 4] } })),
    outputs: [{ name: 'y' }],
  }),
  recorded(`${oip}ModelInfer`, {
    model_name: 'add.add_common',
    parameters: { timeout: { int64_param: 5_000_000 }, tag: { string_param: 'x' } },
    inputs: ['x1', 'x2'].map((name) => ({ name, datatype: 'FP32', shape: [2, 2] })),
    raw_input_contents: [bytesOf(Float32Array.of(1, 2, 3, 4)), bytesOf(Float32Array.of(1, 2, 3, 4))],
  }),
  recorded(`${ms}Predict`, {
    servable_spec: { name: 'add', method_name: 'add_common' },
    instances: [
      {
        items: Object.fromEntries(
          ['x1', 'x2'].map((name) => [name, { dtype: 'MS_FLOAT32', shape: { dims: [2, 2] }, data: bytesOf(Float32Array.of(1, 2, 3, 4)) }]),
        ),
      },
    ],
  }),
  recorded(`${oip}ServerReady`, {}),
  recorded(`${oip}ServerMetadata`, {}),
  recorded(`${oip}ModelReady`, { name: 'digits', version: '1' }),
  recorded(`${oip}ModelMetadata`, { name: 'digits.logits', version: '1' }),
  recorded(`${oip}ModelConfig`, { name: 'digits.logits' }),
  recorded(`${oip}ModelStatistics`, { name: 'add.add_common' }),
  recorded(`${oip}RepositoryIndex`, { ready: true }),
];

/** What is damaged besides: a larger message, a stream, and what is refused anyway. */
const others: readonly RecordedCall[] = [
  recorded(`${oip}ModelInfer`, { ...raw, raw_input_contents: [image] }),
  { ...recorded(`${oip}ModelInfer`, { ...raw, raw_input_contents: [image] }), path: `${oip}ModelStreamInfer` },
  recorded(`${oip}RepositoryModelLoad`, { model_name: 'digits', parameters: { config: { string_param: '{}' } } }),
  recorded(`${oip}RepositoryModelUnload`, { model_name: 'digits' }),
  recorded(`${ms}Predict`, {
    servable_spec: { name: 'digits', method_name: 'classify' },
    instances: [{ items: { image: { dtype: 'MS_BYTES', shape: { dims: [] }, bytes_val: [Buffer.from('<svg/>')] } } }],
  }),
];

/** For these gRPC has INTERNAL: frames and headers that are not gRPC's, and (grpc-js, and gRPC in other languages) messages that are not protobuf. */
const expectedInternal =
  /^(?:the request message (?:ends|is not \w+)|the last message of the stream is cut off|grpc-timeout is|Invalid grpc-timeout|Error deserializing request|a unary call has one request message|the stream ends|.*compress)/;

/** What is wrong with an answer to a damaged call; undefined when nothing is. Other INTERNALs, and UNKNOWN, mean that something threw which nobody thought of. */
function complaint(reply: RawReply | undefined): string | undefined {
  if (reply === undefined) return `has not ended after ${patienceMs} ms`;
  const { ':status': http, 'grpc-status': status, 'grpc-message': text } = reply.headers;
  if (reply.rstCode !== undefined && reply.rstCode !== 0 && http === undefined) return undefined;
  if (Number(http) !== 200) return [405, 415].includes(Number(http)) ? undefined : `HTTP status ${http}`;
  const isKnown = status === '13' && expectedInternal.test(decodeURIComponent(String(text)));
  return status === undefined || status === '2' || (status === '13' && !isKnown) ? `grpc-status ${status}: ${text}` : undefined;
}

async function inTime(reply: Promise<RawReply>): Promise<RawReply | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), patienceMs)));
  return Promise.race([reply, late]).finally(() => clearTimeout(timer));
}

describe('damaged requests over gRPC', () => {
  let server: (RunningProcess & ServerAddresses) | undefined;
  afterEach(async () => {
    await server?.stop();
  }, 60_000);

  /** One round of damaged calls on a connection of its own; complaints with what repeats them. */
  async function round(address: string, random: Random, complaints: string[]): Promise<void> {
    const connection = await RawGrpc.open(address);
    let left = roundCalls;
    const calls = [...right, ...others];
    const client = async (): Promise<void> => {
      while (left-- > 0 && complaints.length < 10) {
        const { path, frame, headers } = mutatedCall(calls, random);
        if (connection.session.destroyed) return;
        const wrong = complaint(await inTime(connection.call([frame], { ':path': path, ...headers })));
        if (wrong !== undefined) complaints.push(`${path} ${JSON.stringify(headers)} ${frame.toString('base64').slice(0, 2000)}: ${wrong}`);
      }
    };
    await Promise.all(Array.from({ length: atATime }, client));
    connection.close();
  }

  async function tryRight(address: string): Promise<void> {
    const connection = await RawGrpc.open(address);
    for (const { path, message } of right) {
      const { headers, body } = await connection.call([prefixed(message)], { ':path': path });
      expect([path, headers['grpc-status'], body.length > 5]).toEqual([path, '0', true]);
      // The sum, as little-endian float32, whatever the protocol around it
      if (path.endsWith('Infer') && message.includes(image)) continue;
      if (/Predict|ModelInfer/.test(path) && !body.includes(bytesOf(Float32Array.of(2, 4, 6, 8)))) expect([path, body]).toBe('the sum');
    }
    connection.close();
  }

  it(
    `cost nobody anything but themselves (seed ${seed})`,
    async () => {
      server = await serveDirectory('examples', ['--ops', '']);
      const { pid } = server.child;
      const random = new Random(seed);
      const complaints: string[] = [];
      const endAt = performance.now() + seconds * 1000;
      const quarterAt = endAt - seconds * 750;
      let calls = 0;
      let early = 0;
      const isOver = (): boolean => (seconds > 0 ? performance.now() >= endAt : calls >= shortCalls);
      while (!isOver() && complaints.length === 0) {
        await round(server.grpc, random, complaints);
        await tryRight(server.grpc);
        calls += roundCalls;
        const isEarly = seconds > 0 ? performance.now() <= quarterAt : calls <= shortCalls / 2;
        if (isEarly || early === 0) early = residentMiB(pid as number);
      }
      const late = residentMiB(pid as number);
      if (seconds > 0) console.log(`${calls} calls, ${early.toFixed(0)} MiB after a quarter, ${late.toFixed(0)} MiB in the end`);
      expect(complaints).toEqual([]);
      expect(server.child.exitCode).toBeNull();
      expect(late).toBeLessThan(early * (1 + mostGrowth.share) + mostGrowth.MiB);
      expect(await server.stop()).toBe(0);
    },
    300_000 + seconds * 1000,
  );
});
