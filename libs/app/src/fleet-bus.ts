import { CredentialsRefused, NatsBus, type Bus, type NatsBusOptions } from '@mserve/bus';
import { ConfigError, natsServersOf, readSettingFile, type FleetSettings } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import type { Logger } from 'pino';
import type { LiveLogin } from './live-settings.js';
import type { AppLog } from './log.js';

/**
 * Where the bus is and how to log in there: with what the settings say at each try, as far as they can be read then. Throws ConfigError for a credentials file
 * that cannot be read.
 */
export function busOptionsOf(settings: FleetSettings, role: string, live?: LiveLogin): NatsBusOptions {
  let latest = settings;
  live?.take(loginKeys, (taken) => (latest = taken));
  // A try uses what the try before it has read: reading takes longer than a login may
  const login = (key: (typeof loginKeys)[number]) => () => {
    void live?.fresh().then((fresh) => (latest = fresh));
    return latest[key] ?? settings[key] ?? '';
  };
  const given = (key: (typeof loginKeys)[number]): (() => string) | undefined => (settings[key] === undefined ? undefined : login(key));
  return {
    servers: natsServersOf(settings.bus) ?? [],
    role,
    prefix: settings.subjectPrefix,
    user: given('natsUser'),
    password: given('natsPassword'),
    token: given('natsToken'),
    credentials: credentialsIn(settings.natsCreds),
  };
}

const loginKeys = ['natsUser', 'natsPassword', 'natsToken'] as const;

/** The contents of a credentials file, read anew each time, so that they may be replaced. Throws ConfigError when it cannot be read now. */
function credentialsIn(path: string | undefined): (() => string) | undefined {
  if (path === undefined) return undefined;
  const read = (): string => readSettingFile('--nats-creds', path);
  read();
  return read;
}

/** One line of the log for each change of the connection. */
export function logBusStates(bus: Bus, where: string, log: AppLog, fields: Readonly<Record<string, unknown>> = {}): void {
  bus.onState((state) => {
    if (state === 'down') log.warn(fields, `the connection to NATS at ${where} is lost and being restored`);
    if (state === 'up') log.info(fields, `the connection to NATS at ${where} is restored`);
  });
}

/** Joins the fleet; waits for the NATS server without end, which is logged once, until `signal` is aborted (then CANCELLED). */
export async function connectFleetBus(
  settings: FleetSettings,
  role: string,
  log: AppLog,
  signal: AbortSignal,
  live?: LiveLogin,
): Promise<Bus> {
  let waiting = false;
  const bus = await NatsBus.connect({
    ...busOptionsOf(settings, role, live),
    signal,
    onWaiting: (error) => {
      if (!waiting) log.warn({}, `waiting for NATS at ${settings.bus}: ${error.message}`);
      waiting = true;
    },
    report: (text, cause) => log.warn({ err: cause }, text),
  }).catch((error: unknown) => {
    if (!(error instanceof ServingError) || error.code !== 'INVALID_ARGUMENT') throw error;
    const flags = error instanceof CredentialsRefused ? ' (--nats-user and --nats-password, --nats-token or --nats-creds)' : '';
    throw new ConfigError(`--bus ${settings.bus}: ${error.message}${flags}`);
  });
  logBusStates(bus, settings.bus, log);
  return bus;
}

/** Resolves when the process was asked to end, or when the bus connection is gone for good (which is logged). */
export function untilEnd(bus: Pick<Bus, 'onState'>, log: Logger, asked: AbortSignal): Promise<'asked' | 'bus closed'> {
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
