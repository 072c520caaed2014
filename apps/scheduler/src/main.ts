import 'reflect-metadata';
import { NatsBus } from '@mserve/bus';
import { ConfigError, HelpRequested, loadConfig } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import type { Logger } from 'pino';
import { busOptionsOf, schedulerOptionsOf } from './config/options-of-config.js';
import { SchedulerConfig } from './config/scheduler-config.js';
import { createLog, type LogLevel } from './logging/scheduler-log.js';
import { startScheduler } from './start-scheduler.js';

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process at once. */
const asked = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (asked.signal.aborted) process.exit(1);
    asked.abort();
  });
}

/** Schedules until asked to end; resolves with the exit code: 1 when instances were left unfinished, or when the bus is gone for good. */
async function schedule(config: SchedulerConfig, log: Logger): Promise<number> {
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
    const scheduler = await startScheduler(bus, { ...schedulerOptionsOf(config), log });
    log.info({ address: scheduler.address }, 'scheduling');
    const reason = await new Promise<'asked' | 'bus closed'>((resolve) => {
      asked.signal.addEventListener('abort', () => resolve('asked'), { once: true });
      if (asked.signal.aborted) resolve('asked');
      bus.onState((state) => state === 'closed' && resolve('bus closed'));
    });
    if (reason === 'bus closed') log.error('the bus connection was closed for good');
    const unfinished = await scheduler.close(reason === 'asked' ? config.graceMs : 0);
    return reason === 'asked' && unfinished === 0 ? 0 : 1;
  } finally {
    await bus.close();
  }
}

/** 0 and 1 as {@link schedule}; 78 for a wrong configuration. */
async function main(): Promise<number> {
  let log: Logger | undefined;
  try {
    const config = loadConfig(SchedulerConfig, { argv: process.argv.slice(2), env: process.env, program: 'nx serve scheduler --' });
    log = createLog(config.logLevel as LogLevel);
    return await schedule(config, log);
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(`${error.message}\n`);
      return 0;
    }
    if (error instanceof ServingError && error.code === 'CANCELLED' && asked.signal.aborted) return 0;
    const expected = error instanceof ConfigError || error instanceof ServingError;
    process.stderr.write(`scheduler: ${expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return expected ? ConfigError.exitCode : 1;
  } finally {
    await new Promise<void>((resolve) => (log === undefined ? resolve() : log.flush(() => resolve())));
  }
}

process.exit(await main());
