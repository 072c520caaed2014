import { describe, expect, it } from '@jest/globals';
import { ServingError, packElements, type DType, type ServingErrorCode, type Tensor } from '@mserve/wire';
import { createProtocols } from '../index.js';
import { numbersOf } from '../json/value-text.js';
import { catalog, decode, input, one, protocol, refusal, request, shown, tensorOf } from '../testing/oip-rest-requests.js';

describe('JSON tensors', () => {
  it.each<[string, string, unknown, DType, unknown]>([
    ['BOOL', '[true,false]', undefined, 'bool', [1, 0]],
    ['INT8', '[-128,127]', undefined, 'int8', [-128, 127]],
    ['UINT8', '[0,255]', undefined, 'uint8', [0, 255]],
    ['INT16', '[-32768,32767]', undefined, 'int16', [-32768, 32767]],
    ['UINT16', '[0,65535]', undefined, 'uint16', [0, 65535]],
    ['INT32', '[-2147483648,2147483647]', undefined, 'int32', [-2147483648, 2147483647]],
    ['UINT32', '[0,4294967295]', undefined, 'uint32', [0, 4294967295]],
    ['INT64', '[9007199254740993,-9223372036854775808]', undefined, 'int64', [9007199254740993n, -(2n ** 63n)]],
    ['UINT64', '[0,18446744073709551615]', undefined, 'uint64', [0n, 2n ** 64n - 1n]],
    ['FP32', '[0.1,-2e3]', undefined, 'float32', [Math.fround(0.1), -2000]],
    ['FP64', '[0.1,3]', undefined, 'float64', [0.1, 3]],
  ])('%s %s', (datatype, data, _, dtype, values) => {
    const tensor = tensorOf(`{"inputs":[{"name":"x","shape":[1,2],"datatype":"${datatype}","data":${data}}]}`);
    expect([tensor.dtype, tensor.shape]).toEqual([dtype, [2]]);
    expect(Array.from(numbersOf(tensor.dtype, tensor.bytes) as ArrayLike<number>)).toEqual(values);
  });

  it('may be nested, with data before the datatype', () => {
    const tensor = tensorOf('{"inputs":[{"data":[[[1,2],[3,4]]],"shape":[1,2,2],"name":"x","datatype":"INT32"}]}');
    expect([tensor.shape, [...new Int32Array(Uint8Array.from(tensor.bytes).buffer)]]).toEqual([
      [2, 2],
      [1, 2, 3, 4],
    ]);
  });

  it.each<[string, string, string]>([
    ['text where the signature says nothing', 'any', 'string'],
    ['text where it says so', 'text', 'string'],
    ['bytes where it says so', 'raw', 'bytes'],
  ])('BYTES are %s', (_, name, dtype) => {
    const tensor = tensorOf(
      { inputs: [{ name: 'x', shape: [1, 2], datatype: 'BYTES', data: ['é', 'b\u0000'] }] },
      { path: `/v2/models/m.${name}/infer` },
    );
    expect(tensor).toMatchObject({ dtype, shape: [2] });
    expect(Buffer.from(tensor.bytes)).toEqual(Buffer.from(packElements([Buffer.from('é'), Buffer.from('b\u0000')])));
  });

  it.each([
    ['before', '"datatype":"FP32","data":[Inf,-Inf,-NaN,NaN,-Infinity,Infinity,"NaN","-Infinity","Infinity",1]'],
    ['behind', '"data":[Inf,-Inf,-NaN,NaN,-Infinity,Infinity,"NaN","-Infinity","Infinity",1],"datatype":"FP32"'],
  ])('NaN and the infinities are read with and without quotes, the datatype %s them', (_, members) => {
    const tensor = tensorOf(`{"inputs":[{"name":"x","shape":[1,10],${members}}]}`);
    expect([...new Float32Array(Uint8Array.from(tensor.bytes).buffer)]).toEqual([
      Infinity,
      -Infinity,
      NaN,
      NaN,
      -Infinity,
      Infinity,
      NaN,
      -Infinity,
      Infinity,
      1,
    ]);
  });

  it('FP64, FP16 and BF16 take what FP32 takes, rounded to the nearest', () => {
    const data = [0.1, -2, 65504, 6e-8, 1, 'NaN', '-Infinity', 3.0009765625, -0.0];
    const bits = (datatype: string): number[] => [
      ...new Uint16Array(Uint8Array.from(tensorOf({ inputs: [{ name: 'x', shape: [1, 9], datatype, data }] }).bytes).buffer),
    ];
    // numpy 2.4 and ml_dtypes 0.5: np.array(data).astype(np.float16 | ml_dtypes.bfloat16).view(np.uint16)
    expect(bits('FP16')).toEqual([0x2e66, 0xc000, 0x7bff, 0x0001, 0x3c00, 0x7e00, 0xfc00, 0x4200, 0x0000]);
    expect(bits('BF16')).toEqual([0x3dcd, 0xc000, 0x4780, 0x3381, 0x3f80, 0x7fc0, 0xff80, 0x4040, 0x0000]);
    const double = tensorOf({ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP64', data: ['NaN', 0.1] }] });
    expect([...new Float64Array(Uint8Array.from(double.bytes).buffer)]).toEqual([NaN, 0.1]);
  });

  it('a member that is null counts as left out where it may be left out', () => {
    const body = {
      id: null,
      parameters: null,
      outputs: null,
      more: null,
      inputs: [{ name: 'x', shape: [1, 1], datatype: 'INT32', parameters: { binary_data_size: null }, data: [7] }],
    };
    const { echo, instances } = decode(body);
    expect([echo, instances[0]?.[0]?.shape]).toMatchObject([{ id: '', outputs: [{ index: 0 }, { index: 1 }] }, [1]]);
    expect(refusal({ inputs: null }).error).toContain('the body is not an infer request');
    expect(
      decode({ ...body, inputs: [{ ...body.inputs[0], parameters: null }], outputs: [{ name: 'z', parameters: null }] }).echo,
    ).toMatchObject({
      outputs: [{ index: 1, binary: false }],
    });
  });

  it('a tensor without elements is one when the shape says so', () => {
    expect(tensorOf(input('FP32', [1, 0], [])).shape).toEqual([0]);
  });

  it.each<[string, unknown, string]>([
    ['300 into INT8', input('INT8', [1, 1], [300]), `input 'x': 300 is not a value of INT8`],
    ['-1 into UINT8', input('UINT8', [1, 1], [-1]), `input 'x': -1 is not a value of UINT8`],
    ['1.5 into INT32', input('INT32', [1, 1], [1.5]), `input 'x': 1.5 is not a value of INT32`],
    [
      '2^63 into INT64',
      '{"inputs":[{"name":"x","shape":[1,1],"datatype":"INT64","data":[9223372036854775808]}]}',
      `input 'x': 9223372036854775808 is not a value of INT64`,
    ],
    ['1e39 into FP32', input('FP32', [1, 1], [1e39]), `input 'x': 1e+39 is not a value of FP32`],
    [
      'text into INT32',
      input('INT32', [1, 1], ['1']),
      `input 'x': data must be a flat or nested array of INT32 values, all rows of one depth equally long`,
    ],
    [
      'null into FP32',
      input('FP32', [1, 1], [null]),
      `input 'x': data must be a flat or nested array of FP32 values (numbers, "NaN", "Infinity", "-Infinity"), all rows of one depth equally long`,
    ],
    [
      'ragged rows',
      input('INT32', [1, 2, 2], [[[1, 2], [3]]]),
      `input 'x': data must be a flat or nested array of INT32 values, all rows of one depth equally long`,
    ],
    ['too few elements', input('INT32', [2, 2], [1, 2, 3]), `input 'x' of shape [2, 2] needs 4 elements, data has 3`],
    ['nesting unlike the shape', input('INT32', [2, 2], [[1, 2, 3, 4]]), `input 'x' has shape [2, 2], data is nested as [1, 4]`],
    ['65520 into FP16', input('FP16', [1, 1], [65520]), `input 'x': 65520 is not a value of FP16`],
    ['1e39 into BF16', input('BF16', [1, 1], [1e39]), `input 'x': 1e+39 is not a value of BF16`],
    [
      '"nan" into FP32',
      input('FP32', [1, 1], ['nan']),
      `input 'x': data must be a flat or nested array of FP32 values (numbers, "NaN", "Infinity", "-Infinity"), all rows of one depth equally long`,
    ],
    ['an unknown datatype', input('FP8', [1, 1], [1]), `input 'x' has datatype 'FP8', which is none of the protocol's`],
    ['a negative dim', input('INT32', [-1, -1], [1]), `input 'x': shape must be an array of non-negative integers`],
    ['a product past 2^53', input('INT32', [2 ** 32, 2 ** 32], [1]), 'shape [4294967296, 4294967296] has too many elements'],
    ['65 dims', input('INT32', new Array(65).fill(1), [1]), `input 'x': shape has more than 64 dims`],
    ['no shape', { inputs: [{ name: 'x', datatype: 'INT32', data: [1] }] }, `input 'x' has no shape`],
    ['no data', { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 1] }] }, `input 'x' has no data`],
    [
      'no inputs',
      {},
      `the body is not an infer request: {id?, parameters?, inputs: [{name, shape, datatype, parameters?, data}], outputs?}`,
    ],
    ['inputs missing', { id: 'a' }, `the request has no 'inputs'`],
    ['an unknown input', { inputs: [{ name: 'q', shape: [1], datatype: 'INT8', data: [1] }] }, `unexpected input 'q', m.any takes 'x'`],
    [
      'an input twice',
      { inputs: [1, 2].map((value) => ({ name: 'x', shape: [1, 1], datatype: 'INT8', data: [value] })) },
      `input 'x' is given twice`,
    ],
    ['an input missing', { inputs: [] }, `input 'x' is missing`],
    [
      'rank 0 where the instance count should be',
      input('INT32', [], [1]),
      `input 'x' has shape [], its first dim must be the instance count`,
    ],
    ['no instances', input('INT32', [0, 1], []), 'the first dim of the inputs is the instance count, it must be at least 1'],
    ['an unknown output', { ...(one as object), outputs: [{ name: 'q' }] }, `unexpected output 'q', m.any has 'y', 'z'`],
    ['an output twice', { ...(one as object), outputs: [{ name: 'y' }, { name: 'y' }] }, `output 'y' is requested twice`],
    [
      'a flood of outputs',
      { ...(one as object), outputs: new Array(10_000).fill({ name: 'y' }) },
      'more outputs are requested than the 2 of m.any, or one is requested twice',
    ],
    [
      'shared memory',
      { inputs: [{ name: 'x', shape: [1, 1], datatype: 'INT8', parameters: { shared_memory_region: '/dev/shm/x' } }] },
      `input 'x' has parameter 'shared_memory_region': shared memory of clients is not supported`,
    ],
    [
      'binary_data_size without the header',
      { inputs: [{ name: 'x', shape: [1, 1], datatype: 'INT8', parameters: { binary_data_size: 1 } }] },
      `input 'x' has binary_data_size, the header inference-header-content-length is missing`,
    ],
    [
      'no JSON',
      '{"inputs":',
      "the body is not JSON: [json.exception.parse_error.101] parse error at line 1, column 11: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal",
    ],
    ['nesting of 101', '['.repeat(101), 'the body is not JSON:  nesting is deeper than 100'],
    [
      'nesting of 101 in what is ignored',
      `{"other":${'['.repeat(100)}${']'.repeat(100)},"inputs":[]}`,
      'the body is not JSON:  nesting is deeper than 100',
    ],
    [
      'nesting of 101 in a parameter',
      `{"inputs":[{"parameters":{"other":${'['.repeat(97)}${']'.repeat(97)}}}]}`,
      'the body is not JSON:  nesting is deeper than 100',
    ],
    ['inputs twice', '{"inputs":[],"inputs":[]}', `the request has 'inputs' twice`],
    ['an id twice', '{"id":"a","inputs":[],"id":"b"}', `the request has 'id' twice`],
    ['a shape twice', '{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1],"shape":[1]}]}', `input 'x' has 'shape' twice`],
    [
      'data twice, before the name',
      '{"inputs":[{"data":[1],"data":[1],"name":"x","shape":[1],"datatype":"INT8"}]}',
      `an input has 'data' twice`,
    ],
    [
      'parameters of an output twice',
      '{"inputs":[],"outputs":[{"name":"y","parameters":{},"parameters":{}}]}',
      `an output has 'parameters' twice`,
    ],
    ['bytes that are not UTF-8', Buffer.from('{"id":"\xff"}', 'latin1'), 'the body is not UTF-8'],
    ['an empty body', '', 'the body is empty'],
  ])('refuses %s', (_, body, error) => {
    expect(refusal(body)).toEqual({ status: 400, error });
  });

  it('takes nesting of 100, and unknown members twice', () => {
    expect(
      tensorOf(
        `{"other":1,"other":${'['.repeat(99)}${']'.repeat(99)},"inputs":[{"k":1,"k":2,"name":"x","shape":[1,1],"datatype":"INT8","data":[7]}]}`,
      ).bytes,
    ).toEqual(Uint8Array.of(7));
  });

  it('refuses 5,000,000 open brackets without a stack overflow', () => {
    const roomy = createProtocols({ maxMessageBytes: 10 ** 7 })['oip-rest'];
    expect(() => roomy.decode(request('['.repeat(5_000_000)), catalog)).toThrow('nesting is deeper than 100');
  });
});

