import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadSettings, settingEntries, settings, settingsOfOptions, type ProgramName, type SettingKey } from './index.js';

/**
 * Every setting, by hand: what is declared must be what this table says. A row is
 * - apps: g(ateway), s(cheduler), w(orker), a(gent), G(ateway), A(gent) alone: the server does not have it;
 * - the default (and the server's, where it differs);
 * - a text that a flag or a variable may have, and the value of it, which is also the value in the file;
 * - values that are the last allowed ones, and the first ones that are not;
 * - aliases, as flags;
 * - flags that it needs beside it.
 */
interface Row {
  readonly apps: string;
  readonly default: unknown;
  readonly ofServer?: unknown;
  readonly text: string;
  readonly value: unknown;
  readonly allowed: readonly unknown[];
  readonly refused: readonly unknown[];
  readonly aliases?: readonly string[];
  readonly beside?: readonly string[];
}

const dayMs = 24 * 60 * 60 * 1000;
const number = (apps: string, byDefault: number | undefined, min: number, max: number, more: Partial<Row> = {}): Row => ({
  apps,
  default: byDefault,
  text: String(min),
  value: min,
  allowed: [min, max],
  refused: [min - 1, max + 1, String(min), min + 0.5, true, [min], NaN, Infinity],
  ...more,
});
const yesNo = (apps: string, byDefault: boolean | undefined, more: Partial<Row> = {}): Row => ({
  apps,
  default: byDefault,
  text: byDefault === true ? 'off' : 'yes',
  value: byDefault !== true,
  allowed: [true, false],
  refused: ['true', 1, 'maybe', []],
  ...more,
});
const text = (apps: string, byDefault: string | undefined, one: string, refused: readonly unknown[], more: Partial<Row> = {}): Row => ({
  apps,
  default: byDefault,
  text: one,
  value: one,
  allowed: [one],
  refused: [5, true, [one], ...refused],
  ...more,
});
const tls = ['--tls-certificate', 'c', '--tls-private-key', 'k'];
/** A server whose bus is its memory passes over variables of a login at NATS. */
const nats = ['--bus', '127.0.0.1:4222'];

