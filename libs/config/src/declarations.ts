import { busSettings } from './bus-declarations.js';
import { fleetCommandSettings } from './fleet-declarations.js';
import { dayMs, portSettings } from './port-declarations.js';
import { servingLogSettings } from './serving-log-declarations.js';
import { defaultOf, hasSetting, optional, setting, type AppName, type ProgramName, type Setting } from './setting.js';
import { address, choice, decimal, hostNames, path, paths, servableList, text, whole, wholes, yesNo } from './shape.js';
import { versionPolicyPattern, versionPolicyRule } from './version-policy.js';

const fleet = ['gateway', 'scheduler', 'device-worker', 'agent'] as const;
const tensorApps = ['gateway', 'device-worker'] as const;
const ringApps = ['gateway', 'scheduler', 'device-worker'] as const;
const gateway = ['gateway'] as const;
const scheduler = ['scheduler'] as const;
const worker = ['device-worker'] as const;
const agent = ['agent'] as const;
const workerAndAgent = ['device-worker', 'agent'] as const;

/** The modes of encrypted MindIR files. */
export const decryptionModes = ['AES-GCM', 'AES-CBC', 'SM4-CBC'] as const;

/**
 * Every setting of every program, declared once. Flags, variables, file keys, `--help`, the tables of docs/cli.md and docs/fleet.md, the JSON Schema of
 * the file and the types of the options all come from here.
 */
