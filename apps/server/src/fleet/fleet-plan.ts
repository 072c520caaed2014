import { createServer } from 'node:net';
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
  /** Of the first gateway; '': none. */
  readonly ops: string;
  /** The further processes have operations ports, too. */
  readonly everybodysOps: boolean;
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
    ops: opsOf(all.indexOf(app), ports),
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

function opsOf(index: number, { ops, everybodysOps }: FleetPorts): string {
  if (ops === '' || (index > 0 && !everybodysOps)) return '';
  const address = parseAddress(ops);
  return address.kind === 'tcp' ? formatAddress(address, address.port + index) : ops;
}

/** Resolves with the port that a listener at the address gets, or undefined when it cannot be had. */
async function portAt(address: Address): Promise<number | undefined> {
  if (address.kind !== 'tcp') return undefined;
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: address.host, port: address.port }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : undefined));
    });
  });
}

/** The address with a port that was free just now in place of port 0. Rejects with CliError when another process has it. */
async function freeAddress(flag: string, text: string): Promise<string> {
  if (text === '') return text;
  const address = parseAddress(text);
  const port = await portAt(address);
  if (port === undefined) throw new CliError(`${flag} ${text} cannot be had: another process has it, or this machine does not`, 78);
  return formatAddress(address, port);
}

/** Finds the ports of a fleet, which stay the same until it ends. Rejects with CliError or ConfigError for those that cannot be had. */
export async function choosePorts({ rest, grpc, admin, natsListen, ops }: FleetCommandSettings): Promise<FleetPorts> {
  if (grpc.startsWith('unix:')) throw new ConfigError('--grpc must be HOST:PORT for mserve fleet: its gateways share the port');
  if (natsListen === '') throw new ConfigError('--nats-listen must be HOST:PORT: a fleet needs its nats-server');
  const isOpsFree = ops !== undefined || (await portAt(parseAddress(defaultOpsAddress))) !== undefined;
  return {
    rest: await freeAddress('--rest', rest),
    grpc: await freeAddress('--grpc', grpc),
    admin: admin === undefined ? undefined : await freeAddress('--admin', admin),
    nats: await freeAddress('--nats-listen', natsListen),
    ops: isOpsFree ? await freeAddress('--ops', ops ?? defaultOpsAddress) : '',
    everybodysOps: ops !== undefined,
  };
}