const rows: Readonly<Record<SettingKey, Row>> = {
  bus: text('gswa', 'nats://127.0.0.1:4222', 'nats://localhost:4222,tls://[::1]:1', ['', 'http://a', 'a:0', 'nats://u:p@a'], {
    ofServer: 'memory',
    aliases: ['--nats'],
  }),
  natsUser: text('gswa', undefined, 'me', [''], { beside: nats }),
  natsPassword: text('gswa', undefined, 'open sesame', [''], { beside: [...nats, '--nats-user', 'me'] }),
  natsToken: text('gswa', undefined, 's3cret', [''], { beside: nats }),
  natsCreds: text('gswa', undefined, '/etc/me.creds', [''], { beside: nats }),
  natsPasswordFile: text('gswa', undefined, '/run/secrets/nats', [''], { beside: [...nats, '--nats-user', 'me'] }),
  natsTokenFile: text('gswa', undefined, '/run/secrets/nats', [''], { beside: nats }),
  natsNkey: text('gswa', undefined, '/run/secrets/me.nk', [''], { beside: nats }),
  natsTlsCa: text('gswa', undefined, 'ca.pem', [''], { beside: nats }),
  natsTlsCertificate: text('gswa', undefined, 'me.pem', [''], { beside: [...nats, '--nats-tls-private-key', 'me.key'] }),
  natsTlsPrivateKey: text('gswa', undefined, 'me.key', [''], { beside: [...nats, '--nats-tls-certificate', 'me.pem'] }),
  busName: text('gswa', undefined, 'worker-1', ['', 'a.b', 'a b']),
  insecureBus: yesNo('gswa', false),
  subjectPrefix: text('gswa', 'mserve', 'a.b-c_1', ['', 'a b', '.a', 'a..b', 'x'.repeat(201)]),
  sharedMemoryMb: number('gw', 256, 0, 1_048_576),
  sharedMemoryFromBytes: number('gw', 8192, 1, 1_073_741_824),
  sharedRings: yesNo('gsw', true),
  tensorAddress: text('gw', undefined, '10.0.0.5:7000', ['x', 'unix:/x'], { allowed: ['', 'h:0'] }),
  logLevel: text('gswa', 'info', 'debug', ['', 'trace', 'INFO'], {
    ofServer: 'warn',
    allowed: ['debug', 'info', 'warn', 'error', 'silent'],
  }),
  logFormat: text('gswa', 'json', 'pretty', ['', 'text']),
  servingLogs: text('w', undefined, '/var/log/mserve', ['']),
  servingLogMaxMb: number('w', 50, 1, 10_240),
  servingLogBackups: number('w', 30, 0, 1_000),
  ops: text('gswa', undefined, '127.0.0.1:0', ['x', 'unix:/x'], { allowed: ['', 'h:65535'] }),
  metricsCompat: text('gswa', 'none', 'triton', ['', 'nvidia', 'Triton']),
  opsHosts: text('gswa', undefined, 'metrics,mserve.svc', ['', 'a b', 'a,']),
  graceMs: number('gswa', 30_000, 0, 3_600_000),
  rest: text('g', '127.0.0.1:1500', '[::1]:8080', ['nowhere', 'unix:x', 'h:65536'], { allowed: ['', 'h:0', 'h:65535'] }),
  grpc: text('g', '127.0.0.1:5500', 'unix:/run/mserve.sock', ['nowhere', 'unix:', 'h:65536'], { allowed: ['', 'h:0', 'h:65535'] }),
  accessLog: yesNo('g', false),
  accessLogEvery: number('g', 1, 1, 1_000_000),
  slowRequestMs: number('g', 0, 0, 86_400_000),
  maxMsgMbSize: number('g', 100, 1, 512, { aliases: ['--max-message-mb', '--max-msg-mb'] }),
  maxInFlight: number('g', 10_000, 1, 1_000_000),
  defaultDeadlineMs: number('g', 100_000, 1, dayMs),
  unavailableGraceMs: number('g', 5_000, 0, dayMs),
  legacyStatus200: yesNo('g', false),
  legacyJsonNumbers: yesNo('g', false),
  docs: yesNo('g', undefined),
  docsHosts: text('g', undefined, 'models.example,mserve', ['', 'a b', 'a,', 'https://a']),
  corsOrigins: text('g', undefined, 'https://a.example,http://b.example:8080', ['', 'a.example', 'https://a.example/', 'https://a,*'], {
    allowed: ['*'],
  }),
  tlsCertificate: text('g', undefined, 'c.pem', [''], { beside: ['--tls-private-key', 'k'] }),
  tlsPrivateKey: text('g', undefined, 'k.pem', [''], { beside: ['--tls-certificate', 'c'] }),
  tlsCustomCa: text('g', undefined, 'a.pem', [''], { beside: tls }),
  tlsVerifyClient: yesNo('g', false, { beside: [...tls, '--tls-custom-ca', 'a'] }),
  admin: text('g', undefined, '127.0.0.1:0', ['x', 'unix:/x'], { beside: ['--admin-token', 'sixteen-letters-and-more'] }),
  adminTokenFile: text('g', undefined, 'token', [''], { beside: ['--admin', '127.0.0.1:0'] }),
  adminToken: text('g', undefined, 'sixteen-letters-and-more', ['', 'short', 'with a blank in it'], { beside: ['--admin', '127.0.0.1:0'] }),
  adminHosts: text('g', undefined, 'mserve,mserve.svc', ['', 'a b', 'a,'], {
    beside: ['--admin', '127.0.0.1:0', '--admin-token', 'sixteen-letters-and-more'],
  }),
  accessFile: text('g', undefined, '/etc/mserve/clients.json', ['']),
  accessOpen: text('g', 'health', 'metadata', ['', 'all'], { allowed: ['none', 'health', 'metadata'] }),
  modelControlMode: text('g', 'none', 'explicit', ['', 'poll'], { allowed: ['none', 'explicit'] }),
  maxConnections: number('g', 10_000, 1, 1_000_000),
  maxConcurrentStreams: number('g', 4_096, 1, 1_000_000),
  maxBufferedMb: number('g', 1_024, 1, 1_048_576),
  maxBodyChunks: number('g', 65_536, 1, 16_777_216),
  maxRequestInstances: number('g', 65_536, 1, 16_777_216),
  maxTensorStrings: number('g', 1_000_000, 1, 268_435_456),
  maxJsonDepth: number('g', 100, 8, 10_000),
  headersTimeoutMs: number('g', 10_000, 1, dayMs, { beside: ['--request-timeout-ms', String(dayMs)] }),
  requestTimeoutMs: number('g', 30_000, 1, dayMs),
  minBodyBytesPerSecond: number('g', 1_024, 1, 1_073_741_824),
  keepAliveTimeoutMs: number('g', 65_000, 1, dayMs),
  writeTimeoutMs: number('g', 30_000, 1, dayMs),
  lingerMs: number('g', 2_000, 1, 60_000),
  maxConnectionAgeMs: number('g', 0, 0, dayMs),
  maxConnectionAgeGraceMs: number('g', 30_000, 0, dayMs),
  drainDelayMs: number('g', 5_000, 0, 3_600_000, { ofServer: 0 }),
  catalogWaitMs: number('G', 10_000, 0, dayMs),
  drainReceiveMs: number('g', 5_000, 0, 3_600_000),
  maxQueuedRequests: number('s', 10_000, 1, 100_000_000),
  maxQueuedInstances: number('s', 100_000, 1, 100_000_000),
  maxQueueDelayMs: number('s', 0, 0, 60_000, { text: '1.5', value: 1.5, refused: [-0.5, 60_000.5, '1', true, NaN] }),
  maxAttempts: number('s', 2, 1, 10),
  maxUndelivered: number('s', 3, 1, 100),
  receiptGraceMs: number('s', 5_000, 0, 3_600_000),
  workerLostMs: number('gs', 1_000, 500, 60_000),
  suspectLostMs: number('s', 400, 1, 60_000, { beside: ['--worker-lost-ms', '60000'] }),
  mixedModels: text('s', undefined, 'digits,net-2', ['a b', ',']),
  busReturnMs: number('s', 3_000, 0, 600_000),
  directory: text('w', '.', '/srv/servables', ['']),
  linkRoot: text('w', undefined, '/srv/store', ['']),
  servables: {
    apps: 'wa',
    default: undefined,
    text: 'digits,kit:2',
    value: ['digits', 'kit:2'],
    allowed: [['a'], ['a-b_C:9007199254740991'], ['a:1', 'a:2'], ['resnet50-v1.5:2'], ['my net'], ['größe']],
    refused: [[], 'a', ['a', 'a'], ['a:9007199254740992'], ['a:01'], ['.a'], ['a*'], ['../a'], ['a:'], [5], ['x'.repeat(65)]],
    aliases: ['--servable'],
  },
  versionPolicy: text('w', 'latest', 'latest:2', ['', 'newest', 'latest:0', 'all:1', 'specific:', 'specific:0'], {
    allowed: ['latest', 'latest:2', 'all', 'specific:1,20240131'],
  }),
  watchModels: yesNo('w', false),
  watchIntervalMs: number('w', 1_000, 50, dayMs),
  provider: text('wa', 'auto', 'cuda', ['', 'CUDA', 'a b', 'x'.repeat(65)]),
  cpuFallback: text('wa', 'refuse', 'allow', ['', 'yes', 'ALLOW'], { allowed: ['refuse', 'allow'] }),
  deviceOptions: text('wa', undefined, 'gpu_mem_limit=1,use_tf32=1', ['', 'a', '=1', 'a=', 'a=1,', 'a=1,b']),
  onnxruntimeLibrary: text('wa', undefined, '/opt/onnxruntime/lib', ['']),
  deviceIds: {
    apps: 'wa',
    default: [0],
    text: '0,3',
    value: [0, 3],
    allowed: [[65_535], Array.from({ length: 1_024 }, (_, id) => id)],
    refused: [[], 0, '0', [0, 0], [-1], [65_536], [0.5], ['0'], Array.from({ length: 1_025 }, (_, id) => id)],
    aliases: ['--devices'],
  },
  numParallelWorkers: number('w', 1, 0, 64),
  functionIsolation: text('w', 'thread', 'process', ['', 'fiber'], { allowed: ['thread', 'process'] }),
  intraOpThreads: number('wa', undefined, 0, 1_024),
  concurrentRuns: number('w', 1, 1, 64),
  credits: number('w', undefined, 1, 1_000_000),
  operatorLibraries: {
    apps: 'w',
    default: undefined,
    text: '/opt/a.so,b.so',
    value: ['/opt/a.so', 'b.so'],
    allowed: [['a.so']],
    refused: [[], 'a.so', [''], ['a', 'a'], [5], Array.from({ length: 17 }, (_, i) => `${i}.so`)],
  },
  warmUp: yesNo('w', true),
  loadJournal: text('w', undefined, '/run/mserve/loads/worker-1.json', ['']),
  configPatienceMs: number('w', 2_000, 1, dayMs),
  configTimeoutMs: number('w', 30_000, 1, dayMs),
  decKeyFile: text('wa', undefined, 'key', [''], { beside: ['--servables', 'a'] }),
  decMode: text('wa', undefined, 'SM4-CBC', ['', 'AES'], {
    allowed: ['AES-GCM', 'AES-CBC', 'SM4-CBC'],
    beside: ['--servables', 'a', '--dec-key-file', 'key'],
  }),
  rankTable: text('w', undefined, 'table.json', ['']),
  waitAgentsMs: number('w', 0, 0, dayMs),
  modelFiles: text('a', undefined, 'rank_{rank}.mindir', ['']),
  groupConfigFiles: text('a', undefined, 'group_config_{rank}.pb', ['']),
  distributedAddress: text('a', undefined, 'unix:/run/agents.sock', ['', 'server', 'unix:'], { allowed: ['h:6200'] }),
  rank: number('A', undefined, 0, 65_535),
  rankSize: number('A', undefined, 1, 65_536),
  agentAddress: text('A', undefined, '10.0.0.1', ['', 'server', '1']),
  agentPort: number('A', undefined, 0, 65_535),
  gateways: number('F', 2, 1, 64),
  schedulers: number('F', 2, 1, 16),
  workers: number('F', 2, 1, 256),
  natsServer: text('F', undefined, '/opt/nats-server', ['']),
  natsListen: text('F', '127.0.0.1:0', '0.0.0.0:4222', ['4222', 'unix:x']),
  unresponsiveMs: number('F', 15_000, 0, 3_600_000),
  stateDirectory: text('F', undefined, '/run/mserve', ['']),
};

