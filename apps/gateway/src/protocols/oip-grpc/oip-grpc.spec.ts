import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ServingError,
  dtypeEntry,
  dtypeTable,
  isVariableSize,
  packElements,
  unpackElements,
  type DType,
  type InstanceResult,
  type ServingErrorCode,
  type Tensor,
} from '@mserve/wire';
import { oipProto } from '@mserve/wire/gen';
import type { IngressRequest } from '../../edge/ingress.js';
import { createProtocols } from '../index.js';
import { numbersOf } from '../json/value-text.js';
import { tooLarge } from '../../edge/status.js';
import { FakeCatalog, method, named, rawRequest } from '../testing/fake-catalog.js';
import { noContents } from '../testing/no-contents.js';

const catalog = new FakeCatalog('m', [
  method('predict', named('a', 'b'), named('y', 'z')),
  method('one', named('x'), named('y')),
  method('whole', named('x'), named('y'), false),
  method('constant', [], named('y'), false),
]);
const protocol = createProtocols({ maxMessageBytes: 1 << 20 })['oip-grpc'];

type Input = oipProto.ModelInferRequest_InferInputTensor;
type Contents = oipProto.InferTensorContents;

function input(name: string, datatype: string, shape: readonly number[], contents?: Partial<Contents>): Input {
  return {
    name,
    datatype,
    shape: shape.map(BigInt),
    parameters: {},
    contents: contents === undefined ? undefined : { ...noContents, ...contents },
  };
}

function request(partial: Partial<oipProto.ModelInferRequest>): IngressRequest {
  const message = oipProto.ModelInferRequest.encode({
    modelName: 'm.one',
    modelVersion: '',
    id: '',
    parameters: {},
    inputs: [],
    outputs: [],
    rawInputContents: [],
    ...partial,
  });
  return rawRequest('oip-grpc', '', message.finish());
}

function decoded(partial: Partial<oipProto.ModelInferRequest>): Tensor {
  return protocol.decode(request(partial), catalog).instances[0]?.[0] as Tensor;
}

function refusal(raw: IngressRequest): { status: number; message: string } {
  try {
    protocol.decode(raw, catalog);
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    const answer = protocol.refuse(raw, thrown);
    if (answer.kind !== 'grpc-error') throw new Error('not a status');
    return { status: answer.status, message: answer.message };
  }
  throw new Error('the request was accepted');
}

