import { describe, expect, it } from '@jest/globals';
import { packElements, type Tensor } from '@mserve/wire';
import { catalog, encode, input, int, one, protocol, request, shown } from '../testing/oip-rest-requests.js';

describe('answers', () => {
  it('stack instances on a new first dim and echo the id', () => {
    expect(
      encode({ ...(input('INT32', [2, 1], [1, 2]) as object), id: 'a"b', outputs: [{ name: 'y' }] }, [[int(1, 2)], [int(3, 4)]], {
        path: '/v2/models/m.any/versions/1/infer',
      }),
    ).toEqual({
      status: 200,
      model_name: 'm.any',
      model_version: '1',
      id: 'a"b',
      outputs: [{ name: 'y', datatype: 'INT32', shape: [2, 2], data: [1, 2, 3, 4] }],
    });
  });

  it.each<[string, Tensor, unknown]>([
    ['bool', { dtype: 'bool', shape: [2], bytes: Uint8Array.of(1, 0) }, [true, false]],
    [
      'floats as their shortest decimals, what JSON has no number for as strings',
      { dtype: 'float32', shape: [5], bytes: new Uint8Array(Float32Array.of(0.1, -2, NaN, Infinity, -Infinity).buffer) },
      [0.1, -2, 'NaN', 'Infinity', '-Infinity'],
    ],
    ['float64', { dtype: 'float64', shape: [2], bytes: new Uint8Array(Float64Array.of(0.1, 1e300).buffer) }, [0.1, 1e300]],
    ['strings', { dtype: 'string', shape: [2], bytes: packElements([Buffer.from('é"'), Buffer.from('')]) }, ['é"', '']],
    ['bytes that are text', { dtype: 'bytes', shape: [], bytes: packElements([Buffer.from('b')]) }, ['b']],
    ['no elements', { dtype: 'int8', shape: [0], bytes: new Uint8Array(0) }, []],
  ])('%s', (_, tensor, data) => {
    expect((encode({ ...(one as object), outputs: [{ name: 'y' }] }, [[tensor]])['outputs'] as { data: unknown }[])[0]?.data).toEqual(data);
  });

  it.each<[string, Tensor, string]>([
    [
      'int64 keep all their digits',
      { dtype: 'int64', shape: [1], bytes: new Uint8Array(BigInt64Array.of(2n ** 53n + 1n).buffer) },
      '9007199254740993',
    ],
    ['minus zero keeps its sign', { dtype: 'float64', shape: [2], bytes: new Uint8Array(Float64Array.of(-0, 0).buffer) }, '-0.0,0'],
    [
      'FP16 is written as numbers',
      { dtype: 'float16', shape: [4], bytes: new Uint8Array(Uint16Array.of(0x3c00, 0x2e66, 0x7e00, 0xfc00).buffer) },
      '1,0.099975586,"NaN","-Infinity"',
    ],
    [
      'BF16 is written as numbers',
      { dtype: 'bfloat16', shape: [3], bytes: new Uint8Array(Uint16Array.of(0x3fc0, 0x3dcd, 0x8000).buffer) },
      '1.5,0.100097656,-0.0',
    ],
    ['minus zero of 32 bits too', { dtype: 'float32', shape: [2], bytes: new Uint8Array(Float32Array.of(-0, 0).buffer) }, '-0.0,0'],
  ])('%s', (_, tensor, text) => {
    const raw = request({ ...(one as object), outputs: [{ name: 'y' }] });
    const answer = protocol.encode(raw, protocol.decode(raw, catalog), [{ outputs: [tensor] }]);
    expect(answer.kind === 'http' ? String(answer.body[0]) : '').toContain(`"data":[${text}]`);
  });

  it.each<[string, Tensor[][], number, string]>([
    [
      'instances that disagree on shape',
      [[int(1)], [int(1, 2)]],
      500,
      `output 'y' of instance 1 is int32 [2], that of instance 0 is int32 [1]: they cannot be one tensor`,
    ],
    [
      'bytes that are no text as JSON',
      [[{ dtype: 'bytes', shape: [], bytes: packElements([Uint8Array.of(0xff)]) }]],
      400,
      `output 'y' of shape [1] has an element that is not UTF-8: ask for it with binary_data`,
    ],
  ])('refuse %s', (_, outputs, status, error) => {
    expect(encode({ ...(one as object), outputs: [{ name: 'y' }] }, outputs)).toEqual({ status, error });
  });

  it('refuse what is longer than a text can be, and name the way out', () => {
    // 28 instances of 20 MiB
    const long: Tensor = { dtype: 'string', shape: [1], bytes: packElements([Buffer.alloc(20 * 1024 * 1024, 'a')]) };
    const inputs = input('INT32', [28, 1], Array<number>(28).fill(1)) as object;
    expect(encode({ ...inputs, outputs: [{ name: 'y' }] }, Array<Tensor[]>(28).fill([long]))).toEqual({
      status: 400,
      error: 'the outputs are too long for JSON: ask for them with binary_data',
    });
  });

  it('a failed instance fails the request', () => {
    const raw = request(input('INT32', [2, 1], [1, 2]));
    const answer = protocol.encode(raw, protocol.decode(raw, catalog), [
      { outputs: [int(1), int(2)] },
      { failure: { code: 'ABORTED', message: 'negative value' } },
    ]);
    expect(shown(answer)).toEqual({ status: 500, error: 'negative value' });
  });
});