const programs: Readonly<Record<string, ProgramName>> = { g: 'gateway', s: 'scheduler', w: 'device-worker', a: 'agent', f: 'fleet' };
const table = Object.entries(rows) as [SettingKey, Row][];
const folder = mkdtempSync(join(tmpdir(), 'mserve-settings-'));

async function valueIn(
  key: SettingKey,
  argv: readonly string[],
  env: Record<string, string> = {},
  program: ProgramName = 'server',
): Promise<unknown> {
  const loaded = await loadSettings({ program, usage: '', argv, env });
  return (loaded.settings as Readonly<Record<string, unknown>>)[key];
}

/** The spelling rules, a second time and in another way: `maxMsgMbSize` is `max-msg-mb-size`. */
const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replace('200', '-200');
const variable = (flag: string): string => `MSERVE_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`;
const camel = (flag: string): string => flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** Flags with their values as options. */
function optionsOf(argv: readonly string[]): Record<string, unknown> {
  const pairs = argv.flatMap((flag, at) => (flag.startsWith('--') ? [[camel(flag), argv[at + 1] as string] as const] : []));
  return Object.fromEntries(
    pairs.map(([key, value]) => [key, key === 'servables' ? [value] : /^\d+$/.test(value) ? Number(value) : value]),
  );
}