export const settings = {
  ...busSettings,
  sharedMemoryMb: setting(whole(0, 1_048_576), {
    doc: 'memory through which large tensors go to processes on the same machine, taken as it is needed; 0 = none, they go over the bus',
    apps: tensorApps,
    default: 256,
    unit: 'MiB',
  }),
  sharedMemoryFromBytes: setting(whole(1, 1_073_741_824), {
    doc: 'from how many bytes on the tensors of a request or an answer go through shared memory; smaller ones go along with their message',
    apps: tensorApps,
    default: 8192,
  }),
  sharedRings: setting(yesNo(), {
    doc: 'small messages to processes of the same machine and user go through shared memory, too; gateways and workers need sharedMemoryMb for it',
    apps: ringApps,
    default: true,
  }),
  tensorAddress: optional(address({ unix: false }), {
    doc: 'address of this machine at which processes on other machines take large tensors from this one, not encrypted; port 0 = any free one',
    apps: tensorApps,
    notInFleet: true,
    otherwise: 'none: they come over the bus',
  }),
  logLevel: setting(choice('debug', 'info', 'warn', 'error', 'silent'), {
    doc: 'the least serious lines that the log shows',
    apps: fleet,
    default: 'info',
    serverDefault: 'warn',
    fleetDefault: 'warn',
  }),
  logFormat: setting(choice('json', 'pretty'), {
    doc: 'how the log is written: JSON, one object a line, or for people',
    apps: fleet,
    default: 'json',
    fleetDefault: 'pretty',
  }),
  ...servingLogSettings,
  ops: optional(address({ unix: false }), {
    doc: "address of the operations port: /metrics, /livez, /readyz, of a gateway /dashboard (docs/observability.md); port 0 = any free one, '' = none",
    apps: fleet,
    otherwise: 'no operations port; with mserve serve 127.0.0.1:1501, if that is free, with mserve fleet that of its first gateway',
  }),
  metricsCompat: setting(choice('none', 'triton'), {
    doc: "names of metrics that /metrics of the operations port has beside mserve's own; triton: nv_inference_* with Triton's labels",
    apps: fleet,
    default: 'none',
  }),
  opsHosts: optional(hostNames(), {
    doc: 'names, beside that of the address, localhost and IP addresses, by which clients may reach the operations port',
    apps: fleet,
  }),
  graceMs: setting(whole(0, 3_600_000), {
    doc: 'how long requests in hand may take after SIGTERM or Ctrl+C; a second signal ends the process at once',
    apps: fleet,
    default: 30_000,
    unit: 'ms',
  }),

  rest: setting(address({ unix: false }), {
    doc: 'address of the REST port; port 0 = any free one',
    apps: gateway,
    default: '127.0.0.1:1500',
  }),
  grpc: setting(address({ unix: true }), {
    doc: 'address of the gRPC port; port 0 = any free one',
    apps: gateway,
    default: '127.0.0.1:5500',
  }),
  accessLog: setting(yesNo(), {
    doc: 'a line in the log, at level info, for each infer request that failed and for those that succeeded as accessLogEvery says; logLevel is info then where it is not set',
    apps: gateway,
    default: false,
  }),
  accessLogEvery: setting(whole(1, 1_000_000), {
    doc: 'of the infer requests that succeed, one in so many has a line in the access log',
    apps: gateway,
    default: 1,
  }),
  slowRequestMs: setting(whole(0, dayMs), {
    doc: 'infer requests that take longer have a line in the log, at level warn, with the time of each step; 0 = none',
    apps: gateway,
    default: 0,
    unit: 'ms',
  }),
  maxMsgMbSize: setting(whole(1, 512), {
    doc: 'the largest REST body and gRPC message',
    apps: gateway,
    default: 100,
    unit: 'MiB',
    aliases: ['maxMessageMb', 'maxMsgMb'],
  }),
  maxInFlight: setting(whole(1, 1_000_000), {
    doc: 'requests in hand at a time; further ones are refused',
    apps: gateway,
    default: 10_000,
  }),
  defaultDeadlineMs: setting(whole(1, dayMs), { doc: 'deadline of requests that bring none', apps: gateway, default: 100_000, unit: 'ms' }),
  unavailableGraceMs: setting(whole(0, dayMs), {
    doc: 'how long requests wait for the bus, the last scheduler or the last worker that has their version to come back before they are refused, never past their deadline, and changes of versions for a lost worker; 0 = refused at once',
    apps: gateway,
    default: 5_000,
    unit: 'ms',
  }),
  legacyStatus200: setting(yesNo(), {
    doc: 'REST /model/... answers errors with status 200, as MindSpore Serving does',
    apps: gateway,
    default: false,
  }),
  legacyJsonNumbers: setting(yesNo(), {
    doc: 'REST /model/... refuses integer literals for float inputs, and lists that mix both, as MindSpore Serving does',
    apps: gateway,
    default: false,
  }),
  docs: optional(yesNo(), {
    doc: 'answer /docs (Swagger UI) and /openapi.json',
    apps: gateway,
    otherwise: 'only when REST is on loopback',
  }),
  docsHosts: optional(hostNames(), {
    doc: 'names, beside that of the REST address, localhost and IP addresses, by which browsers may reach /docs and /openapi.json: that of a proxy in front',
    apps: gateway,
  }),
  corsOrigins: optional(
    text('^(?:\\*|https?://[^\\s,/]+(?:,https?://[^\\s,/]+)*)$', 'origins like https://app.example with commas between them, or *'),
    {
      doc: 'origins whose pages may read the answers of the REST port (CORS); * = any',
      apps: gateway,
      otherwise: 'none',
    },
  ),
  tlsCertificate: optional(path(), {
    doc: 'PEM file of the certificate, read again when it changes (docs/tls.md); all ports speak TLS',
    apps: gateway,
  }),
  tlsPrivateKey: optional(path(), { doc: 'PEM file of the private key', apps: gateway }),
  tlsCustomCa: optional(path(), { doc: 'PEM file of the authority of client certificates', apps: gateway }),
  tlsVerifyClient: setting(yesNo(), { doc: 'require and verify a client certificate', apps: gateway, default: false }),
  admin: optional(address({ unix: false }), {
    doc: 'address of the admin port: load, unload and switch versions (docs/versions.md); port 0 = any free one',
    apps: gateway,
    otherwise: 'no admin port',
  }),
  adminTokenFile: optional(path(), {
    doc: 'file with the bearer token of the admin port, read anew for each request',
    apps: gateway,
  }),
  adminToken: optional(text('^\\S{16,1024}$', 'at least 16 characters without blanks'), {
    doc: 'the bearer token itself',
    apps: gateway,
    secret: true,
  }),
  adminHosts: optional(hostNames(), {
    doc: 'names, beside that of the address, localhost and IP addresses, by which clients may reach the admin port',
    apps: gateway,
  }),
  accessFile: optional(path(), {
    doc: 'file with the clients that may come in at the public ports (docs/access.md), read again when it changes',
    apps: gateway,
    otherwise: 'anybody may',
  }),
  accessOpen: setting(choice('none', 'health', 'metadata'), {
    doc: 'with accessFile, what anybody may still ask: nothing, health, or health and metadata',
    apps: gateway,
    default: 'health',
  }),
  modelControlMode: setting(choice('none', 'explicit'), {
    doc: 'explicit: anybody who reaches a public port may load and unload by the repository calls of the Open Inference Protocol',
    apps: gateway,
    default: 'none',
  }),
  ...portSettings,

  maxQueuedRequests: setting(whole(1, 100_000_000), {
    doc: 'requests that may wait, over all servables; further ones are refused',
    apps: scheduler,
    default: 10_000,
  }),
  maxQueuedInstances: setting(whole(1, 100_000_000), {
    doc: 'instances that may wait, over all servables; also the most one request may have',
    apps: scheduler,
    default: 100_000,
  }),
  maxQueueDelayMs: setting(decimal(0, 60_000), {
    doc: 'how long a free replica may be left idle for a batch to fill',
    apps: scheduler,
    default: 0,
    unit: 'ms',
  }),
  maxAttempts: setting(whole(1, 10), {
    doc: 'how often a request is given to a worker when workers are lost, the first time included',
    apps: scheduler,
    default: 2,
  }),
  maxUndelivered: setting(whole(1, 100), {
    doc: 'assignments of the same instances that may reach no worker before they are refused',
    apps: scheduler,
    default: 3,
  }),
  receiptGraceMs: setting(whole(0, 3_600_000), {
    doc: 'how long a worker may take, after the deadline of instances in hand, to say that it has ended them',
    apps: scheduler,
    default: 5_000,
    unit: 'ms',
  }),
  workerLostMs: setting(whole(500, 60_000), {
    doc: 'a worker that is silent for longer is lost',
    apps: ['gateway', 'scheduler'],
    default: 1_000,
    unit: 'ms',
  }),
  suspectLostMs: setting(whole(1, 60_000), {
    doc: 'the same for a worker that an assignment did not reach; at most workerLostMs',
    apps: scheduler,
    default: 400,
    unit: 'ms',
  }),
  mixedModels: optional(text('^[\\w-]{1,64}(,[\\w-]{1,64})*$', 'names of servables with commas between them'), {
    doc: 'servables whose workers may load the same version from different files; of others, who brings other files is set aside (docs/fleet.md)',
    apps: scheduler,
    otherwise: 'none',
  }),
  busReturnMs: setting(whole(0, 600_000), {
    doc: 'after the bus was down, how long waiting requests wait for workers to be heard again',
    apps: scheduler,
    default: 3_000,
    unit: 'ms',
  }),

  directory: setting(path(), { doc: 'directory that holds one folder per servable', apps: worker, default: '.' }),
  linkRoot: optional(path(), {
    doc: 'folder that links in the directory may lead into (a hub cache, a shared store), also for other names of hard-linked files',
    apps: worker,
    otherwise: 'links that lead out of a servable are refused',
  }),
  servables: optional(servableList(), {
    doc: 'servables to load, NAME or NAME:VERSION; a chosen one that cannot be loaded ends mserve serve',
    apps: workerAndAgent,
    otherwise: 'every servable in the directory, latest version',
    aliases: ['servable'],
  }),
  versionPolicy: setting(text(versionPolicyPattern, versionPolicyRule), {
    doc: 'which versions of a servable are served: the N highest, all, or those that are named; not for NAME:VERSION in servables',
    apps: worker,
    default: 'latest',
  }),
  watchModels: setting(yesNo(), {
    doc: 'look at the directory again and again, and load, switch and unload versions as it changes (docs/versions.md)',
    apps: worker,
    default: false,
  }),
  watchIntervalMs: setting(whole(50, dayMs), {
    doc: 'how often the directory is looked at; a change counts when two looks in a row find the same',
    apps: worker,
    default: 1_000,
    unit: 'ms',
  }),
  provider: setting(text('^[a-z0-9-]{1,64}$', "1 to 64 lower-case letters, digits and '-'"), {
    doc: 'kind of the devices: cpu, cuda, tensorrt, cann or ascend (OM files); auto: the best of cuda, cann, ascend and cpu that this machine has; see docs/devices.md',
    apps: workerAndAgent,
    default: 'auto',
  }),
  cpuFallback: setting(choice('refuse', 'allow'), {
    doc: 'whether a node that a device cannot run may run on the CPU; a model that has one is refused otherwise',
    apps: workerAndAgent,
    default: 'refuse',
  }),
  deviceOptions: optional(text('^\\w+=[^,]+(,\\w+=[^,]+)*$', 'KEY=VALUE, several with commas between them'), {
    doc: "options of the provider in ONNX Runtime's words, KEY=VALUE with commas between them, for example gpu_mem_limit=8589934592",
    apps: workerAndAgent,
    otherwise: "the provider's own; tensorrt keeps its engines in ~/.cache/mserve/tensorrt",
  }),
  onnxruntimeLibrary: optional(path(), {
    doc: 'ONNX Runtime to use (libonnxruntime.so.1 or its folder), 1.17 or a later 1.x',
    apps: workerAndAgent,
    otherwise: 'looked for, see docs/devices.md',
  }),
  deviceIds: setting(wholes(0, 65_535, 1_024), {
    doc: 'devices; a replica of every servable is made on each (on CPU: that many replicas)',
    apps: workerAndAgent,
    default: [0],
    aliases: ['devices'],
  }),
  numParallelWorkers: setting(whole(0, 64), {
    doc: 'threads for the functions of a servable, over all its replicas; at least one per replica',
    apps: worker,
    default: 1,
  }),
  functionIsolation: setting(choice('thread', 'process'), {
    doc: 'what the functions of a servable run in when its config does not say it; a native package that crashes ends no more than its process',
    apps: worker,
    default: 'thread',
  }),
  intraOpThreads: optional(whole(0, 1_024), {
    doc: 'threads inside one native run; 0 = one per core',
    apps: workerAndAgent,
    otherwise: 'the cores but one, shared by the replicas',
  }),
  concurrentRuns: setting(whole(1, 64), { doc: 'runs at the same time per model of a replica', apps: worker, default: 1 }),
  credits: optional(whole(1, 1_000_000), {
    doc: 'instances a replica takes at a time',
    apps: worker,
    otherwise: 'what runs and one batch that waits, at least 16',
  }),
  operatorLibraries: optional(paths(16), {
    doc: 'shared libraries with operators that ONNX Runtime does not have, such as that of onnxruntime-extensions; their code runs in the worker',
    apps: worker,
    otherwise: 'none',
  }),
  warmUp: setting(yesNo(), { doc: 'run each model once with made-up values before it is ready', apps: worker, default: true }),
  loadJournal: optional(path(), {
    doc: 'file in which a worker notes what it is loading, one of several in a folder of its own: a version that two workers did not survive is set aside (docs/fleet.md)',
    apps: worker,
    otherwise: 'none; mserve fleet has them in its state directory',
    notInFleet: true,
  }),
  configPatienceMs: setting(whole(1, dayMs), {
    doc: 'how long one servable_config may take before the next servables are loaded beside it',
    apps: worker,
    default: 2_000,
    unit: 'ms',
  }),
  configTimeoutMs: setting(whole(1, dayMs), {
    doc: 'a servable_config that takes longer to load, in a loop say, is ended, and its servable is refused',
    apps: worker,
    default: 30_000,
    unit: 'ms',
  }),
  decKeyFile: optional(path(), {
    doc: 'file with the key of the encrypted MindIR models of the servables named in servables: 16, 24 or 32 bytes, or as many in hexadecimal; - is standard input',
    apps: workerAndAgent,
  }),
  decMode: optional(choice(...decryptionModes), {
    doc: 'mode of the encrypted MindIR models; only checked, the file says which',
    apps: workerAndAgent,
    otherwise: 'what the file says',
  }),

  rankTable: optional(path(), {
    doc: 'JSON file that says on which machine and device each rank of a distributed servable runs',
    apps: worker,
    notInFleet: true,
    otherwise: 'distributed servables are refused',
  }),
  waitAgentsMs: setting(whole(0, dayMs), {
    doc: 'how long to wait for the agents of all ranks of a distributed servable; 0 = without end',
    apps: worker,
    notInFleet: true,
    default: 0,
    unit: 'ms',
  }),
  modelFiles: optional(text(), {
    doc: 'MindIR files of a rank, one per subgraph, with commas between them; {rank} stands for its number',
    apps: agent,
  }),
  groupConfigFiles: optional(text(), {
    doc: 'group configurations of a rank, one for all subgraphs or one for each, with commas between them; {rank} stands for its number',
    apps: agent,
  }),
  distributedAddress: optional(text('^(unix:.+|.+:[0-9]{1,5})$', 'HOST:PORT or unix:PATH'), {
    doc: 'where mserve distributed start takes agents, and where an agent finds it; in place of a bus of its own',
    apps: agent,
    otherwise: 'the bus',
  }),
  rank: optional(whole(0, 65_535), { doc: 'the rank that the agent runs', apps: agent, alone: true }),
  rankSize: optional(whole(1, 65_536), { doc: 'ranks of the distributed model', apps: agent, alone: true }),
  agentAddress: optional(text('^[0-9a-fA-F.:]{2,45}$', 'an IP address'), {
    doc: 'IP address of this machine by which the agents of other ranks reach this one',
    apps: agent,
    otherwise: '127.0.0.1',
    alone: true,
  }),
  agentPort: optional(whole(0, 65_535), {
    doc: 'TCP port on which the agent listens for its peers; further subgraphs have the next ones',
    apps: agent,
    otherwise: 'any free one',
    alone: true,
  }),

  ...fleetCommandSettings,
};

