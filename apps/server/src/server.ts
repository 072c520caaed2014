import { createLog, type AppLog, type LiveSettings } from '@mserve/app';
import type { ReplicaStatus } from '@mserve/bus';
import { ConfigError, namedAsGiven, settingsOfOptions, type SettingOptionsOf, type SettingsOf } from '@mserve/config';
import { ServingError, type ServableSignature } from '@mserve/wire';
import { checkServableNames, workerOptionsOf, type DeviceWorker, type DeviceWorkerOptions } from '@mserve/device-worker';
import { gatewayOptionsOf, liveGatewayKeys, type Models } from '@mserve/gateway';
import type { MetricRegistry, Tracer } from '@mserve/metrics';
import { Operations, showReloads } from '@mserve/ops';
import { liveSchedulerKeys, schedulerOptionsOf } from '@mserve/scheduler';
import { consoleLog } from './console-log.js';
import { LoadingProgress } from './loading-progress.js';
import type { ModelKey } from './model-file.js';
import { closeConnections, connect, startRooms, type Connections } from './rooms.js';

/**
 * How a server is to run: any setting of a gateway, a scheduler or a device-worker, under its name in docs/cli.md (`rest`, `maxMsgMbSize`, `tlsCertificate`, ...),
 * and what only a caller can give. `directory` is the setting that matters; every other one has a default.
 */
