import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ConfigError, defaults, type FleetSettings } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { pino, type Logger } from 'pino';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { connectFleetBus, LiveSettings, runApp, untilEnd, type HostProcess } from './index.js';

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
      `--bus: ${server.url}: the bus server refuses the credentials (--nats-user and --nats-password, --nats-token, --nats-creds or --nats-nkey)`,
    );
  });
});

describe('user and password at NATS', () => {
  it('are read again while the connection is being restored', async () => {
    const config = (password: string): string => `authorization { user: "mserve", password: "${password}" }`;
    server = await startNatsServer({ config: config('first') });
    const { log, line } = readableLog();
    const asked = new AbortController();
    let password = 'first';
    const read = (): FleetSettings => settingsFor({ bus: server.url, natsUser: 'mserve', natsPassword: password });
    const live = new LiveSettings(read(), () => Promise.resolve(read()));
    const bus = await connectFleetBus(read(), 'gateway', log, asked.signal, { live });
    await server.kill();
    await line(/is lost and being restored/);
    password = 'second';
    await server.restart(config('second'));
    await line(/is restored/);
    await bus.close();
  });
});

describe('settings that are loaded again', () => {
  const rig = (
    change: Partial<FleetSettings>,
  ): {
    live: LiveSettings;
    applied: FleetSettings[];
    lines: string[];
    log: Logger;
    set: (next: Partial<FleetSettings> | Error) => void;
  } => {
    let next: Partial<FleetSettings> | Error = change;
    const live = new LiveSettings(settingsFor({}), () =>
      next instanceof Error ? Promise.reject(next) : Promise.resolve(settingsFor(next)),
    );
    const { log, lines } = readableLog();
    const applied: FleetSettings[] = [];
    live.takeLogLevel(log);
    live.take(['graceMs', 'natsUser'], (settings) => applied.push(settings));
    return { live, applied, lines, log, set: (given) => (next = given) };
  };

  it('are taken where that is possible; the others are named', async () => {
    const { live, applied, lines, log } = rig({ logLevel: 'debug', graceMs: 7, subjectPrefix: 'other', bus: 'nats://elsewhere:4222' });
    await live.reload(log);
    expect(lines).toEqual(['40 SIGHUP: taken: logLevel, graceMs; these need a restart: bus, subjectPrefix']);
    expect([log.level, applied.map(({ graceMs }) => graceMs), live.current.graceMs, live.current.subjectPrefix]).toEqual([
      'debug',
      [7],
      7,
      'mserve',
    ]);
    // What needs a restart is told again, what was taken is not
    await live.reload(log);
    expect(lines.at(-1)).toBe('40 SIGHUP: these need a restart: bus, subjectPrefix');
    expect(applied).toHaveLength(1);
  });

  it('change nothing when they are wrong, or as they were; files that they name are read again nevertheless', async () => {
    const { live, applied, lines, log, set } = rig({});
    let reloads = 0;
    live.onReload(() => reloads++);
    await live.reload(log);
    set(new ConfigError('graceMs must be ...'));
    await live.reload(log);
    expect(lines).toEqual(['30 SIGHUP: no setting has changed', '50 SIGHUP: the settings cannot be loaded, nothing has changed']);
    expect([applied, (await live.fresh()).graceMs, reloads, live.failures]).toEqual([[], live.current.graceMs, 2, 1]);
  });
});

describe('the frame of an app', () => {
  class Host extends EventEmitter {
    readonly argv = ['node', 'app', '--log-level', 'silent'];
    readonly env = {};
    readonly stdout = new EventEmitter();
    readonly stderr = Object.assign(new EventEmitter(), { write: (text: string): boolean => this.written.push(text) > 0 });
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
