import { faultTable, type FaultRow } from './fault-table.js';
import type { FaultServer } from './fault-server.js';

const good = '{"instances":[{"x":7}]}';
const input = '{"inputs":[{"name":"x","datatype":"INT32","shape":[1],"data":[7]}]}';
const letter = (n: number): string => String.fromCharCode(97 + n);
const specOf = (name: string, version = '0'): object => ({
  servable_spec: { name, method_name: 'predict', version_number: version },
  instances: [{ items: { x: { dtype: 'MS_INT32', shape: { dims: [1] }, data: Buffer.alloc(4) } } }],
});
const modelOf = (model_name: string, model_version = ''): object => ({
  model_name,
  model_version,
  inputs: [{ name: 'x', datatype: 'INT32', shape: [1] }],
  raw_input_contents: [Buffer.alloc(4)],
});

/** Names that a request may bring, as they stand in a path. A raw request is sent: clients of HTTP tidy paths up. */
const names: readonly (readonly [what: string, inPath: string, name: string])[] = [
  ['../echo', '../echo', '../echo'],
  ['%2e%2e', '%2e%2e', '..'],
  ['%2e%2e%2fecho', '%2e%2e%2fecho', '../echo'],
  ['a/b', 'a/b', 'a/b'],
  ['NUL within', 'ec%00ho', 'ec\0ho'],
  ['.', '.', '.'],
  ['nothing', '', ''],
  ['300 letters', 'e'.repeat(300), 'e'.repeat(300)],
  ['a look-alike', '%D0%B5cho', '\u0435cho'],
  ['a full-width letter', '%EF%BD%85cho', '\uff45cho'],
  ['/etc/passwd', '%2Fetc%2Fpasswd', '/etc/passwd'],
];
/** Names that would be more than a name in the subjects of a bus. */
const subjects = ['a.*', 'a.>', '$SYS.x', '_INBOX.x', '*', '>'];

const raw = (path: string, body: string) => (server: FaultServer) =>
  server.raw(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
const refused = /^40[04] .{0,1024} closed$/;

const rows: readonly FaultRow[] = [
  ...names.flatMap(([what, inPath, name], n): FaultRow[] => [
    [`74${letter(n)}`, `servable ${what} over ms-rest`, raw(`/model/${inPath}:predict`, good), refused],
    [`74${letter(n)}`, `model ${what} over oip-rest`, raw(`/v2/models/${inPath}/infer`, input), refused],
    [`74${letter(n)}`, `servable ${what} over ms-grpc`, (server) => server.ms(specOf(name)), /^error 2 .{0,1024}$/],
    [`74${letter(n)}`, `model ${what} over oip-grpc`, (server) => server.oip(modelOf(name)), /^(NOT_FOUND|INVALID_ARGUMENT) .{0,1024}$/s],
  ]),
  ...subjects.flatMap((name, n): FaultRow[] => [
    [`75${letter(n)}`, `servable ${name} over ms-rest`, raw(`/model/${encodeURIComponent(name)}:predict`, good), refused],
    [`75${letter(n)}`, `model ${name} over oip-rest`, raw(`/v2/models/${encodeURIComponent(name)}/infer`, input), refused],
    [`75${letter(n)}`, `servable ${name} over ms-grpc`, (server) => server.ms(specOf(name)), /^error 2 /],
  ]),
  ...['1abc', '-1', '01', '4294967296', '1e3', '1.0', '%31x', '18446744073709551616', '+1', '0x1'].flatMap((version, n): FaultRow[] => [
    [
      `76${letter(n)}`,
      `version ${version} over ms-rest`,
      raw(`/model/echo/version/${version}:predict`, good),
      version === '01' ? /^(200|40[04]) / : refused,
    ],
    [`76${letter(n)}`, `version ${version} over oip-rest`, raw(`/v2/models/echo/versions/${version}/infer`, input), refused],
    [
      `76${letter(n)}`,
      `version ${version} over oip-grpc`,
      (server) => server.oip(modelOf('echo', version)),
      /^(NOT_FOUND|INVALID_ARGUMENT) /,
    ],
  ]),
  ['76z', 'version 2^64 - 1 over ms-grpc', (server) => server.ms(specOf('echo', '18446744073709551615')), /^error 2 /],
];

faultTable('names and versions', {}, rows);
