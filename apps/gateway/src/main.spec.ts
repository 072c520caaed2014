import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { busOptionsOf } from '@mserve/app';
import { ConfigError, loadSettings, type SettingsOf } from '@mserve/config';
import { gatewayOptionsOf } from './config/options-of-settings.js';
import { defaultIngressLimits } from './edge/ingress-options.js';

async function configure(...argv: string[]): Promise<SettingsOf<'gateway'>> {
  return (await loadSettings({ program: 'gateway', usage: 'gateway', argv, env: {} })).settings;
}

describe('the settings of a gateway', () => {
  it('are its options, with its defaults', async () => {
    const { maxMessageBytes, ...limits } = defaultIngressLimits;
    expect(gatewayOptionsOf(await configure())).toEqual({
      restAddress: '127.0.0.1:1500',
      grpcAddress: '127.0.0.1:5500',
      maxMessageBytes,
      maxInFlight: 10_000,
      defaultDeadlineMs: 100_000,
      unavailableGraceMs: 5_000,
      workerLostMs: 1_000,
      drainDelayMs: 5_000,
      accessLog: false,
      accessLogEvery: 1,
      slowRequestMs: 0,
      maxRequestInstances: 65_536,
      maxTensorStrings: 1_000_000,
      maxJsonDepth: 100,
      legacyStatus200: false,
      legacyJsonNumbers: false,
      docs: undefined,
      tls: undefined,
      admin: undefined,
      modelControlMode: 'none',
      limits,
    });
    expect([maxMessageBytes, limits.maxBufferedBytes]).toEqual([100 * 1024 * 1024, 1024 * 1024 * 1024]);
    expect(busOptionsOf(await configure(), 'gateway')).toMatchObject({
      servers: ['127.0.0.1:4222'],
      role: 'gateway',
      prefix: 'mserve',
    });
  });

  it('can all be given', async () => {
    const settings = await configure(
      ...[
        '--rest',
        '0.0.0.0:80',
        '--grpc=',
        '--nats',
        'a:1,b:2',
        '--insecure-bus',
        '--max-message-mb',
        '512',
        '--legacy-status-200',
        '--docs',
        'false',
      ],
      ...['--linger-ms', '7', '--max-buffered-mb', '2'],
    );
    expect(gatewayOptionsOf(settings)).toMatchObject({
      restAddress: '0.0.0.0:80',
      grpcAddress: undefined,
      maxMessageBytes: 512 * 1024 * 1024,
      legacyStatus200: true,
      docs: false,
      limits: { lingerMs: 7, maxBufferedBytes: 2 * 1024 * 1024 },
    });
    expect(busOptionsOf(settings, 'gateway').servers).toEqual(['a:1', 'b:2']);
  });

  it('name files that can be read', async () => {
    const settings = await configure('--tls-certificate', '/nowhere/c.pem', '--tls-private-key', '/nowhere/k.pem');
    expect(() => gatewayOptionsOf(settings)).toThrow(
      new ConfigError('--tls-certificate: cannot read /nowhere/c.pem: ' + enoent('/nowhere/c.pem')),
    );
  });
});

const enoent = (path: string): string => `ENOENT: no such file or directory, open '${path}'`;

const program = new URL('../dist/main.js', import.meta.url).pathname;

describe('the gateway process', () => {
  beforeAll(() => {
    if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`);
  });

  async function run(
    args: readonly string[],
    during?: (child: ChildProcess) => void,
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    during?.(child);
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  it('explains itself', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, output: expect.stringContaining('--max-in-flight') });
  });

  it.each([
    [['--maxmsg-mb-size', '3'], "unknown flag '--maxmsg-mb-size', did you mean '--max-msg-mb-size'?"],
    [['--request-timeout-ms', '0'], '--request-timeout-ms must be a whole number from 1 to 86400000, but is 0'],
  ])('ends with 78 for %j', async (args, text) => {
    expect(await run(args)).toMatchObject({ code: 78, output: expect.stringContaining(text) });
  });

  it('ends with 0 when it is asked to while it waits for NATS', async () => {
    const { code, output } = await run(['--nats', '127.0.0.1:1', '--log-level', 'warn'], (child) => {
      child.stderr?.once('data', () => child.kill('SIGTERM'));
    });
    expect([code, output]).toEqual([0, expect.stringContaining('waiting for NATS at 127.0.0.1:1')]);
  });

  it('goes on without a variable that only matters with the admin port, and says so once', async () => {
    const toEnd = (child: ChildProcess): void => {
      child.stderr?.on('data', (chunk: Buffer) => {
        if (chunk.includes('waiting for NATS')) child.kill('SIGTERM');
      });
    };
    const env = { MSERVE_ADMIN_TOKEN_FILE: '/nowhere/token' };
    const { code, output } = await run(['--nats', '127.0.0.1:1', '--log-level', 'warn'], toEnd, env);
    expect([code, output.match(/MSERVE_ADMIN_TOKEN_FILE.*?(?=")/g)]).toEqual([
      0,
      ['MSERVE_ADMIN_TOKEN_FILE is not used here: it needs --admin'],
    ]);
  });
});
