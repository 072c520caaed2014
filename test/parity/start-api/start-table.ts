import { distributed, SSLConfig, type SSLParameters } from '@mserve/server';
import { untyped, type StartBench } from './start-bench.js';

/** A call of the start-up API that is refused, and how. */
export interface StartRow {
  /** `10.N`: row N of the table in section 10 of the specification; `4.1`: its section 4.1. */
  readonly place: string;
  /** The call; Python's where the names are Python's. */
  readonly call: string;
  /** The original's text as the specification has it. */
  readonly original: string;
  /** What stands here for its placeholders, in their order. */
  readonly values?: (bench: StartBench) => readonly (readonly [string, string])[];
  /** Section 4.1 leaves out `Raise failed: `, which all texts of native code begin with. */
  readonly isNative?: true;
  /** The text where it differs by more than names of Python, with the reason. undefined: nothing is refused. */
  readonly differs?: { readonly because: string; readonly text: RegExp | undefined };
  readonly ask: (bench: StartBench) => unknown;
}

const config = (change: object) => (bench: StartBench) => bench.kit(untyped(change));
const ssl = (parameters: object) => () => new SSLConfig(untyped<SSLParameters>(parameters));
const grpc =
  (address: unknown, ...rest: unknown[]) =>
  (bench: StartBench) =>
    bench.bare.startGrpcServer(untyped(address), ...untyped<[]>(rest));
const rest =
  (address: unknown, ...others: unknown[]) =>
  (bench: StartBench) =>
    bench.bare.startRestfulServer(untyped(address), ...untyped<[]>(others));
const start =
  (servableName: string, change: object = {}) =>
  (bench: StartBench) =>
    bench.server.startServables(bench.kit({ servableName, ...change }));
const agents = (modelFiles: unknown) => () => distributed.startupAgents('127.0.0.1:6200', untyped<string[]>(modelFiles));
const as =
  (...values: readonly (readonly [string, string])[]) =>
  () =>
    values;

/** Addresses that are refused with the name of their server in the text, by their place in section 10. */
const addresses = (tag: 'Serving gRPC' | 'RESTful server', listen: typeof grpc): StartRow[] => {
  const isGrpc = tag === 'Serving gRPC';
  const row = (place: string, address: string, original: string, more: Partial<StartRow> = {}): StartRow => ({
    place: isGrpc ? place : '10.20',
    call: `start_${isGrpc ? 'grpc' : 'restful'}_server("${address}")`,
    original,
    values: as(['Serving gRPC', tag]),
    ask: listen(address),
    ...more,
  });
  const missing = "Raise failed: Serving Error: Missing ip or port of the Serving gRPC address '127.0.0.1:'";
  const range = "Raise failed: Serving Error: The port of the Serving gRPC address '127.0.0.1:0' is out of legal range [1 ~ 65535]";
  return [
    row('10.13', '127.0.0.1', "Raise failed: Serving Error: The format of the Serving gRPC address '127.0.0.1' is illegal"),
    row('10.14', '127.0.0.1:', missing),
    row('10.14', ':5500', missing, { values: as(["'127.0.0.1:'", "':5500'"], ['Serving gRPC', tag]) }),
    row('10.15', '127.0.0.1:-1', range, { values: as([':0', ':-1'], ['Serving gRPC', tag]) }),
    row('10.15', '127.0.0.1:65536', range, { values: as([':0', ':65536'], ['Serving gRPC', tag]) }),
    row('10.16', '127.0.0.1:abc', "Raise failed: Serving Error: The type of Serving gRPC address '127.0.0.1:abc' port is not a number"),
  ];
};