it('every setting has its row', () => {
  expect(settingEntries.map(([key]) => key)).toEqual(Object.keys(rows));
});

describe.each(table)('%s', (key, row) => {
  const flag = `--${kebab(key)}`;
  const beside = row.beside ?? [];
  const apps = row.apps.toLowerCase();
  const all: ProgramName = row.apps === apps ? 'server' : (programs[apps] as ProgramName);

  it('has its default, in the server too', async () => {
    for (const [letter, program] of Object.entries(programs)) {
      // It has those of the apps that it starts, too: below
      if (program === 'fleet' && apps !== 'f') continue;
      const { settings: ofApp } = await loadSettings({ program, usage: '', argv: [], env: {} });
      expect([key in ofApp, (ofApp as Readonly<Record<string, unknown>>)[key]]).toEqual(
        apps.includes(letter) ? [true, row.default] : [false, undefined],
      );
    }
    expect(await valueIn(key, [], {}, all)).toEqual(row.ofServer ?? row.default);
  });

  it('is taken by flag, variable, file key and option, of each app that has it and of the server', async () => {
    const file = join(folder, `${key}.yaml`);
    writeFileSync(file, `${key}: ${JSON.stringify(row.value)}\n`);
    for (const program of [...apps].map((letter) => programs[letter] as ProgramName).concat(all)) {
      expect(await valueIn(key, [...beside, `${flag}=${row.text}`], {}, program)).toEqual(row.value);
      expect(await valueIn(key, beside, { [variable(flag)]: row.text }, program)).toEqual(row.value);
      expect(await valueIn(key, [...beside, '--config', file], {}, program)).toEqual(row.value);
    }
  });

  it('is taken by its aliases', async () => {
    expect(settings[key].aliases ?? []).toEqual((row.aliases ?? []).map(camel));
    for (const alias of row.aliases ?? []) {
      const file = join(folder, `${alias}.json`);
      writeFileSync(file, JSON.stringify({ [camel(alias)]: row.value }));
      expect(await valueIn(key, [...beside, alias, row.text])).toEqual(row.value);
      expect(await valueIn(key, beside, { [variable(alias)]: row.text })).toEqual(row.value);
      expect(await valueIn(key, [...beside, '--config', file])).toEqual(row.value);
      const { settings: bySpelling } = await settingsOfOptions('server', { [camel(alias)]: row.value });
      expect((bySpelling as Readonly<Record<string, unknown>>)[key]).toEqual(row.value);
    }
  });

  it('has its bounds', async () => {
    const others = optionsOf(beside);
    for (const value of row.allowed) {
      const { settings: taken } = await settingsOfOptions(all, { ...others, [key]: value });
      expect((taken as Readonly<Record<string, unknown>>)[key]).toEqual(value);
    }
    for (const value of row.refused) {
      const given = settingsOfOptions(all, { ...others, [key]: value });
      await expect(given).rejects.toThrow(ConfigError);
      await expect(given).rejects.toThrow(new RegExp(`^${key} must be `));
    }
  });

  it('is refused, with the nearest name, when it is misspelt', async () => {
    const wrong = `${flag.slice(0, 3)}${flag[4]}${flag[3]}${flag.slice(5)}`;
    if (wrong === flag) return;
    await expect(valueIn(key, [wrong, row.text], {}, all)).rejects.toThrow(`unknown flag '${wrong}', did you mean '${flag}'?`);
  });
});

