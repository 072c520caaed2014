import { describe, expect, it } from '@jest/globals';
import type { Tensor } from '@mserve/wire';
import { catalog, encode, int, one, protocol, refusal, request, shown, tensorOf, type Sent } from '../testing/oip-rest-requests.js';

describe('binary tensors', () => {
  function withBinary(json: unknown, ...tensors: Uint8Array[]): [Buffer, Sent] {
    const text = Buffer.from(JSON.stringify(json));
    return [Buffer.concat([text, ...tensors]), { headers: { 'inference-header-content-length': `${text.byteLength}` } }];
  }
  const binaryInput = (datatype: string, shape: number[], size: number): unknown => ({
    inputs: [{ name: 'x', shape, datatype, parameters: { binary_data_size: size } }],
  });

  it.each<[string, number[], number[]]>([
    ['FP16', [1, 2], [0, 0x3c, 0, 0x7c]],
    ['BF16', [1, 1], [0x80, 0x3f]],
    ['FP32', [1, 1], [0, 0, 0xc0, 0x7f]],
    ['BYTES', [1, 2], [1, 0, 0, 0, 0x61, 0, 0, 0, 0]],
  ])('%s are views of the body, bit for bit', (datatype, shape, bytes) => {
    const [body, sent] = withBinary(binaryInput(datatype, shape, bytes.length), Uint8Array.from(bytes));
    const tensor = tensorOf(body, sent);
    expect([...tensor.bytes]).toEqual(bytes);
    expect(tensor.bytes.buffer).toBe(body.buffer);
  });

  it.each<[string, [Buffer, Sent], string]>([
    [
      'bytes that are left over',
      withBinary(binaryInput('INT8', [1, 1], 1), Buffer.alloc(2)),
      `2 bytes follow the JSON, the inputs' binary_data_size add up to 1`,
    ],
    [
      'a size past the body',
      withBinary(binaryInput('INT8', [1, 5], 5), Buffer.alloc(2)),
      `input 'x' has binary_data_size 5, 2 bytes are left of the body`,
    ],
    [
      'a size unlike the shape',
      withBinary(binaryInput('INT32', [1, 1], 2), Buffer.alloc(2)),
      `input 'x' of shape [1, 1] needs 4 bytes, it has 2`,
    ],
    [
      'BYTES that do not fit',
      withBinary(binaryInput('BYTES', [1, 1], 5), Buffer.from([9, 0, 0, 0, 1])),
      `input 'x': bytes tensor of shape [1, 1] needs 1 elements, its bytes hold 0 and a rest`,
    ],
    [
      '10,000,000 empty strings that are not there',
      withBinary(binaryInput('BYTES', [1, 10_000_000], 4), Buffer.alloc(4)),
      `input 'x': bytes tensor of shape [1, 10000000] needs 10000000 elements, its 4 bytes cannot hold them`,
    ],
    [
      'a JSON length past the body',
      [Buffer.from('{}'), { headers: { 'inference-header-content-length': '3' } }],
      `inference-header-content-length is '3', it must be from 0 to the 2 bytes of the body`,
    ],
    [
      'a JSON length that is no number',
      [Buffer.from('{}'), { headers: { 'inference-header-content-length': '-1' } }],
      `inference-header-content-length is '-1', it must be from 0 to the 2 bytes of the body`,
    ],
  ])('refuses %s', (_, [body, sent], error) => {
    expect(refusal(body, sent)).toEqual({ status: 400, error });
  });

  it('refuses text that is not UTF-8', () => {
    const [body, sent] = withBinary(binaryInput('BYTES', [1, 1], 5), Buffer.from([1, 0, 0, 0, 0xff]));
    expect(refusal(body, { ...sent, path: '/v2/models/m.text/infer' }).error).toBe(
      `input 'x' is text, it has an element that is not UTF-8`,
    );
  });

  it('are answered without a copy to outputs that ask for them', () => {
    const y: Tensor = { dtype: 'float16', shape: [1], bytes: Uint8Array.of(0, 0x3c) };
    const raw = request({ ...(one as object), outputs: [{ name: 'z' }, { name: 'y', parameters: { binary_data: true } }] });
    const answer = protocol.encode(raw, protocol.decode(raw, catalog), [{ outputs: [y, int(4)] }]);
    if (answer.kind !== 'http') throw new Error('not HTTP');
    expect(answer.body[1]).toBe(y.bytes);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect(shown(answer)).toEqual({
      status: 200,
      model_name: 'm.any',
      model_version: '2',
      outputs: [
        { name: 'z', datatype: 'INT32', shape: [1, 1], data: [4] },
        { name: 'y', datatype: 'FP16', shape: [1, 1], parameters: { binary_data_size: 2 } },
      ],
      rest: Buffer.of(0, 0x3c),
    });
  });

  it('binary_data_output makes all outputs binary but those that say otherwise', () => {
    const answer = encode(
      {
        ...(one as object),
        parameters: { binary_data_output: true },
        outputs: [{ name: 'y', parameters: { binary_data: false } }, { name: 'z' }],
      },
      [[int(1), int(2)]],
    );
    expect(answer['outputs']).toEqual([
      { name: 'y', datatype: 'INT32', shape: [1, 1], data: [1] },
      { name: 'z', datatype: 'INT32', shape: [1, 1], parameters: { binary_data_size: 4 } },
    ]);
  });
});
