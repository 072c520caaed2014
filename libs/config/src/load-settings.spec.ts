import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadSettings, OutputRequested, settingsOfOptions, type LoadedSettings, type ProgramName } from './index.js';

function load<Program extends ProgramName = 'server'>(
  argv: readonly string[],
  env: Record<string, string> = {},
  program: Program = 'server' as Program,
): Promise<LoadedSettings<Program>> {
  return loadSettings({
    program,
    usage: 'mserve serve [DIR]',
    argv,
    env,
    switches: [{ flag: '--json', doc: 'JSON' }],
    positional: 'directory',
  });
}

function file(text: string, name = 'mserve.yaml'): string {
  const path = join(mkdtempSync(join(tmpdir(), 'mserve-config-')), name);
  writeFileSync(path, text);
  return path;
}

describe('where settings come from', () => {
  it('is flags, then the environment, then the file, then defaults', async () => {
    const path = file('maxMsgMbSize: 2\ngraceMs: 5\ndeviceIds: [7]\nlogLevel: error\n');
    const env = { MSERVE_MAX_MSG_MB_SIZE: '3', MSERVE_GRACE_MS: '6', PATH: 'x' };
    const { settings, origins } = await load(['--config', path, '--max-msg-mb-size', '4'], env);
    expect(settings).toMatchObject({ maxMsgMbSize: 4, graceMs: 6, deviceIds: [7], logLevel: 'error', rest: '127.0.0.1:1500' });
    expect([origins['maxMsgMbSize'], origins['graceMs'], origins['deviceIds'], origins['rest']]).toEqual([
      { source: 'flag', name: '--max-msg-mb-size' },
      { source: 'environment', name: 'MSERVE_GRACE_MS' },
      { source: 'file', name: `${path}:3: deviceIds` },
      { source: 'default', name: '--rest' },
    ]);
  });

  it('names the file by MSERVE_CONFIG too, JSON as well as YAML', async () => {
    const path = file('{\n  "$schema": "./mserve.schema.json",\n  "maxMsgMbSize": 2,\n  "natsCreds": null\n}', 'mserve.json');
    expect((await load([], { MSERVE_CONFIG: path })).settings).toMatchObject({ maxMsgMbSize: 2, natsCreds: undefined });
  });

  it('takes an empty file, and one with nothing but comments', async () => {
    expect((await load(['--config', file('')])).settings).toEqual((await load([])).settings);
    expect((await load(['--config', file('# nothing yet\n')])).settings).toEqual((await load([])).settings);
  });

  it('takes the directory without a flag, wherever it stands', async () => {
    for (const argv of [
      ['/srv', '--legacy-status-200', '--json'],
      ['--legacy-status-200', '/srv', '--json'],
      ['--json', '--legacy-status-200=yes', '--directory', '/srv'],
    ]) {
      const { settings, switches } = await load(argv);
      expect([settings.directory, settings.legacyStatus200, [...switches]]).toEqual(['/srv', true, ['--json']]);
    }
  });

  it('takes --no-FLAG for no', async () => {
    expect((await load(['--no-docs', '--no-warm-up'])).settings).toMatchObject({ docs: false, warmUp: false });
    expect((await load(['--docs'])).settings.docs).toBe(true);
  });

  it('joins a list that is given in parts', async () => {
    const argv = ['--servable', 'a', '--servables', 'b:2,c', '--device-ids=0', '--device-ids', '3'];
    await expect(load(argv)).rejects.toThrow('--servables and --servable are one setting: give one of them');
    expect((await load(['--servable', 'a', '--servable', 'b:2,c', '--device-ids=0', '--device-ids', '3'])).settings).toMatchObject({
      servables: ['a', 'b:2', 'c'],
      deviceIds: [0, 3],
    });
  });

  it('of other flags given twice takes the last', async () => {
    expect((await load(['--grace-ms', '1', '--grace-ms', '2'])).settings.graceMs).toBe(2);
  });

  it('lets one file and one environment serve every app of a fleet', async () => {
    const path = file('directory: /srv\nmaxAttempts: 3\nmaxInFlight: 7\n');
    const { settings } = await load(['--config', path], { MSERVE_DEVICE_IDS: '1' }, 'gateway');
    expect(settings.maxInFlight).toBe(7);
    expect(settings).not.toHaveProperty('directory');
    await expect(load(['--directory', '/srv'], {}, 'gateway')).rejects.toThrow(
      "unknown flag '--directory': it is a setting of device-worker, not of gateway",
    );
  });

  it('passes over what Kubernetes says of services called mserve', async () => {
    const links = {
      MSERVE_SERVICE_HOST: '10.0.0.1',
      MSERVE_SERVICE_PORT: '1500',
      MSERVE_SERVICE_PORT_REST: '1500',
      MSERVE_PORT: 'tcp://10.0.0.1:1500',
      MSERVE_PORT_1500_TCP: 'tcp://10.0.0.1:1500',
      MSERVE_GATEWAY_PORT_1500_TCP_PROTO: 'tcp',
      MSERVE_GATEWAY_PORT_1500_TCP_PORT: '1500',
      MSERVE_GATEWAY_PORT_1500_TCP_ADDR: '10.0.0.1',
      MSERVE_NATS_SERVICE_HOST: '10.0.0.2',
      MSERVE_NATS_PORT: 'tcp://10.0.0.2:4222',
    };
    expect((await load([], links)).settings).toEqual((await load([])).settings);
    await expect(load([], { MSERVE_PORT: '1500' })).rejects.toThrow("unknown environment variable 'MSERVE_PORT'");
  });

  it('is, for a caller of the API, the options alone', async () => {
    const { settings, origins } = await settingsOfOptions('server', { maxMsgMbSize: 7, rest: undefined });
    expect([settings.maxMsgMbSize, settings.rest]).toEqual([7, '127.0.0.1:1500']);
    expect(origins['maxMsgMbSize']).toEqual({ source: 'options', name: 'maxMsgMbSize' });
    await expect(settingsOfOptions('server', { maxMsgMbSize: 0 })).rejects.toThrow(
      /^maxMsgMbSize must be a whole number from 1 to 512, but is 0$/,
    );
    await expect(settingsOfOptions('server', { restt: 'x' } as object)).rejects.toThrow("unknown option 'restt', did you mean 'rest'?");
  });
});