describe('mserve fleet', () => {
  const notOfFleet = Object.keys(rows).filter((key) =>
    /^(bus|busName|insecureBus|nats(User|Password|Token|Creds|Nkey|Tls).*|rankTable|waitAgentsMs|tensorAddress|loadJournal)$/.test(key),
  );
  const has = ([key, { apps }]: [SettingKey, Row]): boolean => /[gGswF]/.test(apps) && !notOfFleet.includes(key);

  it('has the settings of what it starts, but for those that it decides', async () => {
    const { settings: ofFleet } = await loadSettings({ program: 'fleet', usage: '', argv: [], env: {} });
    expect(Object.keys(ofFleet).sort()).toEqual(
      table
        .filter(has)
        .map(([key]) => key)
        .sort(),
    );
    expect(ofFleet).toMatchObject({ logLevel: 'warn', logFormat: 'pretty', drainDelayMs: 1_000, catalogWaitMs: 10_000 });
  });

  it('says whose a setting is that it does not have', async () => {
    await expect(valueIn('bus', ['--bus', 'nats://h'], {}, 'fleet')).rejects.toThrow("unknown flag '--bus': it is a setting of gateway");
    await expect(valueIn('gateways', ['--gateways', '3'])).rejects.toThrow(
      "unknown flag '--gateways': it is a setting of fleet, not of server",
    );
  });
});
