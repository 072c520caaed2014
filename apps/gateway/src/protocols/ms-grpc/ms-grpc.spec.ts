import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { defaults } from '@mserve/config';
import fc from 'fast-check';
import {
  ServingError,
  dtypeOfBusNumber,
  dtypeTable,
  packElements,
  type DType,
  type InstanceResult,
  type ServingErrorCode,
  type Tensor,
} from '@mserve/wire';
import { msProto } from '@mserve/wire/gen';
import type { IngressAnswer } from '../../edge/ingress.js';
import { createProtocols, type InferRequest } from '../index.js';
import { tooLarge } from '../../edge/status.js';
import { FakeCatalog, method, named, rawRequest } from '../testing/fake-catalog.js';
import { kitMethods, runKit, type KitMethod } from '../testing/kit-methods.js';

const { maxRequestInstances: maxInstances } = defaults.gateway;
const protocol = createProtocols({ maxMessageBytes: 4 * 2 ** 20 })['ms-grpc'];
const kit = new FakeCatalog(
  'kit',
  [...kitMethods.values()].map(({ signature }) => signature),
);

function request(body: Uint8Array) {
  return rawRequest('ms-grpc', '', body);
}

/** Decode, run, encode; errors of the request shaped as the gateway does it. */
function serve(body: Uint8Array): IngressAnswer {
  try {
    const infer = protocol.decode(request(body), kit);
    return protocol.encode(request(body), infer, runKit(kitMethods.get(infer.target.method.name) as KitMethod, infer.instances));
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    return protocol.refuse(request(body), thrown);
  }
}

function replyOf(answer: IngressAnswer): msProto.PredictReply {
  if (answer.kind !== 'grpc') throw new Error(`not a reply: ${JSON.stringify(answer)}`);
  return msProto.PredictReply.decode(Buffer.concat(answer.message));
}

function errorsOf(answer: IngressAnswer): { code: number; text: string }[] {
  return replyOf(answer).errorMsg.map(({ errorCode, errorMsg }) => ({ code: Number(errorCode), text: Buffer.from(errorMsg).toString() }));
}

function message(partial: {
  name?: string;
  method?: string;
  version?: bigint;
  instances?: Record<string, Partial<msProto.Tensor>>[];
}): Uint8Array {
  const { name = 'kit', method: methodName = 'passthrough', version = 0n, instances = [] } = partial;
  return msProto.PredictRequest.encode({
    servableSpec: { name, methodName, versionNumber: version },
    instances: instances.map((items) => ({
      items: Object.fromEntries(
        Object.entries(items).map(([key, tensor]) => [key, { shape: undefined, dtype: 0, tensorData: undefined, bytesVal: [], ...tensor }]),
      ),
      outputBuffers: {},
    })),
  }).finish();
}

const dims = (...sizes: number[]): { dims: bigint[] } => ({ dims: sizes.map(BigInt) });
const data = (...bytes: number[]): { $case: 'data'; value: Uint8Array } => ({ $case: 'data', value: Uint8Array.from(bytes) });
const int8 = (value: number): Partial<msProto.Tensor> => ({ dtype: 2, shape: dims(1), tensorData: data(value & 0xff) });

describe('the exchanges recorded from the original', () => {
  const { bytes } = JSON.parse(readFileSync(new URL('../testing/exchanges.json', import.meta.url), 'utf8')) as {
    bytes: { id: string; request: string; reply: string }[];
  };

  it.each(bytes.map((exchange) => [exchange.id, exchange] as const))('%s is answered byte for byte', (_, exchange) => {
    const answer = serve(Buffer.from(exchange.request, 'hex'));
    if (answer.kind !== 'grpc') throw new Error('not a reply');
    expect(Buffer.concat(answer.message).toString('hex')).toBe(exchange.reply);
  });
});

interface CaseTensor {
  readonly dims?: number[];
  readonly dtype: string | number;
  readonly data?: string;
  readonly zero?: number;
  readonly bytes_val?: string[];
}
interface GrpcCase {
  readonly id: string;
  readonly request: { readonly spec: { name: string; method: string; version: number }; readonly instances: Record<string, CaseTensor>[] };
  readonly expect: {
    readonly errors?: { error_code: number; error_msg: string }[];
    readonly instances?: unknown[];
    readonly grpc_status?: string;
  };
  readonly quirk?: string;
}

