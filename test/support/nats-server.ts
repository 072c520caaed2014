import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// Plain JavaScript: it also runs before anything is installed or built.
import { findNatsServer } from '../../scripts/nats-server.mjs';
import { freePort } from './free-port.js';

export interface NatsServerOptions {
  /** Bytes. Default: the server's own, 1 MiB. */
  readonly maxPayload?: number;
  /** Lines of configuration that are added as they are, for example `authorization { ... }` (docs/bus.md). */
  readonly config?: string;
}

/** A private nats-server on a free port of the loopback interface. */
export interface NatsServer {
  /** `nats://127.0.0.1:{port}` */
  readonly url: string;
  readonly port: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Again, on the same port, with the same configuration or with other lines in place of those of `config`. Only after kill(). */
  restart(config?: string): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its folder. Stopping twice is no error. */
  stop(): Promise<void>;
  /** What the server wrote since its start. */
  log(): string;
}

/** Rejects with one sentence that says what to install when there is no nats-server: tests fail, they are not skipped. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = await findNatsServer({ build: false });
  const folder = await mkdtemp(join(tmpdir(), 'mserve-nats-'));
  const port = await freePort();
  const configFile = join(folder, 'nats.conf');
  const configure = async (config = ''): Promise<void> => {
    const payload = options.maxPayload === undefined ? [] : [`max_payload: ${options.maxPayload}`];
    await writeFile(configFile, `${[`listen: "127.0.0.1:${port}"`, ...payload, config].join('\n')}\n`);
  };
  await configure(options.config);
  let log = '';
  const start = (): Promise<ChildProcess> => startProcess(binary, configFile, (text) => (log += text));
  let server = await start();
  // A test run that ends early takes its server along.
  const onExit = (): void => void server.kill('SIGKILL');
  process.once('exit', onExit);
  const kill = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill(signal);
    await gone;
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    kill: () => kill('SIGKILL'),
    restart: async (config) => {
      if (config !== undefined) await configure(config);
      server = await start();
    },
    freeze: () => void server.kill('SIGSTOP'),
    thaw: () => void server.kill('SIGCONT'),
    stop: async () => {
      process.off('exit', onExit);
      await kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
    log: () => log,
  };
}

/** Resolves when the server says that it is ready; rejects with its log when it ends before. */
function startProcess(binary: string, configFile: string, onText: (text: string) => void): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const server = spawn(binary, ['-c', configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const listen = (text: string): void => {
      onText(text);
      said += text;
      if (said.includes('Server is ready')) resolve(server);
    };
    server.stdout.setEncoding('utf8').on('data', listen);
    server.stderr.setEncoding('utf8').on('data', listen);
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`nats-server ended with code ${code}:\n${said}`)));
  });
}