export interface ServerOptions extends SettingOptionsOf<'server'> {
  /** For the encrypted MindIR models of `servables`, which must be given then; in place of `decKeyFile` and `decMode`. */
  readonly key?: ModelKey | undefined;
  /** One line per step of loading, for people. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** One line for each thing that is wrong but ends nothing, such as a servable that could not be loaded, for people. Default: the log has it. */
  readonly onWarning?: ((line: string) => void) | undefined;
  /** Default: JSON lines on stderr, from `logLevel` on. */
  readonly log?: AppLog | undefined;
  /** Where gateway, scheduler and device-worker count. Default: a registry of their own. */
  readonly metrics?: MetricRegistry | undefined;
  /** Told of each request's way through the server. Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

/** Options of a server that are no settings. */
const otherOptions: readonly (keyof ServerOptions)[] = ['key', 'onProgress', 'onWarning', 'log', 'metrics', 'tracer'];

/** A servable version that the server serves. */
export interface RunningServable {
  readonly servable: string;
  readonly version: number;
  readonly methods: readonly string[];
}

/** A servable that was not chosen by name, and could not be loaded. */
export interface FailedServable {
  readonly servable: string;
  readonly reason: string;
}

/** A server that runs, until it is closed. */
export interface RunningServer {
  /** Bound address, `host:port`; undefined when there is no REST port. */
  readonly rest: string | undefined;
  /** Bound address, `host:port` or `unix:path`; undefined when there is no gRPC port. */
  readonly grpc: string | undefined;
  /** Bound address of the admin port, `host:port`; undefined when there is none. */
  readonly admin: string | undefined;
  /** Bound address of the operations port, `host:port`; undefined when there is none. It never speaks TLS. */
  readonly ops: string | undefined;
  /** `https` when the ports speak TLS. */
  readonly scheme: 'http' | 'https';
  /** Address of the API documentation; undefined when it is switched off. */
  readonly docs: string | undefined;
  /** As they were when the server became ready; `models.list()` says what they are now. */
  readonly servables: readonly RunningServable[];
  readonly failed: readonly FailedServable[];
  /** Loads, unloads and switches versions while the server runs (docs/versions.md). */
  readonly models: Pick<Models, 'list' | 'load' | 'switch' | 'unload' | 'bringInLine'>;
  /** Reads the TLS files of all ports again, now, also when they have not changed (docs/tls.md). What came of it is in the log. Never rejects. */
  reloadCertificates(): Promise<void>;
  /**
   * Stops taking requests, finishes those in hand (at most graceMs, default 30 000), then ends everything. Resolves with the number of requests that were not
   * finished: they are refused as UNAVAILABLE.
   */
  close(graceMs?: number): Promise<number>;
}

/** Why a start failed, in the original's words; `prefix` stands before each reason. */
export function startFailure(failed: readonly ReplicaStatus[], prefix = ''): ServingError {
  const details = failed.map(
    (replica) => `servable name:${replica.servable}, device id:${replica.deviceId}, <${prefix}${replica.error ?? 'failed'}>`,
  );
  return new ServingError('UNAVAILABLE', `Fail to start workers: {${details.join('; ')}}`);
}

/** Ready servables. Throws when a chosen one failed, or none is ready. */
function readyServables({ statuses }: DeviceWorker, options: DeviceWorkerOptions): ServableSignature[] {
  const failed = statuses.filter((replica) => replica.state === 'failed');
  const signatures = new Map<string, ServableSignature>();
  for (const { state, signature } of statuses)
    if (state === 'ready' && signature) signatures.set(`${signature.servable}:${signature.version}`, signature);
  if (failed.length > 0 && (options.servables !== undefined || signatures.size === 0)) {
    throw startFailure(failed);
  }
  if (signatures.size === 0)
    throw new ServingError(
      'NOT_FOUND',
      `there is no servable in ${options.directory}: a folder NAME with a servable_config.ts is expected`,
    );
  return [...signatures.values()];
}

function failedServables({ statuses }: DeviceWorker): FailedServable[] {
  const reasons = new Map(statuses.filter(({ state }) => state === 'failed').map(({ servable, error }) => [servable, error ?? 'failed']));
  return [...reasons].map(([servable, reason]) => ({ servable, reason }));
}

/** What the worker of a server is to run, a key that came by options included. */
function workerOptions(settings: SettingsOf<'server'>, key: ModelKey | undefined): DeviceWorkerOptions {
  const options = workerOptionsOf(settings);
  if (key === undefined) return options;
  if (options.servables === undefined) throw new ConfigError('key needs servables: the servables that it is for');
  return { ...options, servables: options.servables.map((servable) => ({ ...servable, decKey: key.key, decMode: key.mode })) };
}

/**
 * Gateway, scheduler and device-worker in this process. Resolves when every servable can be called; rejects, with nothing left running, when a setting
 * is not allowed (ConfigError), an address is taken, the directory cannot be read, a chosen servable cannot be loaded, or none can.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { settings, origins } = await settingsOfOptions('server', options, otherOptions);
  return startSettledServer(settings, options).catch((thrown: unknown) => {
    throw namedAsGiven(thrown, origins);
  });
}

/** What a server with checked settings is started with. */
export type SettledOptions = Pick<ServerOptions, 'key' | 'onProgress' | 'onWarning' | 'log' | 'metrics' | 'tracer'> & {
  /** What changes of the settings while the server runs. */
  readonly live?: LiveSettings<SettingsOf<'server'>> | undefined;
  /** The rooms are about to start; `join` makes further participants of a bus inside this process, where that is the bus. */
  readonly onConnected?: (join: Connections['join']) => Promise<void>;
  /** Whether there is an operations port when the settings do not say, if its usual address is free. Default: no. */
  readonly hasDefaultOps?: boolean | undefined;
};

/** As {@link startServer}, with settings that are checked. */
export async function startSettledServer(settings: SettingsOf<'server'>, options: SettledOptions): Promise<RunningServer> {
  const operations = new Operations(options.metrics);
  const log = options.log ?? createLog(settings.logLevel, 'server', settings.logFormat);
  if (options.live !== undefined) showReloads(operations.metrics, options.live);
  await operations.open(settings, log, options.hasDefaultOps);
  try {
    return await startWithOperations(settings, { ...options, log }, operations);
  } catch (thrown) {
    await operations.close();
    throw thrown;
  }
}

async function startWithOperations(
  settings: SettingsOf<'server'>,
  options: SettledOptions & { readonly log: AppLog },
  operations: Operations,
): Promise<RunningServer> {
  const { onProgress, onWarning, log } = options;
  const gatewayOptions = { ...gatewayOptionsOf(settings), ops: operations.port };
  const ofWorker = workerOptions(settings, options.key);
  // The directory first: what is wrong with it is reported in one sentence, before anything runs.
  checkServableNames(
    ofWorker.directory,
    (ofWorker.servables ?? []).map(({ name }) => name),
  );
  const connections = await connect(settings, log, options.live);
  const progress = onProgress === undefined ? undefined : new LoadingProgress(onProgress);
  const worker: DeviceWorkerOptions = {
    ...ofWorker,
    onProgress: (step) => progress?.tell(step),
    log: onWarning === undefined ? log : consoleLog(onWarning, log),
  };
  try {
    await options.onConnected?.(connections.join).catch(async (thrown: unknown) => {
      await closeConnections(connections);
      throw thrown;
    });
    const running = await startRooms(connections, {
      gateway: gatewayOptions,
      scheduler: schedulerOptionsOf(settings),
      worker,
      log,
      metrics: operations.metrics,
      tracer: options.tracer,
    });
    const { rooms } = running;
    const close = async (graceMs: number): Promise<number> => {
      const cut = await running.close(graceMs);
      await operations.close();
      return cut;
    };
    const { gateway } = rooms;
    operations.isReady = () => gateway.isReady;
    try {
      const servables = readyServables(rooms.worker, ofWorker);
      await rooms.becomeReady(servables);
      options.live?.take(liveGatewayKeys, (taken) => gateway.limitRequests(taken));
      options.live?.onReload(() => void gateway.reloadFiles());
      options.live?.take(liveSchedulerKeys, (taken) => rooms.scheduler.limitQueue(taken.maxQueuedRequests, taken.maxQueuedInstances));
      const scheme = gatewayOptions.tls === undefined ? 'http' : 'https';
      return {
        rest: gateway.restAddress,
        grpc: gateway.grpcAddress,
        admin: gateway.adminAddress,
        ops: operations.address,
        models: rooms.models,
        scheme,
        docs: gateway.servesDocs && gateway.restAddress !== undefined ? `${scheme}://${gateway.restAddress}/docs` : undefined,
        servables: servables.map(({ servable, version, methods }) => ({
          servable,
          version,
          methods: methods.map((method) => method.name),
        })),
        failed: failedServables(rooms.worker),
        reloadCertificates: () => gateway.reloadCertificates(),
        close: (graceMs = settings.graceMs) => close(graceMs),
      };
    } catch (error) {
      await close(0);
      throw error;
    }
  } finally {
    progress?.end();
  }
}