type Declared = typeof settings;

/** The name of a setting, which is also its key in a file and in options. */
export type SettingKey = keyof Declared;

/** A value for every setting there is. */
type AllSettings = { readonly [Key in SettingKey]: Declared[Key]['default'] };

type AppOf<Entry> = Entry extends Setting<unknown, infer App> ? App : never;

type FleetCommandKey = keyof typeof fleetCommandSettings;

/** What only one agent of several can have. */
type AloneKey = 'rank' | 'rankSize' | 'agentAddress' | 'agentPort' | FleetCommandKey;

/** What `mserve fleet` does not have of what is not of agents alone. */
type NotInFleetKey =
  | `nats${'User' | 'Password' | 'Token' | 'Creds' | 'PasswordFile' | 'TokenFile' | 'Nkey' | 'TlsCa' | 'TlsCertificate' | 'TlsPrivateKey'}`
  | 'bus'
  | 'busName'
  | 'insecureBus'
  | 'loadJournal'
  | 'rankTable'
  | 'tensorAddress'
  | 'waitAgentsMs';

type KeysOfOwner<Owner extends ProgramName> = {
  [Key in SettingKey]: Owner extends AppOf<Declared[Key]> ? Key : never;
}[SettingKey];

type KeysOf<Program extends ProgramName> = Program extends 'server'
  ? Exclude<SettingKey, AloneKey>
  : Program extends 'fleet'
    ? Exclude<KeysOfOwner<'gateway'> | KeysOfOwner<'scheduler'> | KeysOfOwner<'device-worker'> | FleetCommandKey, NotInFleetKey>
    : KeysOfOwner<Program>;

