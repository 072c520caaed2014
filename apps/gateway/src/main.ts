import 'reflect-metadata';
import { ConfigError, HelpRequested, loadConfig } from '@mserve/config';
import { BusTensorStore, NatsBus } from '@mserve/bus';
import { ServingError } from '@mserve/wire';
import type { Logger } from 'pino';
import { GatewayConfig } from './config/gateway-config.js';
import { busOptionsOf, gatewayOptionsOf } from './config/options-of-config.js';
import { startGateway } from './gateway.js';
import { createLog, type LogLevel } from './logging/gateway-log.js';

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process at once. */
const asked = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (asked.signal.aborted) process.exit(1);
    asked.abort();
  });
}
const askedToEnd = new Promise<void>((resolve) => asked.signal.addEventListener('abort', () => resolve(), { once: true }));

/** Serves until asked to end; resolves with the exit code: 1 when requests had to be cut off. */
async function serve(config: GatewayConfig, log: Logger): Promise<number> {
  const options = gatewayOptionsOf(config);
  let waiting = false;
  const bus = await NatsBus.connect({
    ...busOptionsOf(config),
    signal: asked.signal,
    onWaiting: (error) => {
      if (!waiting) log.warn(`waiting for NATS at ${config.nats}: ${error.message}`);
      waiting = true;
    },
    report: (text, cause) => log.warn({ err: cause }, text),
  });
  try {
    const gateway = await startGateway(bus, new BusTensorStore(bus), { ...options, log });
    if (gateway.restAddress !== undefined) log.info(`Serving: Serving RESTful server start success, listening on ${gateway.restAddress}`);
    if (gateway.grpcAddress !== undefined) log.info(`Serving: Serving gRPC server start success, listening on ${gateway.grpcAddress}`);
    await askedToEnd;
    const cut = await gateway.close(config.graceMs);
    if (cut > 0) log.error(`${cut} requests were cut off after ${config.graceMs} ms`);
    return cut > 0 ? 1 : 0;
  } finally {
    await bus.close();
  }
}

/** 0 and 1 as {@link serve}; 78 for a wrong configuration, an address in use included. */
async function main(): Promise<number> {
  let log: Logger | undefined;
  try {
    const config = loadConfig(GatewayConfig, { argv: process.argv.slice(2), env: process.env, program: 'nx serve gateway --' });
    log = createLog(config.logLevel as LogLevel, 'gateway');
    return await serve(config, log);
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(`${error.message}\n`);
      return 0;
    }
    if (error instanceof ServingError && error.code === 'CANCELLED' && asked.signal.aborted) return 0;
    const expected = error instanceof ConfigError || error instanceof ServingError;
    process.stderr.write(`gateway: ${expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return expected ? ConfigError.exitCode : 1;
  } finally {
    await new Promise<void>((resolve) => (log === undefined ? resolve() : log.flush(() => resolve())));
  }
}

process.exit(await main());
