import { gzipSync } from 'node:zlib';
import { faultTable, type FaultRow } from './fault-table.js';

const nested = (depth: number, inner = '7'): string => '['.repeat(depth) + inner + ']'.repeat(depth);
const instances = (text: string): string => `{"instances":[${text}]}`;
const deep = (depth: number): string => `{"instances":[{"x":7}],"more":${nested(depth - 1)}}`;
const predict = '/model/echo:predict';
const infer = '/v2/models/echo/infer';
const input = (members: string): string => `{"inputs":[{"name":"x",${members}}]}`;

const syntax: readonly FaultRow[] = [
  ['23a', 'a depth of 100', (server) => server.post(predict, deep(100)), /^200 \{"instances":\[\{"y":7\}\]\}$/],
  ['23b', 'a depth of 101', (server) => server.post(predict, deep(101)), /^400 .*nesting is deeper than 100/],
  ['23c', 'a depth of 101 in data', (server) => server.infer('echo', 'INT32', '[1]', nested(98)), /^400 .*nesting is deeper than 100/],
  ['24a', 'ten million brackets', (server) => server.post(predict, '['.repeat(10_000_000)), /^400 .*nesting is deeper than 100/],
  ['24b', 'ten million brackets for data', (server) => server.post(infer, nested(5_000_000)), /^400 .*nesting is deeper than 100/],
  [
    '25a',
    'a million empty instances',
    (server) => server.post(predict, instances('{},'.repeat(1_000_000).slice(0, -1))),
    /^400 .*instance is object type, but no value/,
  ],
  ['25d', '65 537 instances', (server) => server.post(predict, instances('{"x":1},'.repeat(65_537).slice(0, -1))), /^413 .{0,200}65536/],
  [
    '25b',
    'a million members',
    (server) => server.post(predict, instances(`{${'"a":1,'.repeat(1_000_000)}"x":1}`)),
    /^4(00|13) .{0,300}4096/,
  ],
  ['25c', 'a million inputs', (server) => server.post(infer, `{"inputs":[${'{},'.repeat(1_000_000)}{}]}`), /^4(00|13) /],
  ['26a', '__proto__', (server) => server.post(predict, instances('{"__proto__":{"polluted":1}}')), /^400 .*fail key:polluted/],
  [
    '26b',
    'constructor.prototype beside the input',
    (server) => server.post(predict, instances('{"x":7,"constructor":{"prototype":{"polluted":1}}}')),
    /^400 .*fail key:prototype/,
  ],
  ['26c', '__proto__ in the Open Inference Protocol', (server) => server.post(infer, '{"__proto__":{"inputs":[]}}'), /^400 .*inputs/],
  [
    '27a',
    'a name that is given twice',
    (server) => server.post(predict, instances('{"x":1,"x":2}')),
    /^200 \{"instances":\[\{"y":2\}\]\}$/,
    'the original lets the last one count (docs/protocols.md)',
  ],
  [
    '27b',
    'a name that is given twice in the Open Inference Protocol',
    (server) => server.post(infer, input('"datatype":"INT32","datatype":"INT64","shape":[1],"data":[1]')),
    /^400 .*datatype/,
  ],
  [
    '28a',
    'bad UTF-8 in a text',
    (server) => server.post(predict, Buffer.from(instances('{"x":"\xff"}'), 'latin1')),
    /^400 .*Illegal JSON format/,
  ],
  [
    '28b',
    'bad UTF-8 in a name',
    (server) => server.post(predict, Buffer.from(instances('{"\xc0\xaf":1}'), 'latin1')),
    /^400 .*Illegal JSON format/,
  ],
  [
    '28c',
    'bad UTF-8 in the Open Inference Protocol',
    (server) => server.post(infer, Buffer.from(input('"datatype":"BYTES","shape":[1],"data":["\xff"]'), 'latin1')),
    /^400 .*UTF-8/,
  ],
  ['29a', 'a lone surrogate', (server) => server.echo('"\\ud800"'), /^400 /],
  ['29b', 'a lone surrogate in the Open Inference Protocol', (server) => server.infer('echo', 'BYTES', '[1]', '["\\ud800"]'), /^400 /],
  ['29c', 'NUL in a text', (server) => server.echo('"a\\u0000b"'), /^200 \{"instances":\[\{"y":"a\\u0000b"\}\]\}$/],
  [
    '29d',
    'NUL in a text of the Open Inference Protocol',
    (server) => server.infer('echo', 'BYTES', '[1]', '["a\\u0000b"]'),
    /^200 .*"data":\["a\\u0000b"\]/,
  ],
  ...['NaN', 'Infinity', '01', '+1', '1.', '.5', '0x10', '1,', "'1'", '1 2', 'undefined', '\\u0031'].map((text, n): FaultRow => [
    `30${letter(n)}`,
    `the literal ${text}`,
    (server) => server.echo(`[${text}]`),
    /^400 .*JSON/,
  ]),
];