export const section10: readonly StartRow[] = [
  {
    place: '10.1',
    call: 'ServableStartConfig("", ...)',
    original: "Parameter 'servable_directory' should not be empty str",
    ask: config({ servableDirectory: '' }),
  },
  {
    place: '10.2',
    call: 'ServableStartConfig(1, ...)',
    original: "Parameter 'servable_directory' should be str, but actually <class 'int'>",
    ask: config({ servableDirectory: 1 }),
  },
  { place: '10.3', call: 'version_number=-1', original: "Parameter 'version_number' should be >= 0", ask: config({ versionNumber: -1 }) },
  {
    place: '10.4',
    call: 'version_number="1"',
    original: "Parameter 'version_number' should be int, but actually <class 'str'>",
    ask: config({ versionNumber: '1' }),
  },
  {
    place: '10.5',
    call: 'device_ids="0"',
    original: "Parameter 'device_ids' should be int or tuple/list of int, but actually <class 'str'>",
    ask: config({ deviceIds: '0' }),
  },
  {
    place: '10.6',
    call: 'device_ids=-1',
    original: "The item value '-1' in parameter 'device_ids' should be >= 0",
    ask: config({ deviceIds: -1 }),
  },
  {
    place: '10.7',
    call: 'device_ids=(0,0)',
    original: "The item value '0' in parameter 'device_ids' should not be repeated",
    ask: config({ deviceIds: [0, 0] }),
  },
  {
    place: '10.8',
    call: 'num_parallel_workers=65 (2.0)',
    original: "Parameter 'num_parallel_workers' should be in range [0,64]",
    ask: config({ numParallelWorkers: 65 }),
  },
  {
    place: '10.9',
    call: 'dec_key="a"',
    original: "Parameter 'dec_key' should be bytes, but actually <class 'str'>",
    ask: config({ decKey: 'a' }),
  },
  {
    place: '10.9',
    call: 'dec_key=b""',
    original: '... should not be empty bytes',
    values: as(['...', "Parameter 'dec_key'"]),
    ask: config({ decKey: new Uint8Array(0) }),
  },
  {
    place: '10.9',
    call: 'dec_key of 5 bytes',
    original: "Parameter 'dec_key' length 5 expected to be 16, 24 or 32",
    ask: config({ decKey: new Uint8Array(5) }),
  },
  {
    place: '10.10',
    call: 'start_servables("x")',
    original: "Parameter 'x' should be ServableStartConfig, list or tuple of ServableStartConfig, but actually <class 'str'>",
    differs: {
      because: "the original names the value, which may be anything, in the parameter's place",
      text: /^Parameter 'configs' should be ServableStartConfig or array of ServableStartConfig, but actually string$/,
    },
    ask: (bench) => bench.server.startServables(untyped('x')),
  },
  {
    place: '10.11',
    call: 'absent servable',
    original: "Check servable config failed, directory 'D/nope' not exist, servable directory 'D', servable name 'nope'",
    values: ({ directory }) => [
      ['D/', `${directory}/`],
      ["'D'", `'${directory}'`],
    ],
    ask: start('nope'),
  },
  {
    place: '10.12',
    call: 'absent version 7',
    original:
      "Fail to start workers: {servable name:flt, device id:0, <Raise failed: Start servable failed: There is no specified version directory of models, specified version number: 7, servable directory: 'D', servable name: 'flt'>}",
    values: ({ directory }) => [
      ['name:flt', 'name:kit'],
      ["'D'", `'${directory}'`],
      ["'flt'", "'kit'"],
    ],
    ask: start('kit', { versionNumber: 7 }),
  },
  ...addresses('Serving gRPC', grpc),
  {
    place: '10.15',
    call: 'start_grpc_server("127.0.0.1:0")',
    original: "Raise failed: Serving Error: The port of the Serving gRPC address '127.0.0.1:0' is out of legal range [1 ~ 65535]",
    differs: { because: 'port 0 is any free port here; the call resolves with the address that was bound', text: undefined },
    ask: async (bench) => {
      const other = await bench.another();
      await other.startGrpcServer('127.0.0.1:0');
      await other.stop();
    },
  },
  {
    place: '10.17',
    call: 'start_grpc_server("unix:")',
    original: 'Raise failed: Serving Error: Empty grpc server unix domain socket address',
    ask: grpc('unix:'),
  },
  {
    place: '10.18',
    call: 'start_grpc_server("300.1.1.1:21130")',
    original: 'Raise failed: Serving Error: Serving gRPC server start failed, create server failed, address 300.1.1.1:21130',
    ask: grpc('300.1.1.1:21130'),
  },
  {
    place: '10.19',
    call: 'start_restful_server("unix:x")',
    original: 'Raise failed: Serving Error: RESTful server does not support binding to unix domain socket',
    ask: rest('unix:x'),
  },
  ...addresses('RESTful server', rest),
  ...[0, 513].flatMap((size): StartRow[] =>
    [grpc, rest].map((listen) => ({
      place: '10.21',
      call: `${listen === grpc ? 'start_grpc_server' : 'start_restful_server'}(max_msg_mb_size=${size})`,
      original: "Parameter 'max_msg_mb_size' should be in range [1,512]",
      ask: listen('127.0.0.1:5500', size),
    })),
  ),
  {
    place: '10.22',
    call: 'SSLConfig("", "k")',
    original: "Parameter 'certificate' should not be empty str",
    ask: ssl({ certificate: '', privateKey: 'k' }),
  },
  {
    place: '10.23',
    call: 'SSLConfig("c","k",None,True)',
    original: "Parameter 'custom_ca' should be str, but actually <class 'NoneType'>",
    ask: ssl({ certificate: 'c', privateKey: 'k', verifyClient: true }),
  },
  ...[grpc, rest].map((listen): StartRow => ({
    place: '10.24',
    call: `${listen === grpc ? 'start_grpc_server' : 'start_restful_server'}(ssl_config=3)`,
    original: 'The type of ssl_config should be type of SSLConfig',
    ask: listen('127.0.0.1:5500', 100, 3),
  })),
];

