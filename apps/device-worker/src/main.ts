import 'reflect-metadata';
import { BusTensorStore, NatsBus } from '@mserve/bus';
import { ConfigError, HelpRequested, loadConfig } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import type { Logger } from 'pino';
import { busOptionsOf, workerOptionsOf } from './config/options-of-config.js';
import { WorkerConfig } from './config/worker-config.js';
import { createLog, type LogLevel } from './logging/worker-log.js';
import { ConfigError as ServableConfigError } from './servable/config-error.js';
import { listServables } from './servable/servable-directory.js';
import { launchDeviceWorker } from './start-device-worker.js';

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process at once. */
const asked = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (asked.signal.aborted) process.exit(1);
    asked.abort();
  });
}

const lastAnswersMs = 5_000;

/** Works until asked to end; resolves with the exit code: 1 when work in hand had to be given up, or when the bus is gone for good. */
async function work(config: WorkerConfig, log: Logger): Promise<number> {
  const options = workerOptionsOf(config);
  // Before the bus: a wrong directory is told at once, also when there is no bus yet.
  const servables = options.servables ?? listServables(options.directory).map((name) => ({ name }));
  if (servables.length === 0) log.warn(`there is no servable in ${options.directory}: a folder NAME with a servable_config.ts is expected`);
  let waiting = false;
  const bus = await NatsBus.connect({
    ...busOptionsOf(config),
    signal: asked.signal,
    onWaiting: (error) => {
      if (!waiting) log.warn(`waiting for NATS: ${error.message}`);
      waiting = true;
    },
    report: (text, cause) => log.warn({ err: cause }, text),
  });
  try {
    const worker = await launchDeviceWorker(bus, new BusTensorStore(bus), { ...options, servables, log });
    log.info({ address: worker.address }, 'on the bus');
    const reason = await new Promise<'asked' | 'bus closed'>((resolve) => {
      asked.signal.addEventListener('abort', () => resolve('asked'), { once: true });
      if (asked.signal.aborted) resolve('asked');
      bus.onState((state) => state === 'closed' && resolve('bus closed'));
    });
    if (reason === 'bus closed') log.error('the bus connection was closed for good');
    const unfinished = await worker.close(reason === 'asked' ? config.graceMs : 0);
    if (unfinished > 0) log.error({ unfinished }, 'work in hand was given up');
    // The last answers have to get to their gateways before the connection ends.
    await bus.drain(lastAnswersMs);
    return reason === 'asked' && unfinished === 0 ? 0 : 1;
  } finally {
    await bus.close();
  }
}

/** 0 and 1 as {@link work}; 78 for a wrong configuration. */
async function main(): Promise<number> {
  let log: Logger | undefined;
  try {
    const config = loadConfig(WorkerConfig, { argv: process.argv.slice(2), env: process.env, program: 'nx serve device-worker --' });
    log = createLog(config.logLevel as LogLevel);
    return await work(config, log);
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(`${error.message}\n`);
      return 0;
    }
    if (error instanceof ServingError && error.code === 'CANCELLED' && asked.signal.aborted) return 0;
    const expected = error instanceof ConfigError || error instanceof ServableConfigError || error instanceof ServingError;
    process.stderr.write(`device-worker: ${expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return expected ? ConfigError.exitCode : 1;
  } finally {
    await new Promise<void>((resolve) => (log === undefined ? resolve() : log.flush(() => resolve())));
  }
}

process.exit(await main());