const numbers: readonly FaultRow[] = [
  ...(
    [
      ['1e400', 'FP64', '1e400', /^400 .*x/],
      ['1e39', 'FP32', '1e39', /^400 .*x/],
      ['2^53 + 1', 'INT64', '9007199254740993', /^200 .*"data":\[9007199254740993\]/],
      ['2^63', 'INT64', '9223372036854775808', /^400 .*x/],
      ['2^64 - 1', 'UINT64', '18446744073709551615', /^200 .*"data":\[18446744073709551615\]/],
      ['2^64', 'UINT64', '18446744073709551616', /^400 .*x/],
    ] as const
  ).map(([name, type, text, answer], n): FaultRow => {
    return [`31${letter(n)}`, `${name} into ${type}`, (server) => server.infer('echo', type, '[1,1]', `[${text}]`), answer];
  }),
  ['31g', '2^53 + 1 into int32', (server) => server.echo('9007199254740993'), /^400 /],
  ...(
    [
      ['INT8', '300'],
      ['UINT8', '-1'],
      ['INT32', '1.9'],
      ['INT32', '"1"'],
      ['INT32', 'null'],
      ['INT32', 'true'],
      ['FP32', '"x"'],
      ['FP32', 'null'],
      ['BOOL', '2'],
      ['BYTES', '1'],
    ] as const
  ).map(([type, text], n): FaultRow => {
    return [`32${letter(n)}`, `${text} into ${type}`, (server) => server.infer('echo', type, '[1,1]', `[${text}]`), /^400 .*'?x'?/];
  }),
  ['33a', 'a ragged array', (server) => server.echo('[[1,2],[3]]'), /^400 /],
  ['33b', 'scalars among arrays', (server) => server.echo('[1,[2]]'), /^400 /],
  ['33c', 'a ragged array in the Open Inference Protocol', (server) => server.infer('echo', 'INT32', '[2,2]', '[[1,2],[3]]'), /^400 .*x/],
  ['33d', 'more data than the shape', (server) => server.infer('echo', 'INT32', '[2,2]', '[1,2,3,4,5]'), /^400 .*x/],
  ['34a', 'an empty body', (server) => server.post(predict, ''), /^400 .*http message invalid/],
  ['34b', 'an array', (server) => server.post(predict, '[]'), /^400 /],
  ['34c', 'instances that are no array', (server) => server.post(predict, '{"instances":{}}'), /^400 .*value is empty/],
  ['34d', 'no instances', (server) => server.post(predict, '{"instances":[]}'), /^400 .*instances/],
  ['34e', 'an instance without its input', (server) => server.post(predict, instances('{"z":1}')), /^400 .*Cannot find input x/],
  [
    '34f',
    'an input too many',
    (server) => server.post(predict, instances('{"x":7,"z":1}')),
    /^200 \{"instances":\[\{"y":7\}\]\}$/,
    'the original passes over members that are no inputs',
  ],
  [
    '34g',
    'an input too many in the Open Inference Protocol',
    (server) =>
      server.post(
        infer,
        '{"inputs":[{"name":"x","datatype":"INT32","shape":[1],"data":[1]},{"name":"z","datatype":"INT32","shape":[1],"data":[1]}]}',
      ),
    /^400 .*z/,
  ],
  [
    '34h',
    'the wrong input',
    (server) => server.post(infer, '{"inputs":[{"name":"z","datatype":"INT32","shape":[1],"data":[1]}]}'),
    /^400 .*z/,
  ],
];

