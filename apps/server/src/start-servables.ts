import { createLog, type AppLog } from '@mserve/app';
import { namedAsGiven, settingsOfOptions, type SettingOptionsOf, type SettingsOf } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { chooseRuntime, deviceKindOf, hasAscend910, workerOptionsOf, type DeviceKind } from '@mserve/device-worker';
import { gatewayOptionsOf, type Models } from '@mserve/gateway';
import { schedulerOptionsOf } from '@mserve/scheduler';
import { closeConnections, connect, startRooms, type Connections, type RunningRooms } from './rooms.js';
import { startFailure, type RunningServable } from './server.js';
import {
  checkInteger,
  checkString,
  startPlans,
  tlsOf,
  ServableStartConfig,
  type SSLConfig,
  type StartPlan,
  type StartSurroundings,
} from './start-config.js';

/** Settings of a servables server, as of `startServer`, without those that its configs and calls give. */
export interface ServablesServerOptions extends Omit<
  SettingOptionsOf<'server'>,
  | 'rest'
  | 'grpc'
  | 'directory'
  | 'servables'
  | 'versionPolicy'
  | 'watchModels'
  | 'watchIntervalMs'
  | 'deviceIds'
  | 'numParallelWorkers'
  | 'decKeyFile'
  | 'decMode'
> {
  /** Default: JSON lines on stderr, from `logLevel` on. */
  readonly log?: AppLog | undefined;
}

const mebibyte = 1024 * 1024;

/** The largest REST body and gRPC message in MiB: what is allowed, and the default. */
const messageMb = { min: 1, max: 512, default: 100 };

/**
 * Servables that run in this process. Ports are opened, and further servables started, at any time. A call that fails changes nothing of what runs.
 */
export class ServablesServer {
  /** By servable. */
  private readonly directories = new Map<string, string>();
  /** Servables whose configs named devices. */
  private readonly onNamedDevices = new Set<string>();
  /** One start at a time: it has to know what the one before it left. */
  private starting: Promise<unknown> = Promise.resolve();
  private readonly ending = new AbortController();

  /** Use {@link startServables}. */
  constructor(
    private readonly running: RunningRooms,
    private readonly devices: Pick<StartSurroundings, 'supported' | 'isAscend910'>,
    private readonly graceMs: number,
    private readonly log: AppLog,
  ) {}

  /** Bound address, `host:port`; undefined while there is no REST port. */
  get rest(): string | undefined {
    return this.running.rooms.gateway.restAddress;
  }

  /** Bound address, `host:port` or `unix:path`; undefined while there is no gRPC port. */
  get grpc(): string | undefined {
    return this.running.rooms.gateway.grpcAddress;
  }

  /** Bound address of the admin port, `host:port`; undefined when there is none. */
  get admin(): string | undefined {
    return this.running.rooms.gateway.adminAddress;
  }

  /** Loads, unloads and switches versions of servables that were started (docs/versions.md). */
  get models(): Pick<Models, 'list' | 'load' | 'switch' | 'unload' | 'bringInLine'> {
    return this.running.rooms.models;
  }

  /** Servable versions that can be called. */
  get servables(): readonly RunningServable[] {
    const found = new Map<string, RunningServable>();
    for (const { state, signature } of this.running.rooms.worker.statuses) {
      if (state !== 'ready' || !signature) continue;
      const { servable, version, methods } = signature;
      found.set(`${servable}:${version}`, { servable, version, methods: methods.map(({ name }) => name) });
    }
    return [...found.values()];
  }

  /**
   * Starts further servables, or further versions. Resolves when all of them can be called. Rejects with ServingError, with none of them left and all
   * others still running: INVALID_ARGUMENT for configs that disagree, a servable that is not there or a version that runs already; UNAVAILABLE
   * when one cannot be loaded.
   */
  startServables(configs: ServableStartConfig | readonly ServableStartConfig[]): Promise<void> {
    const start = this.starting.then(() => this.start(configs));
    this.starting = start.catch(() => undefined);
    return start;
  }

  /**
   * Opens the gRPC port. Resolves with the address bound. Rejects with ServingError in the original's words when the address is wrong or taken, the port
   * is open already, or a TLS file is wrong.
   * @param address `host:port` (port 0 = any free one) or `unix:path`
   * @param maxMsgMbSize the largest message, 1 to 512 MiB
   * @param sslConfig default: the TLS settings, else plain text
   */
  async startGrpcServer(address: string, maxMsgMbSize = messageMb.default, sslConfig?: SSLConfig): Promise<string> {
    this.checkRunning();
    const port = portOf(address, maxMsgMbSize, sslConfig);
    return this.opened('gRPC', this.running.rooms.gateway.listenGrpc(port));
  }

