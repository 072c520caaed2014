import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { defaults } from '@mserve/config';
import {
  ServingError,
  packElements,
  stringTensor,
  type DType,
  type InstanceResult,
  type ServingErrorCode,
  type Tensor,
} from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../../edge/ingress.js';
import { createProtocols } from '../index.js';
import { numbersOf } from '../json/value-text.js';
import { FakeCatalog, method, named, rawRequest } from '../testing/fake-catalog.js';

const catalog = new FakeCatalog('kit', [
  method('passthrough', named('x'), named('y')),
  method('two', named('a', 'b'), named('sum', 'diff')),
  method('größe', named('x'), named('y')),
  method('long', [{ name: 'x', dtype: 'int64' }], named('y')),
  method('small', [{ name: 'x', dtype: 'uint8' }], named('y')),
  method('double', [{ name: 'x', dtype: 'float64' }], named('y')),
  method('single', [{ name: 'x', dtype: 'float32' }], named('y')),
]);
const limit = 1 << 20;
const { maxRequestInstances: maxInstances } = defaults.gateway;
const protocol = createProtocols({ maxMessageBytes: limit })['ms-rest'];
const legacy = createProtocols({ maxMessageBytes: limit, legacyStatus200: true })['ms-rest'];

function request(body: string | Uint8Array, path = '/model/kit:passthrough', verb = 'POST'): IngressRequest {
  return rawRequest('ms-rest', path, body, { verb });
}

function shown(answer: IngressAnswer): { status: number; body: string } {
  if (answer.kind !== 'http') throw new Error('not HTTP');
  return { status: answer.status, body: answer.body.map(String).join('') };
}

function refusal(raw: IngressRequest): { status: number; text: string } {
  try {
    protocol.decode(raw, catalog);
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    const { status, body } = shown(protocol.refuse(raw, thrown));
    return { status, text: (JSON.parse(body) as { error_msg: string }).error_msg };
  }
  throw new Error('the request was accepted');
}

/** The tensor that a value of input x becomes. */
function tensorOf(value: string, path?: string): Tensor {
  return protocol.decode(request(`{"instances":[{"x":${value}}]}`, path), catalog).instances[0]?.[0] as Tensor;
}

function answered(results: readonly InstanceResult[], path?: string): { status: number; body: string } {
  const raw = request(path === undefined ? '{"instances":[{"x":1}]}' : '{"instances":[{"a":1,"b":1}]}', path);
  return shown(protocol.encode(raw, protocol.decode(raw, catalog), results));
}

function values({ dtype, bytes }: Tensor): unknown[] {
  return Array.from(numbersOf(dtype, bytes) as ArrayLike<number>);
}

describe('the bodies recorded from the original', () => {
  const { texts } = JSON.parse(readFileSync(new URL('../testing/exchanges.json', import.meta.url), 'utf8')) as {
    texts: { id: string; request: string; reply: string }[];
  };

  it.each(texts.map((exchange) => [exchange.id, exchange] as const))('%s is answered byte for byte', (_, exchange) => {
    const raw = request(exchange.request, '/model/kit/version/1:passthrough');
    const infer = protocol.decode(raw, catalog);
    expect(
      shown(
        protocol.encode(
          raw,
          infer,
          infer.instances.map((outputs): InstanceResult => ({ outputs })),
        ),
      ),
    ).toEqual({ status: 200, body: exchange.reply });
  });
});