describe('the signature', () => {
  const both = (a: unknown, b: unknown): unknown => ({
    inputs: [
      { name: 'a', ...(a as object) },
      { name: 'b', ...(b as object) },
    ],
  });
  const a = { shape: [2, 2], datatype: 'FP32', data: [1, 2.5, 3, 4] };
  const path = '/v2/models/m/infer';

  it('splits the batch into views in the order of the signature', () => {
    const infer = decode(
      {
        inputs: [
          { name: 'b', shape: [2, 1], datatype: 'INT32', data: [5, 6] },
          { name: 'a', ...a },
        ],
      },
      { path },
    );
    expect(
      infer.instances.map((instance) =>
        instance.map(({ dtype, shape, bytes }) => [dtype, shape, Array.from(numbersOf(dtype, bytes) as ArrayLike<number>)]),
      ),
    ).toEqual([
      [
        ['float32', [2], [1, 2.5]],
        ['int32', [1], [5]],
      ],
      [
        ['float32', [2], [3, 4]],
        ['int32', [1], [6]],
      ],
    ]);
    expect(infer.instances[0]?.[0]?.bytes.buffer).toBe(infer.instances[1]?.[0]?.bytes.buffer);
  });

  it('splits BYTES between elements', () => {
    const { instances } = decode(input('BYTES', [2, 2], ['a', 'bb', '', 'cccc']));
    expect(instances.map(([tensor]) => [tensor?.shape, Buffer.from((tensor as Tensor).bytes)])).toEqual([
      [[2], Buffer.from(packElements([Buffer.from('a'), Buffer.from('bb')]))],
      [[2], Buffer.from(packElements([Buffer.from(''), Buffer.from('cccc')]))],
    ]);
  });

  it('leaves shapes of a method without batch dim as they are', () => {
    expect(decode(input('INT32', [2, 1], [1, 2]), { path: '/v2/models/m.whole/infer' }).instances.map(([tensor]) => tensor?.shape)).toEqual(
      [[2, 1]],
    );
  });

  it.each<[string, unknown, string]>([
    [
      'another datatype',
      both({ ...a, datatype: 'FP64' }, { shape: [2, 1], datatype: 'INT32', data: [5, 6] }),
      `input 'a' has datatype FP64, FP32 is expected`,
    ],
    [
      'another shape',
      both({ ...a, shape: [4, 1] }, { shape: [4, 1], datatype: 'INT32', data: [1, 2, 3, 4] }),
      `input 'a' has shape [4, 1], [-1, 2] is expected`,
    ],
    [
      'instance counts that differ',
      both(a, { shape: [3, 1], datatype: 'INT32', data: [5, 6, 7] }),
      `input 'b' has 3 instances, input 'a' has 2`,
    ],
  ])('refuses %s', (_, body, error) => {
    expect(refusal(body, { path })).toEqual({ status: 400, error });
  });
});