const dtypeNames = [
  'unknown',
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'float32',
  'float64',
  'string',
  'bytes',
];

describe('the recorded gRPC cases of the original', () => {
  const cases = JSON.parse(readFileSync(new URL('../testing/grpc-cases.json', import.meta.url), 'utf8')) as GrpcCase[];
  // The worker's: model input checks. Function results of another dtype than the kit stand-ins give are compared end to end.
  const elsewhere = new Set(['grpc/error-code-model-dtype', 'grpc/fp16-bytes', 'grpc/error-list-partial']);

  it.each(
    cases
      .filter(({ id, expect: { grpc_status: status } }) => !elsewhere.has(id) && status === undefined)
      .map((grpcCase) => [grpcCase.id, grpcCase] as const),
  )('%s', (_, grpcCase) => {
    const { spec, instances } = grpcCase.request;
    const tensors = instances.map((items) =>
      Object.fromEntries(
        Object.entries(items).map(([name, tensor]) => [
          name,
          {
            shape: dims(...(tensor.dims ?? [])),
            dtype: typeof tensor.dtype === 'number' ? tensor.dtype : dtypeNames.indexOf(tensor.dtype),
            tensorData: tensor.data === undefined ? undefined : data(...Buffer.from(tensor.data, 'hex')),
            bytesVal: (tensor.bytes_val ?? []).map((hex) => Buffer.from(hex, 'hex')),
          } as Partial<msProto.Tensor>,
        ]),
      ),
    );
    const answer = serve(message({ name: spec.name, method: spec.method, version: BigInt(spec.version), instances: tensors }));
    expect(errorsOf(answer)).toEqual((grpcCase.expect.errors ?? []).map(({ error_code: code, error_msg: text }) => ({ code, text })));
    const shown = replyOf(answer).instances.map(({ items }) =>
      Object.fromEntries(
        Object.entries(items).map(([name, tensor]) => [
          name,
          {
            dims: (tensor.shape?.dims ?? []).map(Number),
            dtype: dtypeNames[tensor.dtype],
            ...(tensor.tensorData?.$case === 'data' ? { data: Buffer.from(tensor.tensorData.value).toString('hex') } : {}),
            ...(tensor.bytesVal.length > 0 ? { bytes_val: tensor.bytesVal.map((value) => Buffer.from(value).toString('hex')) } : {}),
          },
        ]),
      ),
    );
    expect(shown).toEqual(grpcCase.expect.instances);
  });
});