describe('values', () => {
  it.each<[string, string, DType, unknown[]]>([
    ['-7', '', 'int32', [-7]],
    ['2147483647', '', 'int32', [2147483647]],
    ['1.0', '', 'float32', [1]],
    ['1e2', '', 'float32', [100]],
    ['[ 1 , 2 ]', '', 'int32', [1, 2]],
    ['5', ':long', 'int64', [5n]],
    ['9007199254740993', ':long', 'int64', [9007199254740993n]],
    ['[200]', ':small', 'uint8', [200]],
    ['0.1', ':double', 'float64', [0.1]],
    ['1', ':single', 'float32', [1]],
    ['[1, 2.5, -3]', ':single', 'float32', [1, 2.5, -3]],
    ['[[2.5, 1], [0, 0]]', ':single', 'float32', [2.5, 1, 0, 0]],
    ['[1, "NaN", "-Infinity", "Infinity"]', ':single', 'float32', [1, NaN, -Infinity, Infinity]],
    ['["NaN"]', ':single', 'float32', [NaN]],
    ['3', ':double', 'float64', [3]],
    ['true', '', 'bool', [1]],
  ])('%s%s is %s', (value, name, dtype, expected) => {
    const tensor = tensorOf(value, name === '' ? undefined : `/model/kit${name}`);
    expect([tensor.dtype, values(tensor)]).toEqual([dtype, expected]);
  });

  it.each<[string, number, string]>([
    ['1', 0, 'int32'],
    ['[1, 2]', 0, 'int32'],
    ['[1, 2.5]', 400, 'Parser request failed, json array, elements type is not equal'],
    ['[2.5, 1]', 400, 'Parser request failed, json array, elements type is not equal'],
    ['["NaN"]', 0, 'string'],
  ])('with legacyJsonNumbers %s for a float input is what the original makes of it', (value, status, said) => {
    const original = createProtocols({ maxMessageBytes: limit, legacyJsonNumbers: true })['ms-rest'];
    const raw = request(`{"instances":[{"x":${value}}]}`, '/model/kit:single');
    try {
      const tensor = original.decode(raw, catalog).instances[0]?.[0];
      expect([0, tensor?.dtype]).toEqual([status, said]);
    } catch (thrown) {
      if (!(thrown instanceof ServingError)) throw thrown;
      expect(shown(original.refuse(raw, thrown))).toEqual({ status, body: JSON.stringify({ error_msg: said }) });
    }
  });

  it('what is no number in a float list is told with what to write', () => {
    expect(refusal(request('{"instances":[{"x":[1, "nan"]}]}', '/model/kit:single'))).toEqual({
      status: 400,
      text: 'Parser request failed, json array, elements type is not equal: the input is float32, write numbers, or "NaN", "Infinity", "-Infinity"',
    });
  });

  it.each<[string, readonly number[], Buffer]>([
    ['"a\\u0000\\ud83d\\ude00b"', [], Buffer.from('a\u0000😀b')],
    ['["s"]', [1], Buffer.from('s')],
    ['[{"b64":"AP8="}]', [1], Buffer.from([0, 255])],
    ['{"b64":"","type":"bytes","shape":[1]}', [1], Buffer.alloc(0)],
    ['[{"b64":"aGk=","type":"str"}]', [1], Buffer.from('aGk=')],
    ['[{"b64":"AP8=","shape":[3,"x"],"k":{"l":null}}]', [1], Buffer.from([0, 255])],
    ['[{"a":1,"b":2,"c":3,"b64":"AP8="}]', [1], Buffer.from([0, 255])],
  ])('%s holds its bytes', (value, shape, bytes) => {
    const tensor = tensorOf(value);
    expect([tensor.shape, Buffer.from(tensor.bytes)]).toEqual([shape, Buffer.from(packElements([bytes]))]);
  });

  it('of two members with one name, the last counts, also when the first is no tensor', () => {
    for (const first of ['1', 'null', '[[1],[]]'])
      expect(values(protocol.decode(request(`{"instances":[{"x":${first},"x":2}]}`), catalog).instances[0]?.[0] as Tensor)).toEqual([2]);
  });

  const p = 'Parser request failed, ';
  it.each<[string, string]>([
    ['null', `${p}json value is null, it is not supported`],
    ['{}', `${p}json object, value is empty`],
    ['[]', `${p}json array, shape is empty`],
    ['[[]]', `${p}json array, data type is unknown`],
    ['[null]', `${p}json array, data type is unknown`],
    ['[1,2.5]', `${p}json array, elements type is not equal`],
    ['[1.5,2]', `${p}json array, elements type is not equal`],
    ['[true,1]', `${p}json array, elements type is not equal`],
    ['[1,"a"]', `${p}json array, elements type is not equal`],
    ['[1,null]', `${p}json array, data should be number, bool, string or bytes`],
    ['[1,[2]]', `${p}json array, data should be number, bool, string or bytes`],
    ['[[1],2]', `${p}invalid json array: json type is not array`],
    ['[[1],[],[2.5]]', `${p}invalid json array: json size is 0, the dim 1 expected to be 1`],
    ['[[1,2],[3,null,5],[4]]', `${p}invalid json array: json size is 3, the dim 1 expected to be 2`],
    ['[[[1],[2]],[[3],[4.5]],[[5]]]', `${p}json array, elements type is not equal`],
    ['[{"b64":"AQ=="},2]', `${p}json array, string or bytes type only support one item`],
    ['[[{"b64":"AQ"}]]', `${p}'AQ' is illegal b64 encode string`],
    ['[[1,2],[3]]', `${p}invalid json array: json size is 1, the dim 1 expected to be 2`],
    ['["a","b"]', `${p}json array, string or bytes type only support one item`],
    ['[{"b64":"A@=="},{"b64":"AQ=="}]', `${p}json array, string or bytes type only support one item`],
    ['[[[{"a":1}]],[[{"b64":"AQ=="}]]]', `${p}json array, string or bytes type only support one item`],
    ['[{"b64":1},[2]]', `${p}json array, string or bytes type only support one item`],
    ['[["a"],2]', `${p}json array, string or bytes type only support one item`],
    ['[[[1,"a"],[1]],[[1,1]]]', `${p}json array, elements type is not equal`],
    ['[[[1],[2]],[[null],[1],[1]]]', `${p}invalid json array: json size is 3, the dim 1 expected to be 2`],
    ['[[[1],[2]],[[3],[null]],[[1]]]', `${p}json array, data should be number, bool, string or bytes`],
    ['[{"b64":"AQ==","type":"int8"}]', `${p}json array, item is object type, object only support string or bytes type`],
    ['[{"type":"complex"}]', `${p}json array, data type is unknown`],
    ['[{"a":1}]', `${p}get scalar data failed, type is string, but json is not string type`],
    [
      '{"b64":"AQ==","type":"int8","shape":[1],"a":1}',
      `${p}json object, items size is more than 3, only support specified ['b64', 'type', 'shape']`,
    ],
    ['{"b64":"AQ==","kind":1}', `${p}json object, key is not ['b64', 'type', 'shape'], fail key:kind`],
    ['{"type":"int8"}', `${p}json object, 'b64' should be specified only one time`],
    ['{"b64":"AQ==","type":1}', `${p}json object, key is 'type', value should be string type`],
    ['{"b64":"AQ==","type":"i8"}', `${p}json object, specified type:'i8' is illegal`],
    ['{"b64":"AQ==","shape":1}', `${p}json object, key is 'shape', value should be array type`],
    ['{"b64":"AQ==","type":"int8","shape":[-1]}', `${p}json object, key is 'shape', array value should be unsigned integer`],
    ['{"b64":"AQ==","type":"int8","shape":[1.0]}', `${p}json object, key is 'shape', array value should be unsigned integer`],
    ['{"b64":"AQ==","type":"int8","shape":[0, 2]}', `${p}json object, key is 'shape', invalid shape value [0,2]`],
    [
      '{"b64":"AQ==","type":"int8","shape":[ 0, 2.0,\t"a \\" b" , 9223372036854775808]}',
      `${p}json object, key is 'shape', invalid shape value [0,2.0,"a \\" b",9223372036854775808]`,
    ],
    [
      '{"b64":"AQ==","shape":[2]}',
      `${p}json object, only support scalar when data type is string or bytes, please check 'type' or 'shape'`,
    ],
    ['{"b64":1}', `${p}get scalar data failed, type is string, but json is not string type`],
    ['{"b64":"abc"}', `${p}'abc' is illegal b64 encode string`],
    ['{"b64":"@@@@"}', `${p}'@@@@' is illegal b64 encode string`],
    ['{"b64":"_-_-"}', `${p}'_-_-' is illegal b64 encode string`],
    ['{"b64":"YWJj===="}', `${p}'YWJj====' is illegal b64 encode string`],
    ['{"b64":"A==="}', `${p}'A===' is illegal b64 encode string`],
    ['{"b64":"AA==AAAA"}', `${p}decode base64 failed, size is not matched.`],
    ['{"b64":"AA A"}', `${p}decode base64 failed, size is not matched.`],
    ['{"b64":"AA=A"}', `${p}decode base64 failed, size is not matched.`],
    ['{"b64":"AAAAAA@="}', `${p}decode base64 failed, size is not matched.`],
    ['{"b64":"AAAAA@=="}', `${p}'AAAAA@==' is illegal b64 encode string`],
    ['[{"b64":"AAA@"}]', `${p}decode base64 failed, size is not matched.`],
    ['{"b64":"AQID","type":"int32"}', `${p}size is not matched, decode base64 size:3; Given info: type:int32; type size:4; element nums:1`],
    [
      '{"b64":"AQID","type":"fp16","shape":[2]}',
      `${p}size is not matched, decode base64 size:3; Given info: type:float16; type size:2; element nums:2`,
    ],
    ['2147483648', `${p}json value 2147483648 is out of the range of int32`],
    ['[-2147483649]', `${p}json value -2147483649 is out of the range of int32`],
    ['1e39', `${p}json value 1e39 is out of the range of float32`],
    [
      '[["s"]]',
      'Instances input x check failed, detail: Instance tensor check failed: bytes or string type input  shape can only be (1,) or empty, but given shape is [1, 1]',
    ],
  ])('%s is refused', (value, text) => {
    expect(refusal(request(`{"instances":[{"x":${value}}]}`))).toEqual({ status: 400, text });
  });

  it('the declared integer dtype bounds what is taken', () => {
    expect(refusal(request('{"instances":{"x":256}}', '/model/kit:small')).text).toBe(`${p}json value 256 is out of the range of uint8`);
    expect(refusal(request('{"instances":{"x":9223372036854775808}}', '/model/kit:long')).text).toBe(
      `${p}json value 9223372036854775808 is out of the range of int64`,
    );
  });
});