describe('names, deadlines and codes', () => {
  it.each<[string, number, string]>([
    ['/v2/models/none.any/infer', 404, 'Request servable(none) method(any) , servable is not available'],
    ['/v2/models/m.any/versions/9/infer', 404, 'Request servable(m) method(any)  version(9) , servable is not available'],
    ['/v2/models/m.any/versions/1x/infer', 400, `model version '1x' is not a number`],
    ['/v2/models/m.any/versions//infer', 404, `'/v2/models/m.any/versions//infer' is not /v2/models/{model}[/versions/{version}]/infer`],
    ['/v2/models//infer', 404, `'/v2/models//infer' is not /v2/models/{model}[/versions/{version}]/infer`],
    ['/v2/models/%zz/infer', 400, `'%zz' is not percent-encoded UTF-8`],
  ])('%s', (path, status, error) => {
    expect(refusal(one, { path })).toEqual({ status, error });
  });

  it('takes percent-encoded names and cuts the query', () => {
    expect(decode(one, { path: '/v2/models/m%2Eany/infer?x=1' }).target.method.name).toBe('any');
  });

  it('refuses other verbs with 405', () => {
    expect(refusal(one, { verb: 'GET' }).status).toBe(405);
  });

  it('takes priority and timeout as Triton has them', () => {
    const said = (parameters: object) => decode({ ...(one as object), parameters });
    expect([said({ priority: 1 }).priority, said({ priority: 2 }).priority, said({}).priority]).toEqual([255, 254, 0]);
    const before = performance.now();
    const { deadlineAt } = said({ timeout: 5_000_000 });
    expect(deadlineAt).toBeGreaterThanOrEqual(before + 5000);
    expect(deadlineAt).toBeLessThan(before + 60_000);
    expect(said({ timeout: 0 }).deadlineAt).toBe(Infinity);
  });

  it.each<[ServingErrorCode, number]>([
    ['INVALID_ARGUMENT', 400],
    ['NOT_FOUND', 404],
    ['RESOURCE_EXHAUSTED', 429],
    ['CANCELLED', 499],
    ['ABORTED', 500],
    ['INTERNAL', 500],
    ['UNIMPLEMENTED', 501],
    ['UNAVAILABLE', 503],
    ['DEADLINE_EXCEEDED', 504],
  ])('%s is HTTP %d', (code, status) => {
    const answer = protocol.refuse(request(one), new ServingError(code, 't'));
    expect(shown(answer)).toEqual({ status, error: 't' });
    expect((answer as { headers: Record<string, string> }).headers['retry-after']).toBe(status === 429 || status === 503 ? '1' : undefined);
  });
});
