import { faultTable, type FaultRow } from './fault-table.js';
import type { FaultServer } from './fault-server.js';

const tensor = (dtype: string, dims: readonly (number | string)[], data: Buffer): object => ({
  servable_spec: { name: 'echo', method_name: 'predict' },
  instances: [{ items: { x: { dtype, shape: { dims }, data } } }],
});
const oip = (model: string, datatype: string, shape: readonly (number | string)[], raw: Buffer): object => ({
  model_name: model,
  inputs: [{ name: 'x', datatype, shape }],
  raw_input_contents: [raw],
});
const hex = (...bytes: string[]): Buffer => Buffer.from(bytes.join(''), 'hex');
/** The bytes of the only output of a reply over the Open Inference Protocol, as hexadecimal digits. */
const through = async (server: FaultServer, model: string, datatype: string, shape: readonly number[], raw: Buffer): Promise<string> => {
  const reply = await server.clients.oip.call('ModelInfer', oip(model, datatype, shape, raw));
  const [bytes] = reply.raw_output_contents as readonly Buffer[];
  return bytes?.equals(raw) === true ? 'the same bytes' : `${bytes?.toString('hex')}`;
};
const one = Buffer.alloc(4);

const shapes: readonly FaultRow[] = [
  ['62a', 'a negative dim', (server) => server.infer('echo', 'INT32', '[-1]', '[1]'), /^400 .*x/],
  ['62b', 'two negative dims', (server) => server.infer('echo', 'INT32', '[-2,-2]', '[1,2,3,4]'), /^400 .*x/],
  [
    '62c',
    'two negative dims over gRPC',
    (server) => server.oip(oip('echo', 'INT32', [-2, -2], Buffer.alloc(16))),
    /^INVALID_ARGUMENT .*\[-2, -2\]/,
  ],
  [
    '62d',
    'two negative dims over MSService',
    (server) => server.ms(tensor('MS_INT32', [-2, -2], Buffer.alloc(16))),
    /^error 2 .*\[-2, -2\] invalid/,
  ],
  ['62e', 'a dim that is no number', (server) => server.infer('echo', 'INT32', '["1"]', '[1]'), /^400 .*shape/],
  ['62f', 'a fractional dim', (server) => server.infer('echo', 'INT32', '[1.5]', '[1]'), /^400 .*shape/],
  ['63a', 'dims [2^32, 2^32]', (server) => server.infer('echo', 'INT32', '[4294967296,4294967296]', '[1]'), /^400 /],
  [
    '63b',
    'dims [2^32, 2^32] over gRPC',
    (server) => server.oip(oip('echo', 'INT32', ['4294967296', '4294967296'], one)),
    /^INVALID_ARGUMENT /,
  ],
  [
    '63c',
    'dims [2^32, 2^32] over MSService',
    (server) => server.ms(tensor('MS_INT32', ['4294967296', '4294967296'], one)),
    /^error 2 .*invalid/,
  ],
  ['63d', 'a dim of 2^62', (server) => server.infer('echo', 'INT8', '[1,4611686018427387904]', '[1]'), /^400 /],
  [
    '63e',
    'dims whose product is 2^64',
    (server) =>
      server.oip(
        oip(
          'echo',
          'INT8',
          Array.from({ length: 64 }, () => 2),
          Buffer.alloc(0),
        ),
      ),
    /^(INVALID_ARGUMENT|RESOURCE_EXHAUSTED) /,
  ],
  ['64a', 'dims [1, 0, 2^60]', (server) => server.infer('echo', 'INT32', '[1,0,1152921504606846976]', '[]'), /^(400 |200 .*"data":\[\])/],
  [
    '64b',
    'dims [0, 2^60] over MSService',
    (server) => server.ms(tensor('MS_INT32', [0, '1152921504606846976'], Buffer.alloc(0))),
    /^error 2 .*invalid/,
  ],
  ['65a', 'rank 1000', (server) => server.infer('echo', 'INT32', `[${'1,'.repeat(999)}1]`, '[1]'), /^400 .{0,1024}$/],
  [
    '65b',
    'rank 1000 over gRPC',
    (server) =>
      server.oip(
        oip(
          'echo',
          'INT32',
          Array.from({ length: 1000 }, () => 1),
          one,
        ),
      ),
    /^INVALID_ARGUMENT .{0,1024}$/,
  ],
  [
    '65c',
    'rank 1000 over MSService',
    (server) =>
      server.ms(
        tensor(
          'MS_INT32',
          Array.from({ length: 1000 }, () => 1),
          one,
        ),
      ),
    /^error 2 .*at most 64/,
  ],
  ['65d', 'a million dims', (server) => server.infer('echo', 'INT32', `[${'1,'.repeat(999_999)}1]`, '[1]'), /^400 .{0,1024}$/],
  ['66a', 'too few bytes', (server) => server.oip(oip('echo', 'INT32', [1, 3], Buffer.alloc(8))), /^INVALID_ARGUMENT .*x/],
  ['66b', 'too many bytes', (server) => server.oip(oip('echo', 'INT32', [1, 1], Buffer.alloc(5))), /^INVALID_ARGUMENT .*x/],
  ['66c', 'too many bytes over MSService', (server) => server.ms(tensor('MS_INT32', [1], Buffer.alloc(5))), /^error 2 .*size 5 invalid/],
  [
    '66d',
    'fewer contents than inputs',
    (server) => server.oip({ ...oip('echo', 'INT32', [1], one), raw_input_contents: [] }),
    /^INVALID_ARGUMENT .*x/,
  ],
  [
    '66e',
    'more contents than inputs',
    (server) => server.oip({ ...oip('echo', 'INT32', [1], one), raw_input_contents: [one, one] }),
    /^INVALID_ARGUMENT /,
  ],
  ['67a', 'dtype 999 over MSService', (server) => server.ms(tensor(999 as unknown as string, [1], one)), /^error 2 /],
  ['67b', 'an unknown datatype', (server) => server.infer('echo', 'FP8', '[1]', '[1]'), /^400 .*FP8/],
  [
    '67c',
    "another dtype than the model's",
    (server) => server.oip(oip('same.float32', 'INT32', [1, 2], Buffer.alloc(8))),
    /^INVALID_ARGUMENT .*INT32.*FP32/,
  ],
];

