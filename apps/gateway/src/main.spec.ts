import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from '@mserve/config';
import { GatewayConfig } from './config/gateway-config.js';
import { busOptionsOf } from '@mserve/app';
import { gatewayOptionsOf } from './config/options-of-config.js';

function configure(...argv: string[]): GatewayConfig {
  return loadConfig(GatewayConfig, { argv, env: {}, program: 'gateway' });
}

describe('the configuration of a gateway', () => {
  it('has defaults', () => {
    expect(gatewayOptionsOf(configure())).toMatchObject({
      restAddress: '127.0.0.1:1500',
      grpcAddress: '127.0.0.1:5500',
      maxMessageBytes: 100 * 1024 * 1024,
      maxInFlight: 10_000,
      legacyStatus200: false,
      docs: undefined,
      tls: undefined,
      limits: { headersTimeoutMs: 10_000, requestTimeoutMs: 30_000 },
    });
    expect(busOptionsOf(configure(), 'gateway')).toMatchObject({ servers: ['nats://127.0.0.1:4222'], role: 'gateway', prefix: 'mserve' });
  });

  it('can be told everything', () => {
    const config = configure(
      '--rest',
      '0.0.0.0:80',
      '--grpc=',
      '--nats',
      'a:1,b:2',
      '--max-message-mb',
      '512',
      '--legacy-status-200',
      '--docs',
      'false',
    );
    expect(gatewayOptionsOf(config)).toMatchObject({
      restAddress: '0.0.0.0:80',
      grpcAddress: undefined,
      maxMessageBytes: 512 * 1024 * 1024,
      legacyStatus200: true,
      docs: false,
    });
    expect(busOptionsOf(config, 'gateway').servers).toEqual(['a:1', 'b:2']);
  });

  it.each([
    ['--tls-certificate', 'c.pem'],
    ['--tls-verify-client'],
    ['--tls-certificate', '/nowhere/c.pem', '--tls-private-key', '/nowhere/k.pem'],
    ['--nats-creds', '/nowhere/gateway.creds'],
    ['--max-message-mb', '513'],
    ['--rest', 'nowhere'],
    ['--rest', 'unix:x'],
    ['--grpc', '127.0.0.1:65536'],
  ])('refuses %s %s', (...argv) => {
    expect(() => {
      const config = configure(...argv);
      gatewayOptionsOf(config);
      busOptionsOf(config, 'gateway');
    }).toThrow(ConfigError);
  });
});

const program = new URL('../dist/main.js', import.meta.url).pathname;

describe('the gateway process', () => {
  beforeAll(() => {
    if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`);
  });

  async function run(args: readonly string[], during?: (child: ChildProcess) => void): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
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
    [['--maxmessage-mb', '3'], "unknown flag '--maxmessage-mb', did you mean '--max-message-mb'?"],
    [['--request-timeout-ms', '0'], '--request-timeout-ms: requestTimeoutMs must not be less than 1, but is 0'],
  ])('ends with 78 for %j', async (args, text) => {
    expect(await run(args)).toMatchObject({ code: 78, output: expect.stringContaining(text) });
  });

  it('ends with 0 when it is asked to while it waits for NATS', async () => {
    const { code, output } = await run(['--nats', '127.0.0.1:1', '--log-level', 'warn'], (child) => {
      child.stderr?.once('data', () => child.kill('SIGTERM'));
    });
    expect([code, output]).toEqual([0, expect.stringContaining('waiting for NATS at 127.0.0.1:1')]);
  });
});