describe('what is refused', () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['a misspelt flag', () => load(['--max-mgs-mb-size', '3']), /^unknown flag '--max-mgs-mb-size', did you mean '--max-msg-mb-size'\?$/],
    [
      'a misspelt variable',
      () => load([], { MSERVE_GRACEMS: '3' }),
      /^unknown environment variable 'MSERVE_GRACEMS', did you mean 'MSERVE_GRACE_MS'\?$/,
    ],
    [
      'a misspelt key, with its line',
      () => load(['--config', file('graceMs: 1\nbuss: "x"\n')]),
      /mserve\.yaml:2: unknown key 'buss', did you mean 'bus'\?$/,
    ],
    ['a misspelt key of JSON', () => load(['--config', file('{\n "restt": "x"\n}')]), /:2: unknown key 'restt', did you mean 'rest'\?$/],
    ['a name like no other', () => load(['--qqqqqqqqqqqq', '3']), /^unknown flag '--qqqqqqqqqqqq' \(--help lists all that are known\)$/],
    ['a number that is none', () => load(['--max-msg-mb-size', 'many']), /^--max-msg-mb-size must be .* 1 to 512, but is "many"$/],
    ['a number in another notation', () => load(['--grace-ms', '0x10']), /^--grace-ms must be .*, but is "0x10"$/],
    ['no number at all', () => load(['--grace-ms=']), /^--grace-ms must be .*, but is ""$/],
    ['a wrong type in the file', () => load(['--config', file('graceMs: soon')]), /mserve\.yaml:1: graceMs must be .*, but is "soon"$/],
    ['a number for text', () => load(['--config', file('subjectPrefix: 5')]), /:1: subjectPrefix must be .*, but is 5$/],
    ['one value for a list', () => load(['--config', file('deviceIds: 5')]), /:1: deviceIds must be a list of .*, but is 5$/],
    ['a key given twice', () => load(['--config', file('graceMs: 1\ngraceMs: 2\n')]), /mserve\.yaml:2: neither YAML nor JSON: .*unique/],
    ['a file that is a list', () => load(['--config', file('- 1\n')]), /mserve\.yaml:1: settings are expected, KEY: VALUE$/],
    ['a file that is neither YAML nor JSON', () => load(['--config', file('{\n "bus": \n')]), /mserve\.yaml:\d: neither YAML nor JSON:/],
    [
      'a file that is not there',
      () => load(['--config', '/nowhere/mserve.yaml']),
      /^cannot read the config file \/nowhere\/mserve\.yaml: ENOENT/,
    ],
    [
      'a password in the address, which is not shown',
      () => load(['--bus', 'nats://me:secret@bus:4222']),
      /^((?!secret).)*"nats:\/\/\.\.\.@bus:4222"$/,
    ],
    ['a flag where a value is due', () => load(['--bus', '--grace-ms', '5']), /^--bus needs a value$/],
    ['a flag without value', () => load(['--bus']), /^--bus needs a value$/],
    ['a second directory', () => load(['a', 'b']), /^'b' is one argument too many$/],
    ['a value after --no-', () => load(['--no-docs=true']), /^--no-docs has no value$/],
    [
      'an app without its bus',
      () => load(['--bus', 'memory'], {}, 'gateway'),
      /^--bus must be nats:\/\/HOST:PORT or tls:\/\/HOST:PORT; memory is for/,
    ],
    ...['', 'a b', 'a.>', '*', '.a', 'a..b', '$SYS', 'a\n', 'é', 'x'.repeat(201)].map(
      (prefix): [string, () => Promise<unknown>, RegExp] => [
        `the subject prefix ${JSON.stringify(prefix.slice(0, 9))}`,
        () => load([`--subject-prefix=${prefix}`]),
        /^--subject-prefix must be at most 200 letters/,
      ],
    ),
    ...['nats://bus:65536', 'nats://bus:0', 'bus:x', 'nats://', '::1', 'a,,b', 'http://bus:4222', 'unix:x', ''].map(
      (bus): [string, () => Promise<unknown>, RegExp] => [`the bus '${bus}'`, () => load(['--bus', bus]), /^--bus must be memory, nats:/],
    ),
    ...['nowhere', 'unix:x', '127.0.0.1:65536', ':80', '::1:80', 'http://127.0.0.1:1500', 'a b:1'].map(
      (rest): [string, () => Promise<unknown>, RegExp] => [
        `the REST address '${rest}'`,
        () => load(['--rest', rest]),
        /^--rest must be HOST:PORT, /,
      ],
    ),
  ])('%s', async (_name, act, text) => {
    await expect(act()).rejects.toThrow(ConfigError);
    await expect(act()).rejects.toThrow(text);
  });

  it('is told all at once, with the source of each', async () => {
    const error = (await load(['--grace-ms', '-1'], { MSERVE_REST: 'x', MSERVE_WARM_UP: 'maybe' }).catch(
      (cause: unknown) => cause,
    )) as ConfigError;
    expect(error.problems.map(({ source, text }) => [source, text.split(' ')[0]])).toEqual([
      ['flag', '--grace-ms'],
      ['environment', 'MSERVE_REST'],
      ['environment', 'MSERVE_WARM_UP'],
    ]);
    expect(error.message.split('\n')).toHaveLength(3);
  });

  it('never shows a secret', async () => {
    const path = file('natsPassword: 12345\nnatsUser: me\n');
    await expect(load(['--config', path])).rejects.toThrow(/mserve\.yaml:1: natsPassword must be text that is not empty$/);
  });

  it.each(['nats://bus:4222', 'bus', 'nats://[::1]:65535,nats://10.0.0.1:1,other:60000', '[::1]', 'tls://a'])(
    'is not the bus %s',
    async (bus) => {
      expect((await load(['--bus', bus, '--insecure-bus'])).settings.bus).toBe(bus);
    },
  );
});