describe('bodies', () => {
  const p = 'Parser request failed, ';
  it.each<[string, string | Uint8Array, string]>([
    ['empty', '', 'http message invalid'],
    [
      'no JSON',
      'not json',
      'Illegal JSON format.[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing value - invalid literal',
    ],
    ['not UTF-8', Buffer.from('{"instances":"\xff"}', 'latin1'), 'Illegal JSON format.'],
    [
      'a number past all doubles',
      '{"instances":[{"x":1e400}]}',
      `Illegal JSON format.[json.exception.out_of_range.406] number overflow parsing '1e400'`,
    ],
    [
      'nested too deeply in what is ignored',
      `{"other":${'['.repeat(100)}${']'.repeat(100)},"instances":[{"x":1}]}`,
      'Illegal JSON format. nesting is deeper than 100',
    ],
    ['nested too deeply', `{"instances":${'['.repeat(100)}${']'.repeat(100)}}`, 'Illegal JSON format. nesting is deeper than 100'],
    ['an array', '[1,2]', `${p}key 'instances' expects to exist once, but actually 0 times`],
    ['a number', '3', `${p}key 'instances' expects to exist once, but actually 0 times`],
    ['no instances', '{}', `${p}key 'instances' expects to exist once, but actually 0 times`],
    ['instances []', '{"instances":[]}', `${p}instances value is array type, but no value`],
    ['instances null', '{"instances":null}', `${p}instances no key mode is not supported`],
    ['instances of scalars', '{"instances":[1]}', `${p}instances no key mode is not supported`],
    ['instances {}', '{"instances":{}}', `${p}json object, value is empty`],
    ['an empty instance', '{"instances":[{"x":1},{}]}', `${p}json array, instance is object type, but no value`],
    ['an instance that is none', '{"instances":[{"x":1},2]}', `${p}json array, instance is not object type`],
    ['an empty name', '{"instances":[{"x":1,"":2}]}', `${p}string key is empty`],
    ['a bad input that is not declared', '{"instances":[{"x":1,"other":null}]}', `${p}json value is null, it is not supported`],
    ['two bad inputs: the first by name is told', '{"instances":[{"x":[],"b":null}]}', `${p}json value is null, it is not supported`],
    ['a missing input', '{"instances":[{"x":1},{"y":1}]}', 'Cannot find input x in instance input , servable kit, method passthrough'],
  ])('%s', (_, body, text) => {
    expect(refusal(request(body))).toEqual({ status: 400, text });
  });

  it('members that mean nothing are passed over', () => {
    const body = '{"a":[1,{"b":[]}],"instances":{"x":1},"c":{"instances":2},"d":"\\"}"} ';
    expect(protocol.decode(request(body), catalog).instances).toHaveLength(1);
  });

  it('limits are 413', () => {
    expect(refusal(request(Buffer.alloc(limit + 1, ' ')))).toEqual({ status: 413, text: `http message is bigger than ${limit}` });
    expect(refusal(request(`{"instances":[${'{"x":1},'.repeat(maxInstances)}{"x":1}]}`))).toEqual({
      status: 413,
      text: `the request has more than ${maxInstances} instances`,
    });
  });

  it('a deep, wide array that is wrong at its end is read in linear time', () => {
    const body = `{"instances":[{"x":${'['.repeat(60)}${'1,'.repeat(200_000)}2.5${']'.repeat(60)}}]}`;
    expect(refusal(request(body)).text).toBe(`${p}json array, elements type is not equal`);
  });

  it('members of an instance are bounded', () => {
    const many = Array.from({ length: 4097 }, (_, index) => `"m${index}":1`).join();
    expect(refusal(request(`{"instances":[{${many}}]}`))).toEqual({
      status: 413,
      text: 'an object of the request has more than 4096 members',
    });
    expect(refusal(request(`{"instances":[{"x":null,${many}}]}`)).status).toBe(413);
  });

  it('error texts stay short', () => {
    const long = 'k'.repeat(100_000);
    for (const body of [
      `{"instances":[{"x":{"b64":"","${long}":1}}]}`,
      `{"instances":[{"x":{"b64":"${long}!"}}]}`,
      `{"instances":[{"x":1${'0'.repeat(1000)}}]}`,
    ])
      expect(refusal(request(body)).text.length).toBeLessThan(400);
    expect(refusal(request('{"instances":{"x":1}}', `/model/${long}:${long}`)).text.length).toBeLessThan(600);
  });
});

