import { readFileSync } from 'node:fs';
import { CredentialsRefused, NatsBus, type Bus, type NatsBusOptions, type Rings } from '@mserve/bus';
import { natsServersOf, readSettingFile, settingError, type FleetSettings, type SettingKey } from '@mserve/config';
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
  const { natsPasswordFile, natsTokenFile } = settings;
  return {
    ...whereOf(settings),
    role,
    name: settings.busName,
    prefix: settings.subjectPrefix,
    user: given('natsUser'),
    password: fileText('natsPasswordFile', natsPasswordFile, true) ?? given('natsPassword'),
    token: fileText('natsTokenFile', natsTokenFile, true) ?? given('natsToken'),
    nkeySeed: fileText('natsNkey', settings.natsNkey, true),
    credentials: fileText('natsCreds', settings.natsCreds, false),
  };
}

/** Of this package, and of all that are released with it. */
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

const loginKeys = ['natsUser', 'natsPassword', 'natsToken'] as const;

/** The servers, and the files of TLS: the client reads them at every connection. Throws ConfigError for one that cannot be read now. */
function whereOf(settings: FleetSettings): Pick<NatsBusOptions, 'servers' | 'tls'> {
  const { natsTlsCa, natsTlsCertificate, natsTlsPrivateKey } = settings;
  const { servers, tls } = natsServersOf(settings.bus) ?? { servers: [], tls: false };
  const files: TlsFile[] = [
    ['caFile', 'natsTlsCa', natsTlsCa],
    ['certFile', 'natsTlsCertificate', natsTlsCertificate],
    ['keyFile', 'natsTlsPrivateKey', natsTlsPrivateKey],
  ];
  const given = files.flatMap(([option, key, path]) => {
    if (path === undefined) return [];
    readSettingFile(key, path);
    return [[option, path] as const];
  });
  return { servers, ...(tls || given.length > 0 ? { tls: Object.fromEntries(given) } : {}) };
}

type TlsFile = readonly [option: 'caFile' | 'certFile' | 'keyFile', key: SettingKey, path: string | undefined];

/**
 * What is in a file, read anew each time, so that it may be replaced; with what was in it last while it cannot be read. `trimmed`: without the line end
 * that editors add. Throws ConfigError when it cannot be read now.
 */
function fileText(key: SettingKey, path: string | undefined, trimmed: boolean): (() => string) | undefined {
  if (path === undefined) return undefined;
  const read = (): string => {
    const text = readSettingFile(key, path);
    return trimmed ? text.trim() : text;
  };
  let last = read();
  return () => {
    try {
      last = read();
    } catch {
      // Being replaced
    }
    return last;
  };
}

/** One line of the log for each change of the connection. */
export function logBusStates(bus: Bus, where: string, log: AppLog, fields: Readonly<Record<string, unknown>> = {}): void {
  bus.onState((state) => {
    if (state === 'down') log.warn(fields, `the connection to NATS at ${where} is lost and being restored`);
    if (state === 'up') log.info(fields, `the connection to NATS at ${where} is restored`);
  });
}

/** What else a process of a fleet may have for its bus: settings that change, and rings in shared memory. */
export interface FleetBusParts {
  readonly live?: LiveLogin | undefined;
  readonly rings?: Rings | undefined;
}

/** Joins the fleet; waits for the NATS server without end, which is logged once, until `signal` is aborted (then CANCELLED). */
export async function connectFleetBus(
  settings: FleetSettings,
  role: string,
  log: AppLog,
  signal: AbortSignal,
  { live, rings }: FleetBusParts = {},
): Promise<Bus> {
  let waiting = false;
  const bus = await NatsBus.connect({
    ...busOptionsOf(settings, role, live),
    rings,
    service: { name: `mserve-${role}`, version, description: `${role} of an mserve fleet` },
    signal,
    onWaiting: (error) => {
      if (!waiting) log.warn({}, `waiting for NATS at ${settings.bus}: ${error.message}`);
      waiting = true;
    },
    report: (text, cause) => log.warn({ err: cause }, text),
  }).catch((error: unknown) => {
    if (!(error instanceof ServingError) || error.code !== 'INVALID_ARGUMENT') throw error;
    const flags =
      error instanceof CredentialsRefused ? ' (--nats-user and --nats-password, --nats-token, --nats-creds or --nats-nkey)' : '';
    throw settingError('bus', `${settings.bus}: ${error.message}${flags}`);
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