describe('settings that go together', () => {
  it.each<[readonly string[], string]>([
    [['--headers-timeout-ms', '31000'], '--headers-timeout-ms must be at most --request-timeout-ms, which is 30000, but is 31000'],
    [
      ['--headers-timeout-ms', '200', '--request-timeout-ms', '100'],
      '--headers-timeout-ms must be at most --request-timeout-ms, which is 100, but is 200',
    ],
    [['--suspect-lost-ms', '2000'], '--suspect-lost-ms must be at most --worker-lost-ms, which is 1000, but is 2000'],
    [['--nats-password', 'x'], '--nats-password needs --nats-user'],
    [['--nats-token', 'x', '--nats-nkey', 'k'], '--nats-token does not go together with --nats-nkey'],
    [['--nats-tls-certificate', 'c.pem'], '--nats-tls-certificate needs --nats-tls-private-key'],
    ...['nats://bus:4222', 'tls://127.0.0.1,other', '127.0.0.1:1,10.0.0.1:2'].map((bus): [string[], string] => [
      ['--bus', bus],
      '--bus names a bus that other machines can reach, and there is no login: whoever reaches it could read all tensors and answer all requests. ' +
        'Give one of --nats-user, --nats-token, --nats-token-file, --nats-creds, --nats-nkey or --nats-tls-certificate, or --insecure-bus where ' +
        'the network itself keeps everybody else out',
    ]),
    [['--tls-certificate', 'c.pem'], '--tls-certificate needs --tls-private-key'],
    [['--tls-private-key', 'k.pem'], '--tls-private-key needs --tls-certificate'],
    [['--tls-custom-ca', 'a.pem'], '--tls-custom-ca needs --tls-certificate'],
    [['--tls-verify-client', '--tls-certificate', 'c', '--tls-private-key', 'k'], '--tls-verify-client needs --tls-custom-ca'],
    [['--dec-mode', 'AES-CBC'], '--dec-mode needs --dec-key-file'],
    [['--dec-key-file', 'key'], '--dec-key-file needs --servables'],
    [['--rest', '127.0.0.1:80', '--grpc', '127.0.0.1:80'], '--grpc must not be the address of --rest'],
  ])('%j: %s', async (argv, text) => {
    await expect(load(argv)).rejects.toThrow(new RegExp(`^${text}$`));
  });

  it.each<[readonly string[], object]>([
    [['--request-timeout-ms', '100'], { requestTimeoutMs: 100, headersTimeoutMs: 100 }],
    [['--request-timeout-ms', '60000'], { requestTimeoutMs: 60_000, headersTimeoutMs: 10_000 }],
    [['--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0'], { rest: '127.0.0.1:0', grpc: '127.0.0.1:0' }],
    [['--rest=', '--grpc='], { rest: '', grpc: '' }],
    [['--no-tls-verify-client'], { tlsVerifyClient: false }],
  ])('%j is fine: a default gives way', async (argv, settings) => {
    expect((await load(argv)).settings).toMatchObject(settings);
  });
});

