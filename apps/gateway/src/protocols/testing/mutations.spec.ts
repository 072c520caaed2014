import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ServingError, type InstanceResult } from '@mserve/wire';
import type { InferRoute } from '../../edge/ingress.js';
import { createProtocols } from '../index.js';
import { FakeCatalog, method, named, rawRequest } from './fake-catalog.js';

const protocols = createProtocols({ maxMessageBytes: 1 << 20 });
const catalog = new FakeCatalog('m', [method('predict', [{ name: 'a', dtype: 'float32', shape: [-1] }, { name: 'b' }], named('y', 'z'))]);

const binaryJson =
  '{"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","parameters":{"binary_data_size":4}},{"name":"b","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}';
const requests: [InferRoute, string, string, Record<string, string>][] = [
  [
    'ms-rest',
    '/model/m:predict',
    '{"instances":[{"a":[1.5,-2e3],"b":{"b64":"AQID/w==","type":"int8","shape":[2,2]}},{"b":["t\\u00e9\\n"],"a":[[0.25]]}],"c":[{"d":null}]}',
    {},
  ],
  [
    'oip-rest',
    '/v2/models/m/infer',
    '{"id":"i","parameters":{"timeout":5},"inputs":[{"name":"a","shape":[2,1],"datatype":"FP32","data":[[1],[2.5]]},{"data":["x","é"],"name":"b","shape":[2],"datatype":"BYTES"}],"outputs":[{"name":"z"}]}',
    {},
  ],
  [
    'oip-rest',
    '/v2/models/m/infer',
    `${binaryJson}\u0000\u0000@?\u0001\u0000\u0000\u0000x`,
    { 'inference-header-content-length': `${binaryJson.length}` },
  ],
];

describe('a request with bytes changed, put in or cut off', () => {
  it.each(requests)('%s is decoded and answered, or refused: %s', (route, path, text, headers) => {
    const protocol = protocols[route];
    const good = Buffer.from(text);
    const change = fc.tuple(
      fc.nat(good.length),
      fc.constantFrom(0, 1),
      fc.oneof(
        fc.nat(255).map((byte) => Buffer.of(byte)),
        fc.constantFrom('"', '[', ']', '{', '}', ',', '1', '-', '.', 'e9', 'null', '\\', '[]', '{}').map((each) => Buffer.from(each)),
      ),
    );
    let decodedRequests = 0;
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        let body = good;
        for (const [at, drop, into] of changes) body = Buffer.concat([body.subarray(0, at), into, body.subarray(at + drop)]);
        const request = rawRequest(route, path, body, { headers });
        try {
          const infer = protocol.decode(request, catalog);
          decodedRequests++;
          expect(infer.instances.every((instance) => instance.length === 2)).toBe(true);
          protocol.encode(
            request,
            infer,
            infer.instances.map((outputs): InstanceResult => ({ outputs })),
          );
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ServingError);
          const answer = protocol.refuse(request, thrown as ServingError);
          expect(answer.kind === 'http' && answer.status >= 400 && answer.body.join('').length < 1024).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(decodedRequests).toBeGreaterThan(0);
  });
});