const values: readonly FaultRow[] = [
  [
    '68a',
    'NaN, infinities, a subnormal number and -0',
    // a signalling NaN with bits of its own, a quiet one, inf, -inf, the smallest number, -0
    (server) =>
      through(server, 'same.float32', 'FP32', [3, 2], hex('0100807f', '0000c07f', '0000807f', '000080ff', '01000000', '00000080')),
    /^the same bytes$/,
  ],
  [
    '68b',
    'NaN and infinities in an answer in JSON',
    (server) => server.infer('same.float32', 'FP32', '[2,2]', '["NaN","Infinity","-Infinity",-0.0]'),
    /^200 .*"data":\["NaN","Infinity","-Infinity",-0\.0\]/,
    'strings: JSON has no numbers for them (docs/protocols.md)',
  ],
  [
    '68c',
    'NaN in an answer of ms-rest',
    (server) => server.post('/model/same:float32', '{"instances":[{"x":["NaN",1.5]}]}'),
    /^200 \{"instances":\[\{"y":\[null,1\.5\]\}\]\}$/,
    'null, as the original writes it',
  ],
  ...(
    [
      ['float16', 'FP16', hex('ff7b', '0100', '00fc', '0080')],
      ['bfloat16', 'BF16', hex('7f7f', '0100', '80ff', '0080')],
      ['int64', 'INT64', hex('0000000000000080', 'ffffffffffffff7f', '0100000000002000', 'ffffffffffffffff')],
      ['uint64', 'UINT64', hex('ffffffffffffffff', '0000000000000080', '0000000000000000', '0100000000002000')],
      ['float64', 'FP64', hex('ffffffffffffef7f', '0100000000000000', '000000000000f0ff', '0000000000000080')],
    ] as const
  ).map(([method, datatype, raw], n): FaultRow => {
    return [
      `69${String.fromCharCode(97 + n)}`,
      `extremes of ${method}`,
      (server) => through(server, `same.${method}`, datatype, [2, 2], raw),
      /^the same bytes$/,
    ];
  }),
  [
    '69f',
    'extremes of int64 in JSON',
    (server) => server.infer('same.int64', 'INT64', '[1,2]', '[-9223372036854775808,9223372036854775807]'),
    /^200 .*"data":\[-9223372036854775808,9223372036854775807\]/,
  ],
  [
    '70',
    'more instances than a batch has',
    async (server) => {
      const x = Buffer.from(Int32Array.from({ length: 2000 }, (_, i) => i).buffer);
      return through(server, 'same.int32', 'INT32', [1000, 2], x);
    },
    /^the same bytes$/,
  ],
  [
    '71',
    'one bad instance of eight',
    (server) => server.post('/model/fn:positive', `{"instances":[${[1, 2, 3, -4, 5, 6, 7, 8].map((x) => `{"x":${x}}`).join()}]}`),
    /^200 \{"instances":\[\{"y":1\},\{"y":2\},\{"y":3\},\{"error_msg":"[^"]*negative value"\},\{"y":5\},\{"y":6\},\{"y":7\},\{"y":8\}\]\}$/,
  ],
  [
    '72a',
    '10 000 requested outputs',
    (server) => server.infer('echo', 'INT32', '[1]', '[1]', `"outputs":[${'{"name":"y"},'.repeat(9_999)}{"name":"y"}],`),
    /^400 .{0,1024}$/,
  ],
  [
    '72b',
    '10 000 requested outputs over gRPC',
    (server) => server.oip({ ...oip('echo', 'INT32', [1], one), outputs: Array.from({ length: 10_000 }, () => ({ name: 'y' })) }),
    /^(INVALID_ARGUMENT|RESOURCE_EXHAUSTED) .{0,1024}$/,
  ],
  [
    '72c',
    'an output twice',
    (server) => server.infer('echo', 'INT32', '[1]', '[1]', '"outputs":[{"name":"y"},{"name":"y"}],'),
    /^400 .*requested twice/,
  ],
  ['72d', 'an output that is not there', (server) => server.infer('echo', 'INT32', '[1]', '[1]', '"outputs":[{"name":"w"}],'), /^400 .*w/],
  [
    '72e',
    'an input twice',
    (server) =>
      server.oip({
        ...oip('echo', 'INT32', [1], one),
        inputs: [1, 2].map(() => ({ name: 'x', datatype: 'INT32', shape: [1] })),
        raw_input_contents: [one, one],
      }),
    /^INVALID_ARGUMENT .*x/,
  ],
  [
    '73a',
    'ten million empty texts',
    (server) => server.infer('echo', 'BYTES', '[1,10000000]', `["${'","'.repeat(9_999_999)}"]`),
    /^4(00|13) .*1,?000,?000/,
  ],
  [
    '73b',
    'ten million empty texts over gRPC',
    (server) => server.oip(oip('echo', 'BYTES', [1, 10_000_000], Buffer.alloc(40_000_000))),
    /^(INVALID_ARGUMENT|RESOURCE_EXHAUSTED) .*1,?000,?000/,
  ],
];

faultTable('shapes and dtypes', {}, shapes);
faultTable('values, instances and outputs', {}, values);