describe('variables that are there for another command', () => {
  type Environment = Record<string, string>;
  const unusedOf = async (argv: readonly string[], env: Environment, program: ProgramName): Promise<readonly unknown[]> => {
    const { settings, unused } = await loadSettings({ program, usage: '', argv, env });
    const values = settings as Readonly<Record<string, unknown>>;
    return [Object.keys(env).map((name) => values[camel(name)]), unused];
  };
  const camel = (name: string): string =>
    name
      .slice(7)
      .toLowerCase()
      .replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

  it.each<[program: ProgramName, env: Environment, needs: string]>(
    (['server', 'gateway', 'fleet'] as const).flatMap((program): [ProgramName, Environment, string][] => [
      [program, { MSERVE_ADMIN_TOKEN_FILE: '/run/secrets/admin' }, '--admin'],
      [program, { MSERVE_ADMIN_TOKEN_FILE: '' }, '--admin'],
      [program, { MSERVE_ADMIN_TOKEN: 'sixteen-letters-and-more', MSERVE_ADMIN_TOKEN_FILE: 'token' }, '--admin'],
      [program, { MSERVE_ADMIN_TOKEN: 'short', MSERVE_ADMIN_HOSTS: 'a b' }, '--admin'],
    ]),
  )('%s passes over %j, and says so', async (program, env, needs) => {
    const names = Object.keys(env);
    expect(await unusedOf([], env, program)).toEqual([
      names.map(() => undefined),
      names.map((name) => `${name} is not used here: it needs ${needs}`),
    ]);
  });

  it.each<[ProgramName, readonly string[], Environment, unused: readonly string[]]>([
    ['server', [], { MSERVE_DEC_KEY_FILE: 'key', MSERVE_DEC_MODE: 'SM4-CBC' }, ['DEC_KEY_FILE: --servables', 'DEC_MODE: --dec-key-file']],
    ['device-worker', [], { MSERVE_DEC_MODE: 'no mode' }, ['DEC_MODE: --dec-key-file']],
    ['scheduler', [], { MSERVE_NATS_PASSWORD: 'secret' }, ['NATS_PASSWORD: --nats-user']],
    ['gateway', ['--nats-creds', 'me.creds'], { MSERVE_NATS_USER: 'me', MSERVE_NATS_PASSWORD: 'x' }, ['NATS_PASSWORD: --nats-user']],
    // The bus of this server is its memory
    [
      'server',
      [],
      { MSERVE_NATS_USER: 'me', MSERVE_NATS_TOKEN: 'x', MSERVE_NATS_PASSWORD_FILE: 'p', MSERVE_NATS_TLS_CERTIFICATE: 'c' },
      [],
    ],
    // A flag wins over a variable that says the same in another way
    ['server', ['--admin', '127.0.0.1:0', '--admin-token-file', 'token'], { MSERVE_ADMIN_TOKEN: 'sixteen-letters-and-more' }, []],
    ['gateway', ['--nats-nkey', 'me.nk'], { MSERVE_NATS_TOKEN: 'x', MSERVE_NATS_CREDS: 'me.creds' }, []],
  ])('%s %j passes over %j', async (program, argv, env, unused) => {
    const sentences = unused.map((text) => `MSERVE_${text.replace(': ', ' is not used here: it needs ')}`);
    expect(await unusedOf(argv, env, program)).toEqual([Object.keys(env).map(() => undefined), sentences]);
  });

  it.each<[ProgramName, readonly string[], Environment]>([
    ['server', ['--admin', '127.0.0.1:0'], { MSERVE_ADMIN_TOKEN_FILE: 'token', MSERVE_ADMIN_HOSTS: 'mserve' }],
    ['server', ['--servables', 'digits'], { MSERVE_DEC_KEY_FILE: 'key', MSERVE_DEC_MODE: 'SM4-CBC' }],
    ['agent', [], { MSERVE_DEC_KEY_FILE: 'key', MSERVE_DEC_MODE: 'SM4-CBC' }],
    ['server', ['--bus', '127.0.0.1:4222'], { MSERVE_NATS_USER: 'me', MSERVE_NATS_PASSWORD: 'x' }],
  ])('%s %j uses %j', async (program, argv, env) => {
    expect(await unusedOf(argv, env, program)).toEqual([Object.values(env), []]);
  });

  it.each<[readonly string[], Environment, string]>([
    // What is given to this very program
    [['--admin-token-file', 'token'], {}, '--admin-token-file needs --admin'],
    [['--config', file('adminTokenFile: token\n')], {}, '\\S+:1: adminTokenFile needs --admin'],
    // Both of one kind: which of them is meant?
    [
      ['--admin', '127.0.0.1:0'],
      { MSERVE_ADMIN_TOKEN: 'sixteen-letters-and-more', MSERVE_ADMIN_TOKEN_FILE: 'token' },
      'MSERVE_ADMIN_TOKEN does not go together with MSERVE_ADMIN_TOKEN_FILE',
    ],
    // Without it the admin port would be open to anybody
    [[], { MSERVE_ADMIN: '127.0.0.1:0' }, 'MSERVE_ADMIN needs a bearer token: --admin-token-file or --admin-token'],
    // The ports would be open without what was to protect them
    [[], { MSERVE_TLS_CERTIFICATE: 'c.pem' }, 'MSERVE_TLS_CERTIFICATE needs --tls-private-key'],
    [[], { MSERVE_TLS_PRIVATE_KEY: 'k.pem' }, 'MSERVE_TLS_PRIVATE_KEY needs --tls-certificate'],
    [[], { MSERVE_TLS_CUSTOM_CA: 'a.pem' }, 'MSERVE_TLS_CUSTOM_CA needs --tls-certificate'],
    [
      [],
      { MSERVE_TLS_VERIFY_CLIENT: 'yes' },
      'MSERVE_TLS_VERIFY_CLIENT needs --tls-certificate\nMSERVE_TLS_VERIFY_CLIENT needs --tls-custom-ca',
    ],
    [['--bus', '127.0.0.1:1'], { MSERVE_NATS_TLS_CERTIFICATE: 'c.pem' }, 'MSERVE_NATS_TLS_CERTIFICATE needs --nats-tls-private-key'],
  ])('but %j %j is refused', async (argv, env, text) => {
    await expect(load(argv, env)).rejects.toThrow(new RegExp(`^${text}$`));
  });
});

