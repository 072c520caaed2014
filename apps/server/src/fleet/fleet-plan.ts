import { availableParallelism } from 'node:os';
import {
  ConfigError,
  formatAddress,
  hasSetting,
  isUnspecified,
  parseAddress,
  settingEntries,
  type Address,
  type AppName,
  type SettingsOf,
} from '@mserve/config';
import { defaultOpsAddress } from '@mserve/ops';
import { CliError } from '../cli-error.js';
import type { FleetMember } from './bus-credentials.js';
import { lastingPortAt, portAt } from './lasting-port.js';
import type { ProcessKind } from './supervised.js';

/** Settings of `mserve fleet`. */
export type FleetCommandSettings = SettingsOf<'fleet'>;

/** An app that a fleet consists of. */
export interface PlannedApp extends FleetMember {
  readonly kind: Exclude<ProcessKind, 'nats-server'>;
}

/** Where the ports of a fleet are, none of them 0 any more. */
export interface FleetPorts {
  readonly rest: string;
  readonly grpc: string;
  readonly admin: string | undefined;
  readonly nats: string;
  /** Operations ports, in the order of the plan. Those that are missing or '' have none. */
  readonly ops: readonly string[];
}

const apps: Readonly<Record<PlannedApp['kind'], AppName>> = { gateway: 'gateway', scheduler: 'scheduler', worker: 'device-worker' };

/** The apps of a fleet, in the order of `mserve fleet status`. */
export function planFleet(settings: FleetCommandSettings): PlannedApp[] {
  const { admin, modelControlMode } = settings;
  const changesVersions = (admin !== undefined && admin !== '') || modelControlMode === 'explicit';
  const many = (kind: PlannedApp['kind'], role: FleetMember['role'], count: number): PlannedApp[] =>
    Array.from({ length: count }, (_, i) => ({ kind, role, name: `${kind}-${i + 1}` }));
  return [
    ...many('gateway', changesVersions ? 'admin' : 'gateway', settings.gateways),
    ...many('scheduler', 'scheduler', settings.schedulers),
    ...many('worker', 'worker', settings.workers),
  ];
}

/** The devices of worker number `index`, from 0: dealt out in turn; with fewer devices than workers, some have the same one. */
export function devicesOf(index: number, { deviceIds, workers }: Pick<FleetCommandSettings, 'deviceIds' | 'workers'>): number[] {
  const own = deviceIds.filter((_, at) => at % workers === index);
  return own.length > 0 ? own : [deviceIds[index % deviceIds.length] as number];
}

/** What an app is started with, as its config file. */
export function settingsOfApp(
  app: PlannedApp,
  all: readonly PlannedApp[],
  settings: FleetCommandSettings,
  ports: FleetPorts,
  nkey: string,
): Readonly<Record<string, unknown>> {
  const values = Object.entries(settings).filter(([key]) =>
    settingEntries.some(([one, it]) => one === key && hasSetting(apps[app.kind], it)),
  );
  const bus = {
    bus: `nats://${formatAddress(natsAddress(ports.nats))}`,
    busName: app.name,
    natsNkey: nkey,
    ops: ports.ops[all.indexOf(app)] ?? '',
  };
  return { ...Object.fromEntries(values), ...ofKind(app, all, settings, ports), ...bus };
}

/** A nats-server that listens at every address of this machine is reached at 127.0.0.1. */
export function natsAddress(text: string): Extract<Address, { kind: 'tcp' }> {
  const address = parseAddress(text);
  if (address.kind !== 'tcp') throw new TypeError(`HOST:PORT is expected, not ${text}`);
  return isUnspecified(address) ? { ...address, host: '127.0.0.1' } : address;
}

function ofKind(
  app: PlannedApp,
  all: readonly PlannedApp[],
  settings: FleetCommandSettings,
  ports: FleetPorts,
): Readonly<Record<string, unknown>> {
  if (app.kind === 'gateway') return { rest: ports.rest, grpc: ports.grpc, admin: ports.admin };
  if (app.kind === 'scheduler') return {};
  const deviceIds = devicesOf(all.filter(({ kind }) => kind === 'worker').indexOf(app), settings);
  const replicas = settings.workers * deviceIds.length;
  return { deviceIds, intraOpThreads: settings.intraOpThreads ?? Math.max(1, Math.floor((availableParallelism() - 1) / replicas)) };
}

/** undefined: none can be had there. */
async function portOf(address: Address): Promise<number | undefined> {
  if (address.kind !== 'tcp') return undefined;
  return address.port === 0 ? lastingPortAt(address.host) : portAt(address.host, address.port);
}

/** The address with a port that was free just now in place of port 0. Rejects with CliError when another process has it. */
async function freeAddress(flag: string, text: string): Promise<string> {
  if (text === '') return text;
  const address = parseAddress(text);
  const port = await portOf(address);
  if (port === undefined) throw new CliError(`${flag} ${text} cannot be had: another process has it, or this machine does not`, 78);
  return formatAddress(address, port);
}

/** As freeAddress, for port 0: none of those that were `found`. Nobody has these yet, so that the same one may be found again. */
async function otherFreeAddress(flag: string, text: string, found: readonly string[]): Promise<string> {
  for (;;) {
    const address = await freeAddress(flag, text);
    if (!found.includes(address)) return address;
  }
}

/**
 * The operations ports of a fleet: those after the first one, or any free ones with port 0; without the setting, the usual one for the first process if it is
 * free.
 */
async function opsAddresses(settings: FleetCommandSettings): Promise<string[]> {
  const { ops } = settings;
  if (ops === undefined) return (await portOf(parseAddress(defaultOpsAddress))) === undefined ? [] : [defaultOpsAddress];
  if (ops === '') return [];
  const address = parseAddress(ops);
  const addresses = [await freeAddress('--ops', ops)];
  if (address.kind !== 'tcp') return addresses;
  const further = planFleet(settings).length - 1;
  for (let n = 1; n <= further; n++)
    addresses.push(address.port === 0 ? await otherFreeAddress('--ops', ops, addresses) : formatAddress(address, address.port + n));
  return addresses;
}

/** Finds the ports of a fleet, which stay the same until it ends. Rejects with CliError or ConfigError for those that cannot be had. */
export async function choosePorts(settings: FleetCommandSettings): Promise<FleetPorts> {
  const { rest, grpc, admin, natsListen } = settings;
  if (grpc.startsWith('unix:')) throw new ConfigError('--grpc must be HOST:PORT for mserve fleet: its gateways share the port');
  if (natsListen === '') throw new ConfigError('--nats-listen must be HOST:PORT: a fleet needs its nats-server');
  return {
    rest: await freeAddress('--rest', rest),
    grpc: await freeAddress('--grpc', grpc),
    admin: admin === undefined ? undefined : await freeAddress('--admin', admin),
    nats: await freeAddress('--nats-listen', natsListen),
    ops: await opsAddresses(settings),
  };
}