function response(raw: IngressRequest, results: readonly InstanceResult[]): oipProto.ModelInferResponse {
  const answer = protocol.encode(raw, protocol.decode(raw, catalog), results);
  if (answer.kind !== 'grpc') throw new Error(`not a response: ${JSON.stringify(answer)}`);
  return oipProto.ModelInferResponse.decode(Buffer.concat(answer.message));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Elements of a tensor as the typed contents of a message, by the generated types. */
function typedContents({ dtype, shape, bytes }: Tensor): Partial<Contents> {
  if (dtype === 'string' || dtype === 'bytes') return { bytesContents: unpackElements({ dtype, shape, bytes }) };
  const values = numbersOf(dtype, bytes);
  const numbers = Array.from(values as ArrayLike<number>);
  if (dtype === 'bool') return { boolContents: numbers.map((value) => value !== 0) };
  if (dtype === 'int64') return { int64Contents: Array.from(values as ArrayLike<bigint>) };
  if (dtype === 'uint64') return { uint64Contents: Array.from(values as ArrayLike<bigint>) };
  if (dtype === 'float32') return { fp32Contents: numbers };
  if (dtype === 'float64') return { fp64Contents: numbers };
  return dtype.startsWith('u') ? { uintContents: numbers } : { intContents: numbers };
}

const typed = dtypeTable.map(({ dtype }) => dtype).filter((dtype) => !dtype.includes('16') || dtype.includes('int'));

function tensors(dtypes: readonly DType[], first?: number): fc.Arbitrary<Tensor> {
  return fc
    .tuple(fc.constantFrom(...dtypes.filter((dtype) => dtype !== 'string')), fc.array(fc.nat(3), { maxLength: 3 }))
    .chain(([dtype, rest]) => {
      const shape = first === undefined ? rest : [first, ...rest];
      const count = shape.reduce((product, dim) => product * dim, 1);
      if (dtype === 'bytes')
        return fc
          .array(fc.uint8Array({ maxLength: 9 }), { minLength: count, maxLength: count })
          .map((all): Tensor => ({ dtype, shape, bytes: packElements(all) }));
      const size = count * dtypeEntry(dtype).elementBytes;
      const bytes = fc.uint8Array({ minLength: size, maxLength: size });
      // A NaN may lose its sign and signal bits in the generated code, a bool is 0 or 1.
      if (dtype === 'bool') return bytes.map((each): Tensor => ({ dtype, shape, bytes: each.map((byte) => byte & 1) }));
      return bytes
        .filter((each) =>
          Array.from(numbersOf(dtype, each) as ArrayLike<number>).every((value) => typeof value === 'bigint' || !Number.isNaN(value)),
        )
        .map((each): Tensor => ({ dtype, shape, bytes: each }));
    });
}

/** The dtype of an undeclared input inside mserve: BYTES that are all UTF-8 are text. */
function arriving(tensor: Tensor): DType {
  if (!isVariableSize(tensor.dtype)) return tensor.dtype;
  const elements = unpackElements(tensor);
  return elements.length > 0 && elements.every((element) => isUtf8(element)) ? 'string' : 'bytes';
}

describe('against the generated code', () => {
  const pairs = (dtypes: readonly DType[]): fc.Arbitrary<[Tensor, Tensor, number]> =>
    fc.integer({ min: 1, max: 4 }).chain((count) => fc.tuple(tensors(dtypes, count), tensors(dtypes, count), fc.constant(count)));

  function expectBatch(raw: IngressRequest, [a, b, count]: [Tensor, Tensor, number]): void {
    const { instances } = protocol.decode(raw, catalog);
    expect(instances).toHaveLength(count);
    for (const [index, whole] of [a, b].entries()) {
      expect(hex(Buffer.concat(instances.map((instance) => (instance[index] as Tensor).bytes)))).toBe(hex(whole.bytes));
      for (const instance of instances)
        expect([instance[index]?.dtype, instance[index]?.shape]).toEqual([arriving(whole), whole.shape.slice(1)]);
    }
  }

  it('decodes raw contents', () => {
    fc.assert(
      fc.property(pairs(dtypeTable.map(({ dtype }) => dtype)), ([a, b, count]) => {
        const inputs = [input('b', dtypeEntry(b.dtype).oipName, b.shape), input('a', dtypeEntry(a.dtype).oipName, a.shape)];
        expectBatch(request({ modelName: 'm', inputs, rawInputContents: [b.bytes, a.bytes] }), [a, b, count]);
      }),
    );
  });

  it('decodes typed contents', () => {
    fc.assert(
      fc.property(pairs(typed), ([a, b, count]) => {
        const inputs = [
          input('a', dtypeEntry(a.dtype).oipName, a.shape, typedContents(a)),
          input('b', dtypeEntry(b.dtype).oipName, b.shape, typedContents(b)),
        ];
        expectBatch(request({ modelName: 'm', inputs }), [a, b, count]);
      }),
    );
  });

  const x: Input = input('x', 'INT8', [1], { intContents: [1] });

  it('encodes raw contents', () => {
    const raw = request({ id: 'i', inputs: [{ ...x, contents: undefined }], rawInputContents: [Uint8Array.of(1)] });
    fc.assert(
      fc.property(tensors(dtypeTable.map(({ dtype }) => dtype)), (y) => {
        const { outputs, rawOutputContents, ...head } = response(raw, [{ outputs: [y] }]);
        expect(head).toEqual({ modelName: 'm.one', modelVersion: '2', id: 'i', parameters: {} });
        expect(outputs).toEqual([
          { name: 'y', datatype: dtypeEntry(y.dtype).oipName, shape: [1, ...y.shape].map(BigInt), parameters: {}, contents: undefined },
        ]);
        expect(rawOutputContents.map(hex)).toEqual([hex(y.bytes)]);
      }),
    );
  });

  it('encodes raw contents for a request without inputs, as Triton does', () => {
    const y: Tensor = { dtype: 'int8', shape: [1], bytes: Uint8Array.of(7) };
    expect(response(request({ modelName: 'm.constant' }), [{ outputs: [y] }]).rawOutputContents.map(hex)).toEqual(['07']);
  });

  it('encodes typed contents', () => {
    fc.assert(
      fc.property(tensors(typed), (y) => {
        const { outputs, rawOutputContents } = response(request({ inputs: [x] }), [{ outputs: [y] }]);
        const contents = outputs[0]?.contents as Contents;
        const plain = (each: Contents): unknown => ({ ...each, bytesContents: each.bytesContents.map(hex) });
        expect(rawOutputContents).toEqual([]);
        expect(plain(contents)).toEqual(plain({ ...noContents, ...typedContents(y) }));
      }),
    );
  });

  it('answers every mutation of a message', () => {
    const good = request({
      modelName: 'm',
      id: 'i',
      inputs: [
        input('a', 'INT64', [2, 1], { int64Contents: [5n, -1n] }),
        input('b', 'BYTES', [2], { bytesContents: [Buffer.from('a'), Buffer.from('b')] }),
      ],
      outputs: [{ name: 'z', parameters: {} }],
    }).body;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(good.length),
        (changes, length) => {
          const body = Buffer.from(good).subarray(0, length);
          for (const [at, byte] of changes) if (at < length) body[at] = byte;
          try {
            protocol.decode(rawRequest('oip-grpc', '', body), catalog);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(ServingError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('decode', () => {
  it('takes raw contents and packed floats as views of the message', () => {
    const raw = request({ inputs: [input('x', 'FP32', [1, 1])], rawInputContents: [new Uint8Array(4)] });
    const packed = request({ inputs: [input('x', 'FP32', [1, 1], { fp32Contents: [1.5] })] });
    for (const each of [raw, packed]) expect(protocol.decode(each, catalog).instances[0]?.[0]?.bytes.buffer).toBe(each.body.buffer);
  });

  it('takes elements that are not packed, too', () => {
    // InferTensorContents { int_contents: 5, int_contents: -1 } with a tag for each
    const contents = Buffer.from('1005' + '10ffffffffffffffffff01', 'hex');
    const tensor = Buffer.concat([Buffer.from('0a0178' + '1204494e5438' + '18011802' + '2a', 'hex'), Buffer.of(contents.length), contents]);
    const body = Buffer.concat([Buffer.from('0a056d2e6f6e65', 'hex'), Buffer.of(0x2a, tensor.length), tensor]);
    expect(hex(protocol.decode(rawRequest('oip-grpc', '', body), catalog).instances[0]?.[0]?.bytes as Uint8Array)).toBe('05ff');
  });

  it('gives one instance of a method without batch dim its shape as it is', () => {
    expect(decoded({ modelName: 'm.whole', inputs: [input('x', 'INT8', [2, 1], { intContents: [1, 2] })] }).shape).toEqual([2, 1]);
  });

  it.each<[string, Partial<oipProto.ModelInferRequest>, number, string]>([
    ['an unknown model', { modelName: 'no.one' }, 5, 'Request servable(no) method(one) , servable is not available'],
    ['an unknown version', { modelVersion: '9' }, 5, 'Request servable(m) method(one)  version(9) , servable is not available'],
    ['an input missing', {}, 3, `input 'x' is missing`],
    ['an unknown input', { inputs: [input('q', 'INT8', [1], {})] }, 3, `unexpected input 'q', m.one takes 'x'`],
    [
      'an input twice',
      { inputs: [input('x', 'INT8', [1], { intContents: [1] }), input('x', 'INT8', [1], { intContents: [1] })] },
      3,
      `input 'x' is given twice`,
    ],
    ['an unknown datatype', { inputs: [input('x', 'INT7', [1], {})] }, 3, `input 'x' has datatype 'INT7', which is none of the protocol's`],
    [
      'raw contents that are short',
      { inputs: [input('x', 'INT32', [1, 2])], rawInputContents: [new Uint8Array(4)] },
      3,
      `input 'x' of shape [1, 2] needs 8 bytes, it has 4`,
    ],
    [
      'fewer raw contents than inputs',
      { inputs: [input('x', 'INT8', [1]), input('x', 'INT8', [1])], rawInputContents: [new Uint8Array(1)] },
      3,
      'the request has 2 inputs and 1 raw_input_contents',
    ],
    [
      'both raw and typed contents',
      { inputs: [input('x', 'INT8', [1], { intContents: [1] })], rawInputContents: [new Uint8Array(1)] },
      3,
      `input 'x' has contents although the request has raw_input_contents`,
    ],
    [
      'contents of another type',
      { inputs: [input('x', 'FP32', [1], { intContents: [1] })] },
      3,
      `input 'x' is FP32, its contents are in a field of another type`,
    ],
    ['300 into INT8', { inputs: [input('x', 'INT8', [1], { intContents: [300] })] }, 3, `input 'x': 300 is not a value of INT8`],
    [
      'typed contents of FP16',
      { inputs: [input('x', 'FP16', [1], {})] },
      3,
      `input 'x': FP16 has no typed contents, send it in raw_input_contents`,
    ],
    [
      'fewer elements than the shape says',
      { inputs: [input('x', 'INT8', [3], { intContents: [1, 2] })] },
      3,
      `input 'x' of shape [3] needs 3 elements, its contents have 2`,
    ],
    [
      'more elements than the shape says',
      { inputs: [input('x', 'INT8', [1], { intContents: [1, 2] })] },
      3,
      `input 'x' of shape [1] needs 1 elements, its contents have more`,
    ],
    [
      'a negative dim',
      { inputs: [input('x', 'INT8', [-1])], rawInputContents: [new Uint8Array(1)] },
      3,
      'shape [-1] has a dim that is not a non-negative integer',
    ],
    [
      'a product past 2^53',
      { inputs: [input('x', 'INT8', [2 ** 32, 2 ** 32])], rawInputContents: [new Uint8Array(1)] },
      3,
      'shape [4294967296, 4294967296] has too many elements',
    ],
    [
      '1000 dims',
      { inputs: [input('x', 'INT8', new Array<number>(1000).fill(1))], rawInputContents: [new Uint8Array(1)] },
      3,
      `input 'x': shape has 1000 dims, at most 64 are allowed`,
    ],
    [
      'a tensor over the message limit',
      { inputs: [input('x', 'INT64', [1 << 18], {})] },
      8,
      `input 'x' of shape [262144] is bigger than 1048576 bytes`,
    ],
    [
      'more instances than are allowed',
      { inputs: [input('x', 'INT8', [65_537])], rawInputContents: [new Uint8Array(65_537)] },
      8,
      'the request has 65537 instances, at most 65536 are allowed',
    ],
    [
      '10,000 outputs',
      { inputs: [input('x', 'INT8', [1], { intContents: [1] })], outputs: new Array(10_000).fill({ name: 'y', parameters: {} }) as never },
      8,
      'the request has more than 1024 outputs',
    ],
    [
      'an output twice',
      {
        inputs: [input('x', 'INT8', [1], { intContents: [1] })],
        outputs: [
          { name: 'y', parameters: {} },
          { name: 'y', parameters: {} },
        ],
      },
      3,
      `output 'y' is requested twice`,
    ],
    [
      'shared memory',
      {
        inputs: [
          { ...input('x', 'INT8', [1]), parameters: { shared_memory_region: { parameterChoice: { $case: 'stringParam', value: 'r' } } } },
        ],
      },
      3,
      `input 'x' has parameter 'shared_memory_region': shared memory of clients is not supported`,
    ],
  ])('refuses %s', (_, partial, status, text) => {
    expect(refusal(request(partial))).toEqual({ status, message: text });
  });

  it('takes priority and timeout out of the parameters', () => {
    const infer = protocol.decode(
      request({
        inputs: [input('x', 'INT8', [1], { intContents: [1] })],
        parameters: {
          priority: { parameterChoice: { $case: 'uint64Param', value: 3n } },
          timeout: { parameterChoice: { $case: 'int64Param', value: 1_000_000n } },
          other: { parameterChoice: { $case: 'doubleParam', value: 1 } },
        },
      }),
      catalog,
    );
    expect(infer.priority).toBe(253);
    expect(infer.deadlineAt).toBeLessThan(Infinity);
  });
});

describe('encode and refuse', () => {
  const x = input('x', 'INT8', [2], { intContents: [1, 2] });

  it('answers raw when an output has no typed form', () => {
    const y: Tensor = { dtype: 'bfloat16', shape: [], bytes: Uint8Array.of(0x80, 0x3f) };
    const { outputs, rawOutputContents } = response(request({ inputs: [x] }), [{ outputs: [y] }, { outputs: [y] }]);
    expect(outputs.map(({ datatype, shape, contents }) => [datatype, shape, contents])).toEqual([['BF16', [2n], undefined]]);
    expect(rawOutputContents.map(hex)).toEqual(['803f803f']);
  });

  it('a failed instance fails the request with the status of its code', () => {
    const raw = request({ inputs: [x] });
    const answer = protocol.encode(raw, protocol.decode(raw, catalog), [
      { outputs: [{ dtype: 'int8', shape: [], bytes: Uint8Array.of(1) }] },
      { failure: { code: 'ABORTED', message: 'no' } },
    ]);
    expect(answer).toEqual({ token: 7, kind: 'grpc-error', status: 10, message: 'no' });
  });

  it.each<[ServingErrorCode, number]>([
    ['CANCELLED', 1],
    ['INVALID_ARGUMENT', 3],
    ['DEADLINE_EXCEEDED', 4],
    ['NOT_FOUND', 5],
    ['RESOURCE_EXHAUSTED', 8],
    ['ABORTED', 10],
    ['UNIMPLEMENTED', 12],
    ['INTERNAL', 13],
    ['UNAVAILABLE', 14],
  ])('%s is gRPC status %d', (code, status) => {
    expect(protocol.refuse(request({}), new ServingError(code, 't'))).toEqual({ token: 7, kind: 'grpc-error', status, message: 't' });
  });

  it('a message over the limit is RESOURCE_EXHAUSTED', () => {
    expect(protocol.refuse(request({}), tooLarge('t'))).toMatchObject({ status: 8 });
  });
});