const row = (
  original: string,
  ask: StartRow['ask'],
  values: readonly (readonly [string, string])[] = [],
  more: Partial<StartRow> = {},
): StartRow => ({
  place: '4.1',
  call: values.map(([, value]) => value).join(' '),
  original,
  values: as(...values),
  ask,
  ...more,
});

const checks: readonly StartRow[] = [
  row("Parameter 'P' should be str, but actually <class 'int'>", grpc(1), [["'P'", "'address'"]]),
  row("Parameter 'P' should be str, but actually <class 'int'>", config({ servableName: 1 }), [["'P'", "'servable_name'"]]),
  row("Parameter 'P' should not be empty str", rest(''), [["'P'", "'address'"]]),
  row("Parameter 'P' should be >= MIN", (bench) => bench.server.setMaxEnqueuedRequests(0), [
    ["'P'", "'max_enqueued_requests'"],
    ['MIN', '1'],
  ]),
  row("Parameter 'P' should be in range [MIN,MAX]", config({ numParallelWorkers: -1 }), [
    ["'P'", "'num_parallel_workers'"],
    ['MIN', '0'],
    ['MAX', '64'],
  ]),
  row("The item value 'V' in parameter 'P' should not be repeated", config({ deviceIds: [3, 1, 3] }), [
    ["'V'", "'3'"],
    ["'P'", "'device_ids'"],
  ]),
  row("The item value 'V' in parameter 'P' should be >= 0", config({ deviceIds: [0, -2] }), [
    ["'V'", "'-2'"],
    ["'P'", "'device_ids'"],
  ]),
  row("Parameter 'P' should be int or tuple/list of int, but actually ...", config({ deviceIds: true }), [
    ["'P'", "'device_ids'"],
    ['...', 'boolean'],
  ]),
  row("Parameter 'P' should be str or tuple/list of str, but actually ...", agents(5), [
    ["'P'", "'model_files'"],
    ['...', 'number'],
  ]),
  row("The item of parameter 'P' should be str, but actually ...", agents(['a.mindir', 5]), [
    ["'P'", "'model_files'"],
    ['...', 'number'],
  ]),
  row("The item of parameter 'P' should not be empty str", agents([['a.mindir', '']]), [["'P'", "'model_files'"]]),
  row("Parameter 'dec_key' should be bytes, but actually ...", config({ decKey: 16 }), [['...', 'number']]),
  row("Parameter 'dec_key' should not be empty bytes", config({ decKey: new Uint8Array(0) })),
  row("Parameter 'dec_key' length N expected to be 16, 24 or 32", config({ decKey: new Uint8Array(33) }), [['N', '33']]),
  row("Parameter 'dec_mode' expected to be 'AES-GCM' or 'AES-CBC'", config({ decMode: 'ECB' })),
  row('The type of ssl_config should be type of SSLConfig', rest('127.0.0.1:0', 1, { certificate: 'c', privateKey: 'k' })),
];

const servables: readonly StartRow[] = [
  row("Check servable config failed, directory '.../S' not exist, servable directory 'D', servable name 'S'", start('nope'), [], {
    values: ({ directory }) => [
      ["'.../S'", `'${directory}/nope'`],
      ["'D'", `'${directory}'`],
      ["'S'", "'nope'"],
    ],
  }),
  row("Check servable config failed, file '.../servable_config.py' not exist,  servable directory ...", start('empty'), [], {
    values: ({ directory }) => [
      ['.../', `${directory}/empty/`],
      ['...', `'${directory}', servable name 'empty'`],
    ],
  }),
  row('import S.servable_config failed, <exception>', start('throws'), [], {
    differs: {
      because: 'it comes from the worker, as all its failures do; the file and line are said, too',
      text: /^Fail to start workers: \{servable name:throws, device id:0, <Raise failed: import throws\.servable_config failed, no luck \(servable_config\.ts:2\)>\}$/,
    },
  }),
  row(
    'There is no valid version directory of models while there are models declared in servable_config.py, servable directory: D, servable name: S',
    start('homeless'),
    [],
    {
      values: ({ directory }) => [
        ['There', 'Fail to start workers: {servable name:homeless, device id:0, <Raise failed: There'],
        ['directory: D', `directory: ${directory}`],
        ['name: S', 'name: homeless>}'],
      ],
    },
  ),
  row(
    "Start servable failed: There is no specified version directory of models, specified version number: V, servable directory: 'D', servable name: 'S'",
    start('kit', { versionNumber: 9 }),
    [],
    {
      values: ({ directory }) => [
        ['Start', 'Fail to start workers: {servable name:kit, device id:0, <Raise failed: Start'],
        [': V', ': 9'],
        ["'D'", `'${directory}'`],
        ["'S'", "'kit'>}"],
      ],
    },
  ),
  row('Fail to start workers: {servable name:S, device id:N, <Raise failed: ...>}', start('throws', { deviceIds: [2] }), [
    ['name:S', 'name:throws'],
    ['id:N', 'id:2'],
    ['...', 'import throws.servable_config failed, no luck (servable_config.ts:2)'],
  ]),
  row('Fail to start workers because of death of one worker', start('dies'), [], {
    differs: {
      because: 'no worker dies silently: what ended it is known',
      text: /^Fail to start workers: \{servable name:dies, device id:0, <Raise failed: import dies\.servable_config failed, .*SIGKILL.*>\}$/,
    },
  }),
];