/** The settings of a program with a value each, checked: what {@link loadSettings} and {@link settingsOfOptions} give. */
export type SettingsOf<Program extends ProgramName> = Pick<AllSettings, KeysOf<Program>>;

/** The settings of a program as options: each may be left out. */
export type SettingOptionsOf<Program extends ProgramName> = Partial<SettingsOf<Program>>;

/** The settings that every app has. */
export type FleetSettings = Pick<
  SettingsOf<'gateway'>,
  keyof SettingsOf<'gateway'> & keyof SettingsOf<'scheduler'> & keyof SettingsOf<'device-worker'> & keyof SettingsOf<'agent'>
>;

/** The settings of an app beyond those that every app has. */
export type OwnSettingsOf<App extends AppName> = Omit<SettingsOf<App>, keyof FleetSettings>;

/** Entries of {@link settings} in the order of their declaration. */
export const settingEntries = Object.entries(settings) as readonly (readonly [SettingKey, Setting])[];

function defaultsOf<Program extends ProgramName>(program: Program): SettingsOf<Program> {
  const entries = settingEntries.filter(([, one]) => hasSetting(program, one)).map(([key, one]) => [key, defaultOf(program, one)]);
  return Object.fromEntries(entries) as SettingsOf<Program>;
}

/** The defaults of an app. */
export const defaults = {
  gateway: defaultsOf('gateway'),
  scheduler: defaultsOf('scheduler'),
  'device-worker': defaultsOf('device-worker'),
  agent: defaultsOf('agent'),
} as const;

/** Of the settings of an app, those beyond what every app has. */
export function ownSettings<App extends AppName>(app: App, all: SettingsOf<App>): OwnSettingsOf<App> {
  const isOwn = ({ apps }: Setting): boolean => apps.includes(app) && !fleet.every((one) => apps.includes(one));
  return pickSettings(all, settingEntries.filter(([, one]) => isOwn(one)).map(([key]) => key) as (keyof OwnSettingsOf<App>)[]);
}

/** Of settings, those with these keys. */
export function pickSettings<Settings extends object, Key extends keyof Settings>(
  all: Settings,
  keys: readonly Key[],
): Pick<Settings, Key> {
  return Object.fromEntries(keys.map((key) => [key, all[key]])) as Pick<Settings, Key>;
}