  /** As {@link startGrpcServer}, for the REST port, which cannot be a Unix socket. */
  async startRestfulServer(address: string, maxMsgMbSize = messageMb.default, sslConfig?: SSLConfig): Promise<string> {
    this.checkRunning();
    const port = portOf(address, maxMsgMbSize, sslConfig);
    return this.opened('RESTful', this.running.rooms.gateway.listenRest(port));
  }

  /**
   * How many requests, over both ports, may be in hand from now on, counted from their arrival to their answer; at least 1, further ones are refused.
   * Default: the settings `maxInFlight` and `maxQueuedRequests`, whose places this takes.
   */
  setMaxEnqueuedRequests(maxEnqueuedRequests: number): void {
    const limit = checkInteger('maxEnqueuedRequests', maxEnqueuedRequests, 1);
    this.checkRunning();
    const { gateway, scheduler } = this.running.rooms;
    gateway.limitRequests({ maxInFlight: limit });
    scheduler.limitQueue(limit);
  }

  /** Reads the TLS files of all ports again, now, also when they have not changed (docs/tls.md). What came of it is in the log. Never rejects. */
  reloadCertificates(): Promise<void> {
    return this.running.rooms.gateway.reloadCertificates();
  }

  /** Takes no new requests, finishes those in hand (at most `graceMs`, default: the setting), then ends everything. Can be called again. */
  async stop(graceMs = this.graceMs): Promise<void> {
    this.ending.abort();
    await this.running.close(graceMs);
  }

  private async opened(tag: 'gRPC' | 'RESTful', opening: Promise<string>): Promise<string> {
    const address = await opening.catch(raiseFailed);
    this.log.info({ address }, `Serving: Serving ${tag} server start success, listening on ${address}`);
    return address;
  }

  /** Throws ServingError UNAVAILABLE after {@link stop}. */
  private checkRunning(): void {
    if (this.ending.signal.aborted) throw stopped();
  }

  /** Resolves when all of them can be called. Rejects when the server is stopped before. */
  private async whenServing(plans: readonly StartPlan[]): Promise<void> {
    this.checkRunning();
    let onEnd: (() => void) | undefined;
    const end = new Promise<never>((_, reject) => {
      onEnd = () => reject(stopped());
      this.ending.signal.addEventListener('abort', onEnd);
    });
    try {
      await Promise.race([this.running.rooms.becomeReady(plans.map(({ name, version }) => ({ servable: name, version }))), end]);
    } finally {
      if (onEnd !== undefined) this.ending.signal.removeEventListener('abort', onEnd);
    }
  }

  private async start(configs: unknown): Promise<void> {
    this.checkRunning();
    const { worker } = this.running.rooms;
    const usedDevices = worker.statuses
      .filter(({ servable, state }) => state !== 'failed' && this.onNamedDevices.has(servable))
      .map(({ deviceId }) => deviceId);
    const plans = startPlans(configs, { ...this.devices, directories: this.directories, usedDevices });
    for (const { name, version } of plans) {
      if (this.servables.some((one) => one.servable === name && one.version === version))
        throw new ServingError('INVALID_ARGUMENT', `version ${version} of servable '${name.slice(0, 64)}' runs already`);
    }
    const begun: StartPlan[] = [];
    try {
      for (const plan of plans) {
        const { deviceIds, numParallelWorkers } = plan;
        const loading = worker.load({
          ...plan,
          deviceIds: deviceIds.length === 0 ? [0] : deviceIds,
          numParallelWorkers: Math.max(1, numParallelWorkers),
        });
        begun.push(plan);
        const failed = (await loading).filter(({ state }) => state !== 'ready');
        if (failed.length > 0) throw startFailure(failed, nativePrefix);
      }
    } catch (error) {
      await Promise.all(begun.map(({ name, version }) => worker.unload(name, version, this.graceMs)));
      throw error;
    }
    await this.whenServing(plans);
    for (const { name, directory, deviceIds } of plans) {
      this.directories.set(name, directory);
      if (deviceIds.length > 0) this.onNamedDevices.add(name);
    }
  }
}

/** What the original puts before each text of its native code, and programs may look for. */
const nativePrefix = 'Raise failed: ';

