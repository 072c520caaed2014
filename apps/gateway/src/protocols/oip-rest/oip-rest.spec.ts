import { describe, expect, it } from '@jest/globals';
import { ServingError, type InstanceResult, type Tensor } from '@mserve/wire';
import { createProtocols } from '../index.js';
import type { InferRequest } from '../protocol.js';
import { FakeCatalog, method, named, rawRequest } from '../testing/fake-catalog.js';

const catalog = new FakeCatalog('m', [
  method('predict', [{ name: 'a', dtype: 'float32', shape: [2] }, { name: 'b', dtype: 'int32', shape: [-1] }], named('y')),
]);
const protocol = createProtocols({ maxMessageBytes: 1 << 20 })['oip-rest'];

function decode(body: unknown): InferRequest {
  return protocol.decode(rawRequest('oip-rest', '/v2/models/m/infer', JSON.stringify(body)), catalog);
}

describe('infer', () => {
  it('splits the batch and stacks it back', () => {
    const request = rawRequest('oip-rest', '/v2/models/m/versions/1/infer', JSON.stringify({
      id: 'x1',
      inputs: [
        { name: 'a', shape: [2, 2], datatype: 'FP32', data: [1, 2.5, 3, 4] },
        { name: 'b', shape: [2, 1], datatype: 'INT32', data: [[5], [6]] },
      ],
    }));
    const infer = protocol.decode(request, catalog);
    expect(infer.instances.map((instance) => instance.map(({ dtype, shape }) => [dtype, shape]))).toEqual([
      [['float32', [2]], ['int32', [1]]],
      [['float32', [2]], ['int32', [1]]],
    ]);
    const answer = protocol.encode(request, infer, infer.instances.map((instance): InstanceResult => ({ outputs: [instance[0] as Tensor] })));
    if (answer.kind !== 'http') throw new Error('not HTTP');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body.map(String).join(''))).toEqual({
      model_name: 'm', model_version: '1', id: 'x1', outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 2], data: [1, 2.5, 3, 4] }],
    });
  });

  it('refuses what does not fit the signature', () => {
    expect(() => decode({ inputs: [{ name: 'a', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] })).toThrow(ServingError);
  });
});
