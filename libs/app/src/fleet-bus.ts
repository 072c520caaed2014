import { readFileSync } from 'node:fs';
import { NatsBus, type Bus, type NatsBusOptions } from '@mserve/bus';
import { ConfigError, type FleetConfig } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import type { Logger } from 'pino';

/** The text of a file that a setting names. Throws ConfigError that names the flag. */
export function settingFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${flag}: cannot read ${path}: ${(error as Error).message}`);
  }
}

/** Where the bus is and how to log in there. Throws ConfigError for a credentials file that cannot be read. */
export function busOptionsOf(config: FleetConfig, role: string): NatsBusOptions {
  return {
    servers: config.nats.split(','),
    role,
    prefix: config.subjectPrefix,
    user: config.natsUser,
    password: config.natsPassword,
    token: config.natsToken,
    credentials: config.natsCreds === undefined ? undefined : settingFile('--nats-creds', config.natsCreds),
  };
}

/** Joins the fleet; waits for the NATS server without end, telling so once, until `signal` is aborted (then CANCELLED). */
export async function connectFleetBus(config: FleetConfig, role: string, log: Logger, signal: AbortSignal): Promise<Bus> {
  let waiting = false;
  const bus = await NatsBus.connect({
    ...busOptionsOf(config, role),
    signal,
    onWaiting: (error) => {
      if (!waiting) log.warn(`waiting for NATS at ${config.nats}: ${error.message}`);
      waiting = true;
    },
    report: (text, cause) => log.warn({ err: cause }, text),
  }).catch((error: unknown) => {
    if (!(error instanceof ServingError) || error.code !== 'INVALID_ARGUMENT') throw error;
    const settings = error.message.includes('credentials') ? ' (--nats-user and --nats-password, --nats-token or --nats-creds)' : '';
    throw new ConfigError(`--nats ${config.nats}: ${error.message}${settings}`);
  });
  bus.onState((state) => {
    if (state === 'down') log.warn(`the connection to NATS at ${config.nats} is lost and being restored`);
    if (state === 'up') log.info(`the connection to NATS at ${config.nats} is restored`);
  });
  return bus;
}

/** Resolves when the process was asked to end, or when the bus connection is gone for good (which is logged). */
export function untilEnd(bus: Bus, log: Logger, asked: AbortSignal): Promise<'asked' | 'bus closed'> {
  return new Promise((resolve) => {
    const closed = bus.onState((state) => {
      if (state !== 'closed') return;
      log.error('the bus connection was closed for good');
      resolve('bus closed');
    });
    const end = (): void => {
      // From here on the app closes it
      closed.unsubscribe();
      log.info('asked to end: finishing what is in hand');
      resolve('asked');
    };
    if (asked.aborted) end();
    else asked.addEventListener('abort', end, { once: true });
  });
}