function raiseFailed(thrown: unknown): never {
  if (!(thrown instanceof ServingError)) throw thrown;
  const { code, message, cause, reason, facts } = thrown;
  throw new ServingError(code, `${nativePrefix}${message}`, { cause: cause ?? thrown, reason, facts });
}

function stopped(): ServingError {
  return new ServingError('UNAVAILABLE', 'this server is stopped');
}

function portOf(
  address: unknown,
  maxMsgMbSize: number,
  sslConfig: unknown,
): { address: string; maxMessageBytes: number; tls: ReturnType<typeof tlsOf> } {
  return {
    address: checkString('address', address),
    maxMessageBytes: checkInteger('maxMsgMbSize', maxMsgMbSize, messageMb.min, messageMb.max) * mebibyte,
    tls: tlsOf(sslConfig),
  };
}

/** The provider of the settings; for 'auto' the best that there is of the kind that the configs ask for. */
async function providerOf(
  { provider, onnxruntimeLibrary }: SettingsOf<'server'>,
  configs: ServableStartConfig | readonly ServableStartConfig[],
  log: AppLog,
): Promise<string> {
  if (provider !== 'auto') return provider;
  const [first] = [configs].flat();
  const directory = first instanceof ServableStartConfig ? first.servableDirectory : '.';
  return (await chooseRuntime({ provider, onnxruntimeLibrary, directory, kind: kindAskedFor(configs), log })).provider;
}

/** The one device type that the configs ask for; undefined: none, or several, of which the start refuses some. */
function kindAskedFor(configs: ServableStartConfig | readonly ServableStartConfig[]): DeviceKind | undefined {
  const kinds = new Set([configs].flat().flatMap((config) => (config instanceof ServableStartConfig ? [config.deviceType] : [])));
  kinds.delete(null);
  const [kind] = kinds;
  return kinds.size === 1 ? (kind ?? undefined) : undefined;
}

/**
 * Starts servables in this process, without ports: those are opened by the server's methods. Resolves when all of them can be called. Rejects, with
 * nothing left running, as {@link ServablesServer.startServables} does, and with ConfigError for a setting that is not allowed.
 */
export function startServables(
  configs: ServableStartConfig | readonly ServableStartConfig[],
  options: ServablesServerOptions = {},
): Promise<ServablesServer> {
  return startServablesOn(configs, options, async () => undefined);
}

/** As {@link startServables}. `onConnected` is called before the rooms start, see startSettledServer; what it gives is called when they have ended. */
export async function startServablesOn(
  configs: ServableStartConfig | readonly ServableStartConfig[],
  options: ServablesServerOptions,
  onConnected: (join: Connections['join']) => Promise<(() => Promise<void>) | undefined>,
): Promise<ServablesServer> {
  const { settings, origins } = await settingsOfOptions('server', options, ['log']);
  return startSettledServables(settings, configs, options, onConnected).catch((thrown: unknown) => {
    throw namedAsGiven(thrown, origins);
  });
}

async function startSettledServables(
  settings: SettingsOf<'server'>,
  configs: ServableStartConfig | readonly ServableStartConfig[],
  options: Pick<ServablesServerOptions, 'log'>,
  onConnected: Parameters<typeof startServablesOn>[2],
): Promise<ServablesServer> {
  const log = options.log ?? createLog(settings.logLevel, 'server', settings.logFormat);
  const provider = await providerOf(settings, configs, log);
  const supported = deviceKindOf(provider);
  const devices = { supported, isAscend910: supported === 'Ascend' && (await hasAscend910()) };
  // What is wrong with the configs is reported before anything runs
  startPlans(configs, devices);
  const connections = await connect(settings, log);
  const onEnded = await onConnected(connections.join).catch(async (thrown: unknown) => {
    await closeConnections(connections);
    throw thrown;
  });
  const { rooms, close } = await startRooms(connections, {
    gateway: { ...gatewayOptionsOf(settings), restAddress: undefined, grpcAddress: undefined },
    scheduler: schedulerOptionsOf(settings),
    worker: { ...workerOptionsOf(settings), provider, servables: [], log },
    log,
  }).catch(async (thrown: unknown) => {
    await onEnded?.();
    throw thrown;
  });
  const running: RunningRooms = { rooms, close: (graceMs) => close(graceMs).finally(() => onEnded?.()) };
  const server = new ServablesServer(running, devices, settings.graceMs, log);
  try {
    await server.startServables(configs);
    return server;
  } catch (error) {
    await server.stop(0);
    throw error;
  }
}
