import { describe, expect, it } from '@jest/globals';
import { msProto, oipProto } from '@mserve/wire/gen';
import fc from 'fast-check';
import { tensorOffset } from './tensor-offset.js';

const data = Buffer.alloc(1000, 0xab);

const inferRequest = (partial: Partial<oipProto.ModelInferRequest>): Uint8Array =>
  oipProto.ModelInferRequest.encode({
    ...{ modelName: 'm', modelVersion: '', id: '', parameters: {}, inputs: [], outputs: [], rawInputContents: [] },
    ...partial,
  }).finish();

describe('where the first tensor begins', () => {
  it('is told for the raw contents of a ModelInferRequest', () => {
    const message = inferRequest({
      id: 'x'.repeat(300),
      parameters: { priority: { parameterChoice: { $case: 'int64Param', value: 3n } } },
      inputs: [{ name: 'x', datatype: 'UINT8', shape: [1000n], parameters: {}, contents: undefined }],
      rawInputContents: [data, data],
    });
    expect(tensorOffset('oip-grpc', message.subarray(0, 400))).toBe(Buffer.from(message).indexOf(data));
  });

  it('is told for the first item of a PredictRequest', () => {
    const tensor: msProto.Tensor = { shape: { dims: [1000n] }, dtype: 2, tensorData: { $case: 'data', value: data }, bytesVal: [] };
    const message = msProto.PredictRequest.encode({
      servableSpec: { name: 'add', methodName: 'predict', versionNumber: 300n },
      instances: [
        { items: { x: tensor }, outputBuffers: {} },
        { items: { x: tensor }, outputBuffers: {} },
      ],
    }).finish();
    expect(tensorOffset('ms-grpc', message.subarray(0, 60))).toBe(Buffer.from(message).indexOf(data));
  });

  it('is not told by routes without a message, by messages without a tensor, and by bytes that are none', () => {
    expect(tensorOffset('ms-rest', Buffer.from('{"instances":[]}'))).toBe(0);
    expect(tensorOffset('oip-grpc', inferRequest({}))).toBe(0);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('oip-grpc' as const, 'ms-grpc' as const), (bytes, route) => {
        const offset = tensorOffset(route, bytes);
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});