describe('URLs', () => {
  const body = '{"instances":[{"x":1}]}';

  it.each([
    '/model/kit:passthrough',
    '/model/kit/:passthrough',
    '/model/kit/version/0:passthrough',
    '/model/kit/version/2/:passthrough',
    '/model/kit:passthrough?a=b:c',
  ])('%s', (path) => {
    expect(protocol.decode(request(body, path), catalog).target).toMatchObject({ servable: 'kit', version: 2 });
  });

  it.each(['gr%C3%B6%C3%9Fe', 'gr%c3%b6%c3%9fe'])('name a method beyond ASCII in the only way that there is: %s', (name) => {
    expect(protocol.decode(request(body, `/model/kit:${name}`), catalog).target.method.name).toBe('größe');
  });

  it.each(['/model/kit:passthrough/', '/model/kit:passthrough/?x=1', '/model/kit/version/1:passthrough/'])(
    'may end with a slash: %s',
    (path) => {
      expect(protocol.decode(request(body, path), catalog).target.method.name).toBe('passthrough');
    },
  );

  const badVersion = (version: string): string =>
    `please check url, the keyword:[version] value invalid, request version number ${version}`;
  const badRange = (version: string): string => `please check url, version number range failed, request version number ${version}`;
  it.each<[string, number, string]>([
    ['/', 400, 'please check url, the keyword:[model] must contain.'],
    ['/kit:passthrough', 400, 'please check url, the keyword:[model] must contain.'],
    ['/model/:passthrough', 400, 'please check url, the keyword:[model] must contain.'],
    ['/version/1/model/kit:passthrough', 400, 'please check url, the keyword:[model] must contain.'],
    ['//model/kit:passthrough', 400, 'please check url, the keyword:[model] must contain. The path is /model/kit:passthrough'],
    ['/model//kit:passthrough', 400, 'please check url, the keyword:[model] must contain. The path is /model/kit:passthrough'],
    ['/Model/kit:passthrough', 400, 'please check url, the keyword:[model] must contain. The path is /model/kit:passthrough'],
    ['/model/kit:/', 400, 'please check url, the keyword:[service method] must contain.'],
    ['/model/kit', 400, 'please check url, the keyword:[service method] must contain.'],
    ['/model/kit:', 400, 'please check url, the keyword:[service method] must contain.'],
    ['/model/kit%3Apassthrough', 400, 'please check url, the keyword:[service method] must contain.'],
    ['/model/kit/version/-1:passthrough', 400, badRange('-1')],
    ['/model/kit/version/9007199254740992:passthrough', 400, badRange('9007199254740992')],
    ['/model/kit/version/99999999999999999999:passthrough', 400, badRange('99999999999999999999')],
    ['/model/kit/version/abc:passthrough', 400, badVersion('abc')],
    ['/model/kit/version/1abc:passthrough', 400, badVersion('1abc')],
    ['/model/kit/version/:passthrough', 400, badVersion('')],
    ['/model/kit/version:passthrough', 400, badVersion('passthrough')],
    ['/model/kit/versions/1:passthrough', 400, badVersion('')],
    ['/model/kit/version/1/passthrough', 400, 'please check url, the keyword:[service method] must contain.'],
    ['/model/kit/passthrough', 400, 'please check url, the keyword:[service method] must contain.'],
    [
      '/model/kit/version/1/x:passthrough',
      400,
      `please check url, '/model/kit/version/1/x:passthrough' is not /model/{servable}[/version/{n}]:{method}`,
    ],
    [
      '/model/kit/version/7/version/1:passthrough',
      400,
      `please check url, '/model/kit/version/7/version/1:passthrough' is not /model/{servable}[/version/{n}]:{method}`,
    ],
    [
      '/model/kit/ver/1:passthrough',
      400,
      `please check url, '/model/kit/ver/1:passthrough' is not /model/{servable}[/version/{n}]:{method}`,
    ],
    ['/model/nope:passthrough', 404, 'Request servable(nope) method(passthrough) , servable is not available'],
    ['/model/..%2fkit:passthrough', 404, 'Request servable(../kit) method(passthrough) , servable is not available'],
    ['/model/kit/version/9:passthrough', 404, 'Request servable(kit) method(passthrough)  version(9) , servable is not available'],
    ['/model/kit:nope', 404, 'Request servable(kit) method(nope) , method is not available'],
    ['/model/kit:gr%C3%B6%25', 404, 'Request servable(kit) method(grö%) , method is not available'],
    ['/model/kit:pass%2574hrough', 404, 'Request servable(kit) method(pass%74hrough) , method is not available'],
    ['/model/kit:gr%F6sse', 404, 'Request servable(kit) method(gr%F6sse) , method is not available'],
  ])('%s', (path, status, text) => {
    expect(refusal(request(body, path))).toEqual({ status, text });
  });

  it('are judged after verb and syntax, and looked up after the instances are read', () => {
    expect(refusal(request('', '/', 'GET'))).toEqual({ status: 405, text: 'http message only support POST right now' });
    expect(refusal(request('', '/')).text).toBe('http message invalid');
    expect(refusal(request('{', '/')).text).toContain('Illegal JSON format.');
    expect(refusal(request('{}', '/')).text).toContain('[model]');
    expect(refusal(request('{}', '/model/nope:passthrough')).text).toContain('Parser request failed');
  });
});

