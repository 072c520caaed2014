import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status as grpcStatus, type ServiceError } from '@grpc/grpc-js';
import { GrpcClients, post } from '../support/clients.js';
import { imageTensor } from '../support/digits.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';

const pixels = Buffer.from(imageTensor(3).buffer);
const tooBig = 101 * 2 ** 20;

/** A gRPC call's status and text, or 'OK' and the reply. */
async function outcome(call: Promise<Record<string, unknown>>): Promise<{ code: string; text: string; reply?: Record<string, unknown> }> {
  try {
    return { code: 'OK', text: '', reply: await call };
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { code: grpcStatus[code] ?? String(code), text: details };
  }
}

describe('bad input gets a clear error of the right kind, and the server serves on', () => {
  let server: RunningProcess & ServerAddresses;
  let clients: GrpcClients;
  beforeAll(async () => {
    server = await serveDirectory('examples', ['--servable', 'digits']);
    clients = new GrpcClients(server.grpc);
  }, 60_000);
  afterAll(async () => {
    clients?.close();
    await server?.stop();
  });

  const servesOn = async (): Promise<void> => {
    const good = { image: { b64: pixels.toString('base64'), type: 'float32', shape: [1, 28, 28] } };
    const { status } = await post(server.rest, '/model/digits:logits', JSON.stringify({ instances: [good] }));
    expect(status).toBe(200);
  };

  const logits = '/model/digits:logits';
  it.each<[string, string, string | Uint8Array, number, RegExp]>([
    [
      'wrong dtype',
      logits,
      '{"instances":[{"image":{"b64":"AAAA","type":"uint8","shape":[3]}}]}',
      400,
      /Given model input 0 size 3 not match the size 3136 defined in model/,
    ],
    [
      'wrong dtype of the right size',
      logits,
      JSON.stringify({ instances: [{ image: { b64: pixels.toString('base64'), type: 'int32', shape: [1, 28, 28] } }] }),
      400,
      /data type kMSI_Int32 not match the data type kMSI_Float32/,
    ],
    [
      'missing input',
      logits,
      '{"instances":[{"picture":1}]}',
      400,
      /Cannot find input image in instance input , servable digits, method logits/,
    ],
    [
      'unknown servable',
      '/model/nothing:logits',
      '{"instances":[{"image":1}]}',
      404,
      /Request servable\(nothing\) method\(logits\) , servable is not available/,
    ],
    [
      'unknown version',
      '/model/digits/version/9:logits',
      '{"instances":[{"image":1}]}',
      404,
      /Request servable\(digits\) method\(logits\) {2}version\(9\) , servable is not available/,
    ],
    [
      'unknown method',
      '/model/digits:nothing',
      '{"instances":[{"image":1}]}',
      404,
      /Request servable\(digits\) method\(nothing\) , method is not available/,
    ],
    ['truncated JSON', logits, '{"instances":[{"image":', 400, /Illegal JSON format/],
    ['bad base64', '/model/digits:classify', '{"instances":[{"image":{"b64":"@@@@"}}]}', 400, /'@@@@' is illegal b64 encode string/],
    ['an empty body', logits, '', 400, /http message invalid/],
    [
      'no image',
      '/model/digits:classify',
      '{"instances":[{"image":{"b64":"aGVsbG8="}}]}',
      400,
      /'image' is not an image that can be read: /,
    ],
    [
      'text for an image',
      '/model/digits:classify',
      '{"instances":[{"image":"7.png"}]}',
      400,
      /Input 'image' of method 'classify' should be bytes, but is string/,
    ],
    [
      'numbers for an image',
      '/model/digits:classify',
      '{"instances":[{"image":[1,2]}]}',
      400,
      /Input 'image' of method 'classify' should be bytes, but is int32/,
    ],
    ['a body of 101 MB', logits, new Uint8Array(tooBig), 413, /http message is bigger than 104857600/],
  ])('/model REST: %s', async (_name, path, body, status, text) => {
    const answer = await post(server.rest, path, body);
    expect({ status: answer.status, text: (answer.body as { error_msg: string }).error_msg }).toEqual({
      status,
      text: expect.stringMatching(text),
    });
    await servesOn();
  });

  const model = '/v2/models/digits.logits/infer';
  const input = (change: object): string =>
    JSON.stringify({ inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28], data: Array.from(imageTensor(3)), ...change }] });
  it.each<[string, string, string | Uint8Array, number, RegExp]>([
    ['wrong dtype', model, input({ datatype: 'INT32', data: new Array(784).fill(1) }), 400, /image.*INT32.*FP32/],
    ['wrong shape', model, input({ shape: [1, 1, 28, 27] }), 400, /image/],
    ['missing input', model, input({ name: 'picture' }), 400, /image|picture/],
    ['unknown servable', '/v2/models/nothing/infer', input({}), 404, /nothing/],
    ['unknown version', '/v2/models/digits.logits/versions/9/infer', input({}), 404, /version/],
    ['unknown method', '/v2/models/digits.nothing/infer', input({}), 404, /nothing/],
    ['truncated JSON', model, input({}).slice(0, 100), 400, /JSON/],
    ['an empty body', model, '', 400, /./],
    ['a number that is no float32', model, input({ data: ['x'] }), 400, /image/],
    [
      'bytes that are no image',
      '/v2/models/digits.classify/infer',
      '{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["hello"]}]}',
      400,
      /^'image' is not an image that can be read: /,
    ],
    ['a body of 101 MB', model, new Uint8Array(tooBig), 413, /104857600/],
  ])('Open Inference Protocol REST: %s', async (_name, path, body, status, text) => {
    const answer = await post(server.rest, path, body);
    expect({ status: answer.status, text: (answer.body as { error: string }).error }).toEqual({
      status,
      text: expect.stringMatching(text),
    });
    await servesOn();
  });

  const image = (change: object): object => ({ image: { shape: { dims: [1, 28, 28] }, dtype: 'MS_FLOAT32', data: pixels, ...change } });
  const spec = { name: 'digits', method_name: 'logits' };
  it.each<[string, object, RegExp]>([
    ['wrong dtype', { servable_spec: spec, instances: [{ items: image({ dtype: 'MS_INT32' }) }] }, /data type kMSI_Int32 not match/],
    [
      'wrong shape',
      { servable_spec: spec, instances: [{ items: image({ shape: { dims: [1, 28, 27] } }) }] },
      /Instances input image check failed, detail: Tensor check failed: input data size 3136 invalid/,
    ],
    ['missing input', { servable_spec: spec, instances: [{ items: {} }] }, /Cannot find input image in instance input/],
    ['no instance', { servable_spec: spec, instances: [] }, /Instances count of request cannot be 0/],
    ['unknown servable', { servable_spec: { ...spec, name: 'nothing' }, instances: [{ items: image({}) }] }, /servable is not available/],
    [
      'unknown version',
      { servable_spec: { ...spec, version_number: 9 }, instances: [{ items: image({}) }] },
      /version\(9\) , servable is not available/,
    ],
    [
      'unknown method',
      { servable_spec: { ...spec, method_name: 'nothing' }, instances: [{ items: image({}) }] },
      /method is not available/,
    ],
    [
      'text for an image',
      {
        servable_spec: { ...spec, method_name: 'classify' },
        instances: [{ items: { image: { shape: { dims: [1] }, dtype: 'MS_STRING', bytes_val: [pixels] } } }],
      },
      /Input 'image' of method 'classify' should be bytes, but is string/,
    ],
    [
      'bytes that are no image',
      {
        servable_spec: { ...spec, method_name: 'classify' },
        instances: [{ items: { image: { shape: { dims: [1] }, dtype: 'MS_BYTES', bytes_val: [pixels] } } }],
      },
      /^'image' is not an image that can be read: /,
    ],
    [
      'bytes with shape [2]',
      {
        servable_spec: { ...spec, method_name: 'classify' },
        instances: [{ items: { image: { shape: { dims: [2] }, dtype: 'MS_BYTES', bytes_val: [pixels] } } }],
      },
      /bytes or string type/,
    ],
  ])('MSService: %s', async (_name, request, text) => {
    const { code, reply } = await outcome(clients.ms.call('Predict', request));
    const errors = reply?.['error_msg'] as { error_code: string; error_msg: Buffer }[];
    expect(code).toBe('OK');
    expect(errors).toHaveLength(1);
    expect(errors[0]?.error_msg.toString()).toMatch(text);
    expect(errors[0]?.error_code).toBe('2');
    await servesOn();
  });

  const tensor = { name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28] };
  it.each<[string, object, string, RegExp]>([
    [
      'bytes that are no image',
      { model_name: 'digits.classify', inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [pixels] } }] },
      'INVALID_ARGUMENT',
      /^'image' is not an image that can be read: /,
    ],
    [
      'wrong dtype',
      { model_name: 'digits.logits', inputs: [{ ...tensor, datatype: 'INT32' }], raw_input_contents: [pixels] },
      'INVALID_ARGUMENT',
      /image.*INT32.*FP32/,
    ],
    [
      'wrong shape',
      { model_name: 'digits.logits', inputs: [{ ...tensor, shape: [1, 1, 28, 27] }], raw_input_contents: [pixels] },
      'INVALID_ARGUMENT',
      /image/,
    ],
    [
      'missing input',
      { model_name: 'digits.logits', inputs: [{ ...tensor, name: 'picture' }], raw_input_contents: [pixels] },
      'INVALID_ARGUMENT',
      /image|picture/,
    ],
    ['unknown servable', { model_name: 'nothing', inputs: [tensor], raw_input_contents: [pixels] }, 'NOT_FOUND', /nothing/],
    [
      'unknown version',
      { model_name: 'digits.logits', model_version: '9', inputs: [tensor], raw_input_contents: [pixels] },
      'NOT_FOUND',
      /version/,
    ],
    ['unknown method', { model_name: 'digits.nothing', inputs: [tensor], raw_input_contents: [pixels] }, 'NOT_FOUND', /nothing/],
    [
      'a message of 101 MB',
      { model_name: 'digits.logits', inputs: [tensor], raw_input_contents: [Buffer.alloc(tooBig)] },
      'RESOURCE_EXHAUSTED',
      /larger than max/,
    ],
  ])('Open Inference Protocol gRPC: %s', async (_name, request, code, text) => {
    const answer = await outcome(clients.oip.call('ModelInfer', request));
    expect({ code: answer.code, text: answer.text }).toEqual({ code, text: expect.stringMatching(text) });
    await servesOn();
  });

  it('MSService: a message of 101 MB', async () => {
    const { code, text } = await outcome(
      clients.ms.call('Predict', { servable_spec: spec, instances: [{ items: image({ data: Buffer.alloc(tooBig) }) }] }),
    );
    expect({ code, text }).toEqual({ code: 'RESOURCE_EXHAUSTED', text: expect.stringMatching(/larger than max/) });
    await servesOn();
  });
});