describe('what a program prints about its settings', () => {
  it('is --help, whatever else is wrong', async () => {
    const help = load(['--rset', '3', '--help']);
    await expect(help).rejects.toThrow(OutputRequested);
    await expect(help).rejects.toThrow(
      /--max-msg-mb-size N +the largest REST body and gRPC message; 1 to 512 MiB \(default: 100\)\n +env MSERVE_MAX_MSG_MB_SIZE, file key maxMsgMbSize; also --max-message-mb, --max-msg-mb\n/,
    );
  });

  it('is --print-config: a config file of the same settings, without secrets', async () => {
    const argv = ['/srv', '--nats-user', 'me', '--request-timeout-ms', '500'];
    const env = { MSERVE_NATS_PASSWORD: 'secret', MSERVE_DEVICE_IDS: '0,1', MSERVE_DOCS: 'no' };
    const printed = (await load([...argv, '--print-config'], env).catch((output: unknown) => output)) as OutputRequested;
    expect(printed).toBeInstanceOf(OutputRequested);
    expect(printed.message).not.toContain('secret');
    expect(printed.message).toMatch(/^deviceIds: \[0,1\] +# MSERVE_DEVICE_IDS$/m);
    expect(printed.message).toMatch(/^directory: "\/srv" +# --directory$/m);
    expect(printed.message).toMatch(/^graceMs: 30000 +# default$/m);
    expect((await load(['--config', file(printed.message)], { MSERVE_NATS_PASSWORD: 'secret' })).settings).toEqual(
      (await load(argv, env)).settings,
    );
  });
});