describe('decode', () => {
  it('takes tensors as views of the message', () => {
    const body = message({ instances: [{ x: int8(5) }] });
    const tensor = protocol.decode(request(body), kit).instances[0]?.[0] as Tensor;
    expect(tensor.bytes.buffer).toBe(body.buffer);
    expect([...tensor.bytes]).toEqual([5]);
  });

  it('gives inputs the order of the signature and ignores others', () => {
    const { instances } = protocol.decode(
      request(message({ method: 'sum_any', instances: [{ b: int8(2), zzz: int8(9), a: int8(1) }] })),
      kit,
    );
    expect(instances.map((instance) => instance.map(({ bytes }) => bytes[0]))).toEqual([[1, 2]]);
  });

  it('takes the last of two entries with one name, and skips fields it does not know', () => {
    const first = Buffer.from(message({ instances: [{ x: int8(1) }] }));
    const second = Buffer.from(message({ instances: [{ x: int8(2) }] }));
    const item = (body: Buffer): Buffer => body.subarray(body.indexOf(0x12, 20) + 2);
    const [a, b] = [item(first), item(second)];
    // field 15 as varint, fixed64, bytes, group and fixed32
    const unknown = Buffer.from('7805' + '79' + '00'.repeat(8) + '7a0161' + '7b7c' + '7d00000000', 'hex');
    const instances = Buffer.concat([Buffer.from([0x12, a.length + b.length + unknown.length]), a, unknown, b]);
    const body = Buffer.concat([first.subarray(0, first.indexOf(0x12, 20)), unknown, instances]);
    expect(protocol.decode(request(body), kit).instances[0]?.[0]?.bytes[0]).toBe(2);
  });

  it.each<[string, Partial<msProto.Tensor>, string]>([
    ['a short tensor', { dtype: 6, shape: dims(2), tensorData: data(0, 0, 0, 0) }, 'Tensor check failed: input data size 4 invalid'],
    ['a zero dim that is not last', { dtype: 6, shape: dims(0, 3) }, 'Tensor check failed: input  shape [0, 3] invalid'],
    ['a negative dim', { dtype: 6, shape: dims(-1) }, 'Tensor check failed: input  shape [-1] invalid'],
    [
      'two negative dims',
      { dtype: 2, shape: dims(-2, -2), tensorData: data(1, 2, 3, 4) },
      'Tensor check failed: input  shape [-2, -2] invalid',
    ],
    [
      'a product past 2^64',
      { dtype: 2, shape: dims(2 ** 32, 2 ** 32) },
      'Tensor check failed: input  shape [4294967296, 4294967296] invalid',
    ],
    ['2^31 elements', { dtype: 2, shape: dims(2 ** 31) }, 'Tensor check failed: input  shape [2147483648] invalid'],
    ['the least of all dims', { dtype: 2, shape: dims(-(2 ** 63)) }, 'Tensor check failed: input  shape [-9223372036854775808] invalid'],
    [
      'a huge dim beside a zero',
      { dtype: 2, shape: dims(2 ** 60, 0), tensorData: data(1) },
      'Tensor check failed: input data size 1 invalid',
    ],
    ['dtype 0', { dtype: 0, shape: dims(1), tensorData: data(0) }, 'Tensor check failed: input data type proto::MS_UNKNOWN invalid'],
    [
      'dtype 999',
      { dtype: 999 as msProto.DataType, shape: dims(1), tensorData: data(0) },
      'Tensor check failed: input data type proto::MS_UNKNOWN invalid',
    ],
    [
      'dtype 15, which only our bus has',
      { dtype: 15 as msProto.DataType, shape: dims(1), tensorData: data(0, 0) },
      'Tensor check failed: input data type proto::MS_UNKNOWN invalid',
    ],
    [
      'two strings',
      { dtype: 13, shape: dims(2), bytesVal: [Buffer.from('a'), Buffer.from('b')] },
      'Instance tensor check failed: bytes or string type shape batch size can only be 1',
    ],
    ['no string', { dtype: 13 }, 'Instance tensor check failed: bytes or string type shape batch size can only be 1'],
    [
      'a string of rank 2',
      { dtype: 13, shape: dims(1, 1), bytesVal: [Buffer.from('a')] },
      'Instance tensor check failed: bytes or string type input  shape can only be (1,) or empty, but given shape is [1, 1]',
    ],
    [
      '1000 dims',
      { dtype: 2, shape: dims(...new Array<number>(1000).fill(1)), tensorData: data(1) },
      'Tensor check failed: input  shape has 1000 dims, at most 64 are allowed',
    ],
    [
      'shared memory',
      {
        dtype: 2,
        shape: dims(1),
        tensorData: { $case: 'shmData', value: { memoryKey: 'k', bytesSize: 1n, dataOffset: 0n, dataSize: 1n } },
      },
      'shared memory of clients (shm_data) is not supported, send data',
    ],
  ])('refuses %s', (_, tensor, text) => {
    expect(errorsOf(serve(message({ instances: [{ x: int8(1) }, { x: tensor }] })))).toEqual([
      { code: 2, text: `Instances input x check failed, detail: ${text}` },
    ]);
  });

  it('refuses a request without instances, which the original never answers', () => {
    expect(errorsOf(serve(message({})))).toEqual([
      { code: 2, text: 'Instances count of request cannot be 0, servable: kit, method: passthrough' },
    ]);
  });

  it('keeps the largest version number in the spec of the refusal', () => {
    const reply = replyOf(serve(message({ version: 2n ** 64n - 1n, instances: [{ x: int8(1) }] })));
    expect(reply.servableSpec?.versionNumber).toBe(2n ** 64n - 1n);
    expect(reply.errorMsg.map(({ errorMsg }) => Buffer.from(errorMsg).toString())).toEqual([
      'Request servable(kit) method(passthrough)  version(18446744073709551615) , servable is not available',
    ]);
  });

  it('counts instances before it makes anything of them', () => {
    const flood = Buffer.alloc(2 * (maxInstances + 1), Buffer.from([0x12, 0x00]));
    expect(serve(flood)).toMatchObject({ kind: 'grpc-error', status: 8 });
  });

  it.each([
    ['a message that ends in a length', '0a'],
    ['wire type 7', '0f01'],
    ['a varint of 11 bytes', '08' + 'ff'.repeat(11)],
    ['tag 0', '0000'],
    ['a length past the end', '12ffffffff0f'],
    ['an open group', '7b'],
    ['the end of another group', '7b74'],
    ['a name that is not UTF-8', '0a040a02c328'],
    ['100,000 nested groups', '7b'.repeat(100_000)],
  ])('refuses %s with a gRPC status', (_, hex) => {
    expect(serve(Buffer.from(hex, 'hex'))).toMatchObject({ kind: 'grpc-error', status: 3 });
  });

  it('answers every mutation of a message', () => {
    const good = message({
      method: 'sum_any',
      version: 1n,
      instances: [
        { a: int8(1), b: { dtype: 13, shape: dims(1), bytesVal: [Buffer.from('text')] } },
        { a: int8(3), b: int8(4) },
      ],
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(good.length),
        (changes, length) => {
          const body = Buffer.from(good).subarray(0, length);
          for (const [at, byte] of changes) if (at < length) body[at] = byte;
          expect(() => {
            try {
              protocol.decode(request(body), kit);
            } catch (thrown) {
              protocol.refuse(request(body), ServingError.from(thrown));
              if (!(thrown instanceof ServingError)) throw thrown;
            }
          }).not.toThrow();
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('against the generated code', () => {
  const numbers = dtypeTable.filter(({ elementBytes, msNumber }) => elementBytes > 0 && msNumber !== undefined).map(({ dtype }) => dtype);
  const numberTensor = fc
    .tuple(fc.constantFrom(...numbers), fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }))
    .chain(([dtype, shape]) => {
      const sound = shape.includes(0) ? [...shape.filter((dim) => dim > 0), 0] : shape;
      const size =
        sound.reduce((product, dim) => product * dim, 1) *
        (dtypeTable.find((entry) => entry.dtype === dtype) as { elementBytes: number }).elementBytes;
      return fc.uint8Array({ minLength: size, maxLength: size }).map((bytes): Tensor => ({ dtype, shape: sound, bytes }));
    });
  const textTensor = fc
    .tuple(fc.constantFrom<DType>('string', 'bytes'), fc.constantFrom<readonly number[]>([], [1]), fc.uint8Array({ maxLength: 300 }))
    .map(([dtype, shape, bytes]): Tensor => ({ dtype, shape, bytes: packElements([bytes]) }));
  const tensor = fc.oneof(numberTensor, textTensor);
  const catalog = new FakeCatalog('s', [method('m', named('a', 'b'), named('p', 'q'))]);

  function wire({ dtype, shape, bytes }: Tensor): Partial<msProto.Tensor> {
    const entry = dtypeTable.find((each) => each.dtype === dtype) as { msNumber: msProto.DataType; elementBytes: number };
    const text = entry.elementBytes === 0;
    return {
      dtype: entry.msNumber,
      shape: dims(...shape),
      tensorData: text || bytes.length === 0 ? undefined : { $case: 'data', value: bytes },
      bytesVal: text ? [bytes.subarray(4)] : [],
    };
  }

  function plain(tensors: readonly Tensor[]) {
    return tensors.map(({ dtype, shape, bytes }) => ({ dtype, shape: [...shape], bytes: Buffer.from(bytes).toString('hex') }));
  }

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(tensor, tensor), { minLength: 1, maxLength: 5 }), (instances) => {
        const body = message({ name: 's', method: 'm', instances: instances.map(([a, b]) => ({ a: wire(a), b: wire(b) })) });
        const infer: InferRequest = protocol.decode(request(body), catalog);
        expect(infer.instances.map(plain)).toEqual(instances.map(plain));
      }),
    );
  });

  it('encodes what it decodes', () => {
    const failure = fc.record({
      code: fc.constantFrom<ServingErrorCode>('ABORTED', 'INTERNAL', 'INVALID_ARGUMENT'),
      message: fc.string({ unit: 'grapheme' }),
    });
    const result = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(tensor, tensor).map((outputs): InstanceResult => ({ outputs })) },
      { weight: 1, arbitrary: failure.map((each): InstanceResult => ({ failure: each })) },
    );
    const body = message({ name: 's', method: 'm', instances: [{ a: int8(1), b: int8(1) }] });
    const infer = protocol.decode(request(body), catalog);
    fc.assert(
      fc.property(fc.array(result, { minLength: 2, maxLength: 5 }), (results) => {
        fc.pre(results.some((each) => 'outputs' in each));
        const reply = replyOf(protocol.encode(request(body), infer, results));
        expect(reply.servableSpec).toEqual({ name: 's', methodName: 'm', versionNumber: 0n });
        const shown = reply.instances.map(({ items }) =>
          Object.values(items).map((each): Tensor => {
            const dtype = (dtypeOfBusNumber(each.dtype) as { dtype: DType }).dtype;
            const bytes =
              each.bytesVal.length > 0
                ? packElements(each.bytesVal)
                : each.tensorData?.$case === 'data'
                  ? each.tensorData.value
                  : new Uint8Array(0);
            return { dtype, shape: (each.shape?.dims ?? []).map(Number), bytes };
          }),
        );
        expect(shown.map(plain)).toEqual(results.map((each) => ('outputs' in each ? plain(each.outputs) : [])));
        const texts = reply.errorMsg.map(({ errorMsg }) => Buffer.from(errorMsg).toString());
        expect(texts).toEqual(
          results.some((each) => 'failure' in each) ? results.map((each) => ('failure' in each ? each.failure.message : '')) : [],
        );
      }),
    );
  });
});