describe('answers', () => {
  const y = (tensor: Tensor): InstanceResult => ({ outputs: [tensor] });
  const failed = (code: ServingErrorCode, message: string): InstanceResult => ({ failure: { code, message } });
  const int = (value: number): Tensor => ({ dtype: 'int32', shape: [], bytes: new Uint8Array(Int32Array.of(value).buffer) });

  it('sort outputs by name', () => {
    expect(answered([{ outputs: [int(3), int(-1)] }], '/model/kit:two')).toEqual({
      status: 200,
      body: '{"instances":[{"diff":-1,"sum":3}]}',
    });
  });

  it.each<[string, Tensor, string]>([
    ['64 bits', { dtype: 'uint64', shape: [1], bytes: new Uint8Array(8).fill(255) }, '[18446744073709551615]'],
    [
      'nested floats',
      { dtype: 'float32', shape: [2, 2], bytes: new Uint8Array(Float32Array.of(1, -0, NaN, 0.5).buffer) },
      '[[1.0,-0.0],[null,0.5]]',
    ],
    ['no elements', { dtype: 'int8', shape: [2, 0], bytes: new Uint8Array(0) }, '[[],[]]'],
    ['strings', stringTensor('a"\u0001é'), '"a\\"\\u0001é"'],
    ['strings of shape [1]', stringTensor(['s']), '["s"]'],
    ['two strings', stringTensor(['a', 'b']), '["a","b"]'],
    ['no strings', stringTensor([]), '[]'],
    [
      'two values of bytes',
      { dtype: 'bytes', shape: [2], bytes: packElements([Buffer.from('a'), Buffer.alloc(0)]) },
      '[{"b64":"YQ=="},{"b64":""}]',
    ],
    ['empty bytes', { dtype: 'bytes', shape: [], bytes: packElements([Buffer.alloc(0)]) }, '{"b64":""}'],
    ['unaligned numbers', { dtype: 'int32', shape: [1], bytes: Uint8Array.of(9, 1, 0, 0, 0).subarray(1) }, '[1]'],
  ])('%s', (_, tensor, text) => {
    expect(answered([y(tensor)])).toEqual({ status: 200, body: `{"instances":[{"y":${text}}]}` });
  });

  it.each<[string, Tensor['dtype'], Float32Array | Uint8Array | BigInt64Array, number[]]>([
    ['fractions in one row', 'float32', Float32Array.from({ length: 20_000 }, (_, i) => i + 0.5), [20_000]],
    ['whole floats in one row', 'float32', new Float32Array(8_193).fill(-1.5, 8_192), [8_193]],
    ['integers in one row', 'int64', BigInt64Array.from({ length: 16_385 }, (_, i) => BigInt(i)), [16_385]],
    ['many short rows', 'uint8', new Uint8Array(60_000).fill(7), [30_000, 1, 2]],
    ['many long rows', 'uint8', new Uint8Array(60_000).fill(7), [3, 20_000]],
  ])('long texts are whole: %s', (_, dtype, elements, shape) => {
    const { body } = answered([y({ dtype, shape, bytes: new Uint8Array(elements.buffer) })]);
    let written: unknown = (JSON.parse(body) as { instances: { y: unknown }[] }).instances[0]?.y;
    let rows = 1;
    for (const dim of shape.slice(0, -1)) {
      rows *= dim;
      expect(written).toHaveLength(rows);
      written = (written as unknown[]).flat();
    }
    expect(written).toEqual(Array.from(elements as Float32Array, Number));
  });

  it.each<[string, Tensor, string]>([
    [
      'a string that is not UTF-8',
      { dtype: 'string', shape: [], bytes: packElements([Uint8Array.of(0xff)]) },
      'Failed to construct the response',
    ],
    [
      'strings of rank 2',
      { ...stringTensor(['a']), shape: [1, 1] },
      'Failed to construct the response: reply string or bytes, shape should be 1, given shape size:2',
    ],
    [
      '2^31 rows without elements',
      { dtype: 'int8', shape: [2 ** 31, 0], bytes: new Uint8Array(0) },
      'Failed to construct the response: shape [2147483648, 0] has more than 65536 rows without elements',
    ],
  ])('%s cannot be written', (_, tensor, text) => {
    expect(answered([y(tensor)])).toEqual({ status: 500, body: JSON.stringify({ error_msg: text }) });
  });

  it('a failed instance has its error in its place, and the answer stays 200', () => {
    expect(answered([y(int(1)), failed('ABORTED', 'no "x"')])).toEqual({
      status: 200,
      body: '{"instances":[{"y":1},{"error_msg":"no \\"x\\""}]}',
    });
  });

  it('failures that are alike become the failure of the request', () => {
    expect(answered([failed('ABORTED', 'no'), failed('ABORTED', 'no')])).toEqual({ status: 500, body: '{"error_msg":"no"}' });
    expect(answered([failed('ABORTED', 'a'), failed('ABORTED', 'b')]).body).toBe('{"instances":[{"error_msg":"a"},{"error_msg":"b"}]}');
  });

  it.each<[ServingErrorCode, number]>([
    ['INVALID_ARGUMENT', 400],
    ['NOT_FOUND', 404],
    ['RESOURCE_EXHAUSTED', 429],
    ['ABORTED', 500],
    ['INTERNAL', 500],
    ['UNAVAILABLE', 503],
    ['DEADLINE_EXCEEDED', 504],
  ])('%s is HTTP %d, and 200 with legacyStatus200', (code, status) => {
    const error = new ServingError(code, 't');
    expect(shown(protocol.refuse(request(''), error))).toEqual({ status, body: '{"error_msg":"t"}' });
    expect(shown(legacy.refuse(request(''), error))).toEqual({ status: 200, body: '{"error_msg":"t"}' });
  });
});
