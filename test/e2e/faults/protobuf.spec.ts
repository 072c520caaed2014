import { prefixed } from '../../../apps/gateway/src/testing/raw-grpc.js';
import { field, join, msItem, msRequest, msSpec, oipRequest } from './messages.js';
import { faultTable, type FaultRow } from './fault-table.js';

const infer = { ':path': '/inference.GRPCInferenceService/ModelInfer' };
const stream = { ':path': '/inference.GRPCInferenceService/ModelStreamInfer' };
const letter = (n: number): string => String.fromCharCode(97 + n);

const broken: Readonly<Record<string, Buffer>> = {
  'cut off': msRequest.subarray(0, msRequest.length - 3),
  'wire type 7': Buffer.from([0x0f, 1]),
  'wire type 6': Buffer.from([0x0e, 1]),
  'a varint of 11 bytes': Buffer.from([0x08, ...Array.from({ length: 10 }, () => 0xff), 1]),
  'field 0': Buffer.from([0x02, 0]),
  'a length of 2^32 - 1': Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
  'a length of 2^63': Buffer.from([0x0a, ...Array.from({ length: 9 }, () => 0x80), 1]),
  'an open group': Buffer.from([0x0b, 0x08, 1]),
  'the end of no group': Buffer.from([0x0c]),
};

/** Groups within groups, of a field that nobody knows. */
const nested = (depth: number): Buffer => join(Buffer.alloc(depth, 0x7b), Buffer.alloc(depth, 0x7c));
/** Messages within messages. */
function nestedMessages(depth: number): Buffer {
  let inner: Buffer = Buffer.alloc(0);
  // Each step copies; a few thousand are deeper than any message of the protocols
  for (let n = 0; n < depth; n++) inner = field(15, inner);
  return inner;
}
const refused = /^(INTERNAL|INVALID_ARGUMENT|RESOURCE_EXHAUSTED) .{0,1024}$/s;

const rows: readonly FaultRow[] = [
  ['57', 'nothing wrong with it', (server) => server.call([prefixed(msRequest)]), /^OK /],
  ['57', 'nothing wrong with it, Open Inference Protocol', (server) => server.call([prefixed(oipRequest)], infer), /^OK /],
  ...Object.entries(broken).flatMap(([what, bytes], n): FaultRow[] => [
    [`57${letter(n)}`, `${what}, MSService`, (server) => server.call([prefixed(bytes)]), refused],
    [`57${letter(n)}`, `${what}, ModelInfer`, (server) => server.call([prefixed(bytes)], infer), refused],
    [
      `57${letter(n)}`,
      `${what}, ModelMetadata`,
      (server) => server.call([prefixed(bytes)], { ':path': '/inference.GRPCInferenceService/ModelMetadata' }),
      /^(INTERNAL|INVALID_ARGUMENT|NOT_FOUND) .{0,1024}$/s,
      'a call that is no infer call takes what can be read of its message',
    ],
    [
      `57${letter(n)}`,
      `${what}, in a stream`,
      async (server) => ((await server.call([prefixed(bytes)], stream)).length < 2000 ? 'answered' : 'much'),
      /^answered$/,
    ],
  ]),
  ['58a', '100 000 groups in each other', (server) => server.call([prefixed(join(msRequest, nested(100_000)))]), refused],
  [
    '58b',
    '100 000 groups in each other, Open Inference Protocol',
    (server) => server.call([prefixed(join(oipRequest, nested(100_000)))], infer),
    refused,
  ],
  [
    '58c',
    '5000 messages in each other in an unknown field',
    (server) => server.call([prefixed(join(msRequest, nestedMessages(5000)))]),
    /^OK /,
    'unknown fields are passed over and never gone into',
  ],
  [
    '59a',
    'a million empty instances in 2 MB',
    (server) => server.call([prefixed(join(msSpec, Buffer.from('1200'.repeat(1_000_000), 'hex')))]),
    /^RESOURCE_EXHAUSTED .*65536/,
  ],
  [
    '59b',
    'a million empty inputs in 2 MB',
    (server) => server.call([prefixed(join(field(1, 'echo'), Buffer.from('2a00'.repeat(1_000_000), 'hex')))], infer),
    /^(RESOURCE_EXHAUSTED|INVALID_ARGUMENT) .*1024/,
  ],
  [
    '59c',
    'a million empty items of an instance in 2 MB',
    (server) => server.call([prefixed(join(msSpec, field(2, Buffer.from('0a00'.repeat(1_000_000), 'hex'))))]),
    /^(RESOURCE_EXHAUSTED|INVALID_ARGUMENT|OK) .*Cannot find input x/s,
  ],
  [
    '60a',
    'a key of a map twice',
    (server) => server.call([prefixed(join(msSpec, field(2, join(msItem, msItem))))]),
    /^OK /,
    'the last one counts, as protobuf has it',
  ],
  [
    '60b',
    'ten million bytes of unknown fields',
    (server) => server.call([prefixed(join(msRequest, field(15, Buffer.alloc(10_000_000))))]),
    /^OK .{0,1024}$/s,
  ],
  [
    '60c',
    'a million unknown fields',
    (server) => server.call([prefixed(join(oipRequest, Buffer.from('7801'.repeat(1_000_000), 'hex')))], infer),
    /^OK .{0,1024}$/s,
  ],
  [
    '61a',
    'a name that is not UTF-8',
    (server) => server.call([prefixed(join(field(1, join(field(1, Buffer.from([0xff, 0xfe])), field(2, 'predict'))), field(2, msItem)))]),
    /^(INVALID_ARGUMENT|INTERNAL) /,
  ],
  [
    '61b',
    'a model name that is not UTF-8',
    (server) => server.call([prefixed(field(1, Buffer.from([0xc0, 0xaf])))], infer),
    /^(INVALID_ARGUMENT|INTERNAL) /,
  ],
];

faultTable('protobuf', {}, rows);