describe('encode and refuse', () => {
  const body = message({ instances: [{ x: int8(1) }] });
  const infer = protocol.decode(request(body), kit);
  const failed = (code: ServingErrorCode, text: string): InstanceResult => ({ failure: { code, message: text } });
  const fine: InstanceResult = { outputs: [{ dtype: 'int8', shape: [1], bytes: Uint8Array.of(3) }] };

  it('collapses failures that are alike to one error without instances', () => {
    const answer = protocol.encode(request(body), infer, [failed('ABORTED', 'x'), failed('ABORTED', 'x')]);
    expect(replyOf(answer).instances).toEqual([]);
    expect(errorsOf(answer)).toEqual([{ code: 3, text: 'x' }]);
  });

  it('keeps failures with different texts apart', () => {
    const answer = protocol.encode(request(body), infer, [failed('ABORTED', 'x'), failed('ABORTED', 'y')]);
    expect(replyOf(answer).instances).toHaveLength(2);
    expect(errorsOf(answer)).toEqual([
      { code: 3, text: 'x' },
      { code: 3, text: 'y' },
    ]);
  });

  it('gives an error per instance when some failed, code 0 and no text for the others', () => {
    const answer = protocol.encode(request(body), infer, [failed('INTERNAL', 'Predict Failed'), fine]);
    expect(replyOf(answer).instances.map(({ items }) => Object.keys(items).length)).toEqual([0, 1]);
    expect(errorsOf(answer)).toEqual([
      { code: 1, text: 'Predict Failed' },
      { code: 0, text: '' },
    ]);
  });

  it.each<[ServingErrorCode, number]>([
    ['INVALID_ARGUMENT', 2],
    ['NOT_FOUND', 2],
    ['ABORTED', 3],
    ['INTERNAL', 1],
    ['RESOURCE_EXHAUSTED', 1],
    ['UNAVAILABLE', 5],
  ])('%s without a reason is error_code %d in a reply with the spec of the request', (code, number) => {
    // The text decides nothing
    const text = 'Request servable(kit) method(m) , servable is not available';
    const answer = protocol.refuse(request(body), new ServingError(code, text));
    expect(errorsOf(answer)).toEqual([{ code: number, text }]);
    expect(replyOf(answer).servableSpec).toEqual({ name: 'kit', methodName: 'passthrough', versionNumber: 0n });
  });

  it.each<[string, ServingError, number]>([
    ['a deadline', new ServingError('DEADLINE_EXCEEDED', 't'), 4],
    ['a cancellation', new ServingError('CANCELLED', 't'), 1],
    ['a message over the limit', tooLarge('Received message larger than max (9 vs. 8)'), 8],
  ])('%s is a true status', (_, error, status) => {
    expect(protocol.refuse(request(body), error)).toEqual({ token: 7, kind: 'grpc-error', status, message: error.message });
  });
});