const sizes: readonly FaultRow[] = [
  ['35a', 'a name of 5 MB', (server) => server.post(predict, instances(`{"${'k'.repeat(5_000_000)}":1}`)), /^400 .{0,1024}$/],
  [
    '35b',
    'a text of 5 MB for a number',
    (server) => server.infer('echo', 'INT32', '[1]', `["${'v'.repeat(5_000_000)}"]`),
    /^400 .{0,1024}$/,
  ],
  [
    '35c',
    'a model name of 5 MB',
    (server) => server.post(infer, input(`"datatype":"${'d'.repeat(5_000_000)}","shape":[1],"data":[1]`)),
    /^400 .{0,1024}$/,
  ],
  ['36a', 'XML', (server) => server.post(infer, '<x/>', { 'content-type': 'application/xml' }), /^415 .*application\/json/],
  [
    '36b',
    'text/plain',
    (server) => server.post(infer, input('"datatype":"INT32","shape":[1],"data":[1]'), { 'content-type': 'text/plain' }),
    /^200 .*"data":\[1\]/,
    'fetch and curl name JSON so by themselves (docs/protocols.md); a page of another origin reads no answer',
  ],
  [
    '36c',
    'no content type over ms-rest',
    (server) => server.post(predict, instances('{"x":7}'), { 'content-type': '' }),
    /^200 \{"instances":\[\{"y":7\}\]\}$/,
    'the original reads no content type',
  ],
  [
    '37a',
    'a gzip bomb of 10 GB',
    (server) => server.post(infer, bomb(), { 'content-encoding': 'gzip' }),
    /^413 .*inflated body is bigger than 104857600/,
  ],
  [
    '37b',
    'a gzip bomb over ms-rest',
    (server) => server.post(predict, bomb(), { 'content-encoding': 'gzip' }),
    /^400 .{0,1024}$/,
    'the original reads no content encoding: nothing is inflated',
  ],
  ['37c', 'what is no gzip', (server) => server.post(infer, 'no gzip', { 'content-encoding': 'gzip' }), /^400 .*gzip/],
  ['37d', 'an unknown encoding', (server) => server.post(infer, '{}', { 'content-encoding': 'br' }), /^415 .*gzip/],
  [
    '38',
    'multipart with a boundary of 12 KB',
    (server) => server.post(infer, 'x', { 'content-type': `multipart/form-data; boundary=${'b'.repeat(12_000)}` }),
    /^415 .{0,1024}$/,
  ],
  [
    '38b',
    'multipart with a boundary of 64 KB',
    (server) => server.post(infer, 'x', { 'content-type': `multipart/form-data; boundary=${'b'.repeat(64_000)}` }),
    /^431 /,
    'headers have 16 KiB together',
  ],
];

/** Members of gzip may follow each other: ten thousand of them, each a megabyte of zeros. */
function bomb(): Buffer {
  const member = gzipSync(Buffer.alloc(2 ** 20));
  return Buffer.concat(Array.from({ length: 10_000 }, () => member));
}

function letter(n: number): string {
  return String.fromCharCode(97 + n);
}

faultTable('JSON', {}, syntax);
faultTable('numbers and names in JSON', {}, numbers);
faultTable('sizes and content types', {}, sizes);
