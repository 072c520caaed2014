import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ConfigError, defaults, type FleetSettings } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { pino, type Logger } from 'pino';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { connectFleetBus, runApp, untilEnd, type HostProcess } from './index.js';

/** What an app's frame says and does, on a real NATS server. */

let server: NatsServer;
afterEach(() => server?.stop());

/** Lines of a log as `level text`, and a promise for the next line that a pattern fits. */
function readableLog(): { log: Logger; lines: string[]; line(pattern: RegExp): Promise<void> } {
  const lines: string[] = [];
  const news = new EventEmitter();
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      const { level, msg } = JSON.parse(chunk.toString()) as { level: number; msg: string };
      lines.push(`${level} ${msg}`);
      news.emit('line');
      done();
    },
  });
  const line = async (pattern: RegExp): Promise<void> => {
    while (!lines.some((text) => pattern.test(text))) await new Promise((resolve) => news.once('line', resolve));
  };
  return { log: pino({ level: 'info' }, stream), lines, line };
}

function settingsFor(settings: Partial<FleetSettings>): FleetSettings {
  return { ...defaults.gateway, ...settings };
}

describe('the bus of an app', () => {
  it('says when its connection is lost and restored, and ends without a complaint when asked', async () => {
    server = await startNatsServer();
    const { log, lines, line } = readableLog();
    const asked = new AbortController();
    const bus = await connectFleetBus(settingsFor({ bus: server.url }), 'gateway', log, asked.signal);
    const ended = untilEnd(bus, log, asked.signal);
    await server.kill();
    await line(/^40 the connection to NATS at .* is lost and being restored/);
    await server.restart();
    await line(/^30 the connection to NATS at .* is restored/);
    asked.abort();
    expect(await ended).toBe('asked');
    await bus.close();
    expect(lines.at(-1)).toBe('30 asked to end: finishing what is in hand');
  });

  it('names the settings when NATS refuses to let it in, and no password', async () => {
    server = await startNatsServer({ config: 'authorization { user: "mserve", password: "open sesame" }' });
    const join = connectFleetBus(
      settingsFor({ bus: server.url, natsUser: 'mserve', natsPassword: 'closed' }),
      'gateway',
      readableLog().log,
      new AbortController().signal,
    );
    await expect(join).rejects.toThrow(ConfigError);
    await expect(join).rejects.toThrow(
      `--bus ${server.url}: the bus server refuses the credentials (--nats-user and --nats-password, --nats-token or --nats-creds)`,
    );
  });
});

describe('the frame of an app', () => {
  class Host extends EventEmitter {
    readonly argv = ['node', 'app', '--log-level', 'silent'];
    readonly env = {};
    readonly stdout = process.stdout;
    readonly stderr = { write: (text: string): boolean => this.written.push(text) > 0 };
    readonly written: string[] = [];
    readonly exits: number[] = [];
    exit(code: number): void {
      this.exits.push(code);
    }
  }

  it('takes a signal that comes twice at once, by the terminal and by npx or nx, for one', async () => {
    const host = new Host();
    const code = await runApp(host as unknown as HostProcess, {
      name: 'gateway',
      work: (_config, _log, asked) =>
        new Promise((resolve) => {
          asked.addEventListener('abort', () => setImmediate(() => resolve(0)));
          host.emit('SIGINT');
          host.emit('SIGINT');
        }),
    });
    expect([code, host.exits]).toEqual([0, []]);
  });

  it.each([
    [
      'for a port that is taken',
      new ServingError('UNAVAILABLE', 'bind failed', { cause: Object.assign(new Error('listen'), { code: 'EADDRINUSE' }) }),
      'gateway: bind failed (EADDRINUSE)\n',
    ],
    [
      'for a cause without a code, whatever its text says',
      new ServingError('UNAVAILABLE', 'bind failed', { cause: new Error('listen EADDRINUSE: address already in use') }),
      'gateway: bind failed\n',
    ],
    ['for anything else that an operator has to change', new ServingError('INVALID_ARGUMENT', 'this is wrong'), 'gateway: this is wrong\n'],
  ])('ends with 78 and one sentence %s', async (_name, error, text) => {
    const host = new Host();
    expect(await runApp(host as unknown as HostProcess, { name: 'gateway', work: () => Promise.reject(error) })).toBe(78);
    expect(host.written).toEqual([text]);
  });
});
