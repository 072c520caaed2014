import { describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import { msProto, oipProto } from '@mserve/wire/gen';
import type { InferRoute } from '../edge/ingress.js';
import { createProtocols } from './index.js';
import { FakeCatalog, method, rawRequest } from './testing/fake-catalog.js';
import { noContents } from './testing/no-contents.js';

const most = { maxRequestInstances: 3, maxTensorStrings: 4, maxJsonDepth: 8 };
const protocols = createProtocols({ maxMessageBytes: 1 << 20, ...most });
const roomy = createProtocols({ maxMessageBytes: 1 << 20 });
const catalog = new FakeCatalog('kit', [
  method('predict', [{ name: 'x', dtype: 'int32' }], [{ name: 'y' }]),
  method('texts', [{ name: 'x', dtype: 'string' }], [{ name: 'y' }], false),
]);

function outcome(made: typeof protocols, route: InferRoute, path: string, body: Uint8Array | string): string {
  try {
    return `${made[route].decode(rawRequest(route, path, body), catalog).instances.length} instances`;
  } catch (thrown) {
    return thrown instanceof ServingError ? `${thrown.code} ${thrown.message}` : String(thrown);
  }
}

const msBody = (count: number): string => JSON.stringify({ instances: Array.from({ length: count }, () => ({ x: 1 })) });
const msMessage = (count: number): Uint8Array => {
  const x = {
    dtype: msProto.DataType.MS_INT32,
    shape: { dims: [1n] },
    tensorData: { $case: 'data' as const, value: Buffer.alloc(4) },
    bytesVal: [],
  };
  const servableSpec = { name: 'kit', versionNumber: 0n, methodName: 'predict' };
  return msProto.PredictRequest.encode({
    servableSpec,
    instances: Array.from({ length: count }, () => ({ items: { x }, outputBuffers: {} })),
  }).finish();
};
const oipBody = (datatype: string, shape: readonly number[], data: readonly unknown[]): string =>
  JSON.stringify({ inputs: [{ name: 'x', datatype, shape, data }] });
const oipMessage = (
  modelName: string,
  datatype: string,
  shape: readonly number[],
  contents: Partial<oipProto.InferTensorContents>,
): Uint8Array => {
  const x = { name: 'x', datatype, shape: shape.map(BigInt), parameters: {}, contents: { ...noContents, ...contents } };
  const more = { modelVersion: '', id: '', parameters: {}, outputs: [], rawInputContents: [] };
  return oipProto.ModelInferRequest.encode({ ...more, modelName, inputs: [x] }).finish();
};
const ones = (count: number): number[] => new Array<number>(count).fill(1);
const letters = (count: number): string[] => new Array<string>(count).fill('a');

describe('what a request may have', () => {
  it.each<[string, InferRoute, string, (count: number) => Uint8Array | string]>([
    ['MSService over REST', 'ms-rest', '/model/kit:predict', msBody],
    ['MSService over gRPC', 'ms-grpc', '', msMessage],
    ['the Open Inference Protocol over REST', 'oip-rest', '/v2/models/kit/infer', (n) => oipBody('INT32', [n, 1], ones(n))],
    ['the Open Inference Protocol over gRPC', 'oip-grpc', '', (n) => oipMessage('kit', 'INT32', [n, 1], { intContents: ones(n) })],
  ])('instances by %s', (_name, route, path, body) => {
    expect(outcome(protocols, route, path, body(3))).toBe('3 instances');
    expect(outcome(protocols, route, path, body(4))).toMatch(/^RESOURCE_EXHAUSTED the request has .*\b3\b/);
    expect(outcome(roomy, route, path, body(4))).toBe('4 instances');
  });

  it.each<[string, InferRoute, string, (count: number) => Uint8Array | string]>([
    ['REST', 'oip-rest', '/v2/models/kit.texts/infer', (n) => oipBody('BYTES', [n], letters(n))],
    ['gRPC', 'oip-grpc', '', (n) => oipMessage('kit.texts', 'BYTES', [n], { bytesContents: letters(n).map((text) => Buffer.from(text)) })],
  ])('strings of a tensor over %s', (_name, route, path, body) => {
    expect(outcome(protocols, route, path, body(4))).toBe('1 instances');
    expect(outcome(protocols, route, path, body(5))).toBe('RESOURCE_EXHAUSTED a tensor of the request has more than 4 strings');
    expect(outcome(roomy, route, path, body(5))).toBe('1 instances');
  });

  it.each<[string, InferRoute, string, (deep: string) => string]>([
    ['/model', 'ms-rest', '/model/kit:predict', (deep) => `{"more":${deep},"instances":[{"x":1}]}`],
    ['/v2', 'oip-rest', '/v2/models/kit/infer', (deep) => oipBody('INT32', [1, 1], [1]).replace('{', `{"more":${deep},`)],
  ])('nesting of the JSON of %s', (_name, route, path, body) => {
    const nested = (depth: number): string => body('['.repeat(depth - 1) + ']'.repeat(depth - 1));
    expect(outcome(protocols, route, path, nested(8))).toBe('1 instances');
    expect(outcome(protocols, route, path, nested(9))).toMatch(/^INVALID_ARGUMENT .*nesting is deeper than 8$/);
    expect(outcome(roomy, route, path, nested(100))).toBe('1 instances');
    expect(outcome(roomy, route, path, nested(101))).toMatch(/nesting is deeper than 100$/);
  });
});
