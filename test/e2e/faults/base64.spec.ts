import { faultTable, type FaultRow } from './fault-table.js';

/** An instance of same.float32: [2] floats of 4 bytes. */
const value = (members: string): string => `{"instances":[{"x":{${members}}}]}`;
const typed = (b64: string, type = 'float32', shape = '[2]'): string => value(`"b64":"${b64}","type":"${type}","shape":${shape}`);
const zeros = 'AAAAAAAAAAA=';
const bytes = (count: number): string => Buffer.alloc(count).toString('base64');
const path = '/model/same:float32';
const echo = '/model/echo:predict';

const base64: readonly FaultRow[] = [
  ['39a', 'a bad character', (server) => server.post(path, typed('AAAAAA!AAAA=')), /^400 .*decode base64 failed/],
  ['39b', 'nothing but bad characters', (server) => server.post(path, typed('!!!!')), /^400 .*illegal b64/],
  ['39c', 'too much padding', (server) => server.post(path, typed('YWJj====')), /^400 .*illegal b64/],
  ['39d', 'padding in the middle', (server) => server.post(path, typed('AAA=AAAAAAA=')), /^400 .*decode base64 failed/],
  ['39e', 'no padding', (server) => server.post(path, typed('AAAAAAAAAAA')), /^400 .*illegal b64/],
  [
    '39f',
    'bits behind the last byte',
    (server) => server.post(path, typed('AAAAAAAAAAB=')),
    /^200 /,
    'they mean nothing (RFC 4648, 3.5), and the original passes over them',
  ],
  ['39g', 'letters beyond ASCII', (server) => server.post(path, typed('ÀAAAAAAAAAA=')), /^400 .*illegal b64/],
  ['40a', 'a byte too few', (server) => server.post(path, typed(bytes(7))), /^400 .*base64 size:7/],
  ['40b', 'a byte too many', (server) => server.post(path, typed(bytes(9))), /^400 .*base64 size:9/],
  ['40c', 'a value too many', (server) => server.post(path, typed(bytes(12))), /^400 .*base64 size:12/],
  ['40d', 'no bytes', (server) => server.post(path, typed('')), /^400 /],
  ['41a', 'an unknown type', (server) => server.post(path, typed(zeros, 'float128')), /^400 .*float128/],
  ['41b', 'a type that is no text', (server) => server.post(path, value(`"b64":"${zeros}","type":7,"shape":[2]`)), /^400 .*type/],
  ['41c', 'another type of the same size', (server) => server.post(path, typed(zeros, 'int32')), /^400 .*kMSI_Int32 not match/],
  ['41d', 'bytes of shape [2]', (server) => server.post(echo, typed(zeros, 'bytes')), /^400 .*only support scalar/],
  ['41e', 'a type of its prototype', (server) => server.post(path, typed(zeros, 'constructor')), /^400 .*constructor/],
  [
    '42',
    '65 MB of base64',
    (server) => server.post(echo, typed(bytes(48 * 2 ** 20), 'uint8', `[${48 * 2 ** 20}]`)),
    /^413 /,
    'here the limit is 40 MiB: a tensor has the limit of a message, 100 MiB where nobody sets it',
  ],
  [
    '43a',
    'b64 twice',
    (server) => server.post(path, value(`"b64":"!","b64":"${zeros}","type":"float32","shape":[2]`)),
    /^200 \{"instances":\[\{"y":\[0(?:\.0)?,0(?:\.0)?\]\}\]\}$/,
    'the original lets the last one count (docs/protocols.md)',
  ],
  ['43b', 'a fourth member', (server) => server.post(path, value(`"b64":"${zeros}","type":"float32","shape":[2],"more":1`)), /^400 .*more/],
  ['43c', 'no b64', (server) => server.post(path, value('"type":"float32","shape":[2]')), /^400 .*b64/],
  ['44a', 'the alphabet of URLs', (server) => server.post(path, typed('____-----_8=')), /^400 .*illegal b64/],
  ['44b', 'a blank', (server) => server.post(path, typed('AAAA AAAAAAA=')), /^400 .*illegal b64/],
  ['44c', 'a line end', (server) => server.post(path, typed('AAAA\\nAAAAAAA=')), /^400 .*illegal b64/],
];

faultTable('base64', { maxMsgMbSize: 40 }, base64);