const ports: readonly StartRow[] = [
  ...(
    [
      ["Serving Error: The format of the Serving gRPC address 'A' is illegal", 'somewhere', []],
      ["Serving Error: Missing ip or port of the Serving gRPC address 'A'", ':', []],
      ["Serving Error: The port of the ... address 'A' is out of legal range [1 ~ 65535]", 'localhost:70000', [['...', 'Serving gRPC']]],
      ["Serving Error: The type of ... address 'A' port is not a number", 'localhost:http', [['...', 'Serving gRPC']]],
    ] as const
  ).flatMap(([original, address, values]) => [
    row(original, grpc(address), [["'A'", `'${address}'`], ...values], { isNative: true }),
    row(
      original,
      rest(address),
      [['Serving gRPC', 'RESTful server'], ["'A'", `'${address}'`], ...values.map(() => ['...', 'RESTful server'] as const)],
      {
        isNative: true,
      },
    ),
  ]),
  row(
    'Serving Error: Serving gRPC server start failed, create server failed, address A',
    (bench) => bench.bare.startGrpcServer(bench.rest),
    [],
    {
      isNative: true,
      values: (bench) => [['address A', `address ${bench.rest}`]],
    },
  ),
  row(
    'Serving Error: RESTful server start failed, bind to the socket address A failed',
    (bench) => bench.bare.startRestfulServer(bench.grpc),
    [],
    {
      isNative: true,
      values: (bench) => [['address A', `address ${bench.grpc}`]],
    },
  ),
  row('Serving Error: Serving gRPC server is already running', (bench) => bench.server.startGrpcServer('127.0.0.1:0'), [], {
    isNative: true,
  }),
  row('Serving Error: RESTful server is already running', (bench) => bench.server.startRestfulServer('127.0.0.1:0'), [], {
    isNative: true,
  }),
  row('Serving Error: RESTful server does not support binding to unix domain socket', rest('unix:/tmp/x'), [], { isNative: true }),
  row('Serving Error: Empty grpc server unix domain socket address', grpc('unix:'), [], { isNative: true }),
];

const because = 'the reason is said, too';
const tls = (original: string, file: string, text: RegExp, names: Parameters<StartBench['ssl']>[0]): StartRow[] =>
  (['startGrpcServer', 'startRestfulServer'] as const).map((call) =>
    row(original, (bench) => bench.bare[call]('127.0.0.1:0', 1, bench.ssl(names)), [['F', file]], {
      differs: { because, text },
    }),
  );

const certificates: readonly StartRow[] = [
  ...tls(
    'Serving Error: load private_key from F failed',
    'k',
    /^Raise failed: Serving Error: load private_key from .*\/bad\.pem failed: .*\/bad\.pem holds no private key in PEM form$/,
    { privateKey: 'bad.pem' },
  ),
  ...tls(
    'load certificate_chain from F failed',
    'c',
    /^Raise failed: Serving Error: load certificate_chain from .*\/nowhere\.pem failed: cannot read .*\/nowhere\.pem: ENOENT/,
    { certificate: 'nowhere.pem' },
  ),
  ...tls(
    'load root certificate from F failed',
    'ca',
    /^Raise failed: Serving Error: load root certificate from .*\/bad\.pem failed: .*\/bad\.pem holds no certificate in PEM form$/,
    { customCa: 'bad.pem' },
  ),
  ...(['startGrpcServer', 'startRestfulServer'] as const).map((call) =>
    row(
      'private_key is not consistent with certificate F',
      (bench) => bench.bare[call]('127.0.0.1:0', 1, bench.ssl({ privateKey: 'other.pem' })),
      [],
      {
        isNative: true,
        values: (bench) => [
          ['private_key', 'Serving Error: private_key'],
          ['F', bench.file('c.pem')],
        ],
      },
    ),
  ),
];

/** What section 4.1 says is refused, and how. What else it says is in start-api.spec.ts, by its text. */
export const section41: readonly StartRow[] = [...checks, ...servables, ...ports, ...certificates];
