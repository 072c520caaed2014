import { BusTensorStore, LocalTensorStore, MemoryExchange, NatsBus, type Bus, type NatsBusOptions, type TensorStore } from '@mserve/bus';
import { ServingError, type ServableSignature } from '@mserve/wire';
import { checkServableNames, startDeviceWorker, type RunningWorker, type WorkerLog } from '@mserve/device-worker';
import { startGateway } from '@mserve/gateway';
import { startScheduler } from '@mserve/scheduler';
import { LoadingProgress } from './loading-progress.js';
import type { ModelKey } from './model-file.js';

export interface ServableChoice {
  readonly name: string;
  /** 0 = the highest version there is. */
  readonly version: number;
}

export type BusLogin = Pick<NatsBusOptions, 'user' | 'password' | 'token' | 'credentials'>;

export interface ServerOptions {
  /** Directory that holds one folder per servable. */
  readonly directory: string;
  /** Default: every servable in the directory, latest version. */
  readonly servables?: readonly ServableChoice[] | undefined;
  /** A replica of every servable on each. Default [0]. */
  readonly deviceIds?: readonly number[] | undefined;
  /** `host:port`; port 0 = any free one. Default 127.0.0.1:1500. */
  readonly rest?: string | undefined;
  /** `host:port` or `unix:path`. Default 127.0.0.1:5500. */
  readonly grpc?: string | undefined;
  /** Default 100 MiB; 1 to 512 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** `memory` (default), or the address of a NATS server. */
  readonly bus?: string | undefined;
  /** How to log in at the NATS server. */
  readonly busLogin?: BusLogin | undefined;
  /** Threads for the functions of a servable, over all its replicas; at least one per replica. Default 1. */
  readonly numParallelWorkers?: number | undefined;
  /** Threads inside one native run. Default: what the worker decides. */
  readonly intraOpThreads?: number | undefined;
  readonly legacyStatus200?: boolean | undefined;
  /** Whether /docs and /openapi.json are answered. Default: only when the REST port listens on loopback. */
  readonly docs?: boolean | undefined;
  /** For the encrypted MindIR models of `servables`, which must be given then. */
  readonly key?: ModelKey | undefined;
  /** One line per step of loading, for people. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** One line for each thing that is wrong but ends nothing, such as a servable that could not be loaded, for people. */
  readonly onWarning?: ((line: string) => void) | undefined;
}

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

export interface RunningServer {
  /** Bound address, `host:port`. */
  readonly rest: string;
  /** Bound address, `host:port` or `unix:path`. */
  readonly grpc: string;
  /** Address of the API documentation; undefined when it is switched off. */
  readonly docs: string | undefined;
  readonly servables: readonly RunningServable[];
  readonly failed: readonly FailedServable[];
  /** Stops taking requests, finishes those in hand (at most graceMs, default 30 000), then ends everything. */
  close(graceMs?: number): Promise<void>;
}

interface Connections {
  readonly gateway: Bus;
  readonly scheduler: Bus;
  readonly worker: Bus;
  readonly store: (bus: Bus) => TensorStore;
}

/** Embedded: one exchange in this process, tensors by reference. Fleet: three connections to NATS, so that others may join. */
async function connect(address: string, login: BusLogin | undefined): Promise<Connections> {
  if (address === 'memory') {
    const exchange = new MemoryExchange();
    const store = new LocalTensorStore();
    return {
      gateway: exchange.connect('gateway'),
      scheduler: exchange.connect('scheduler'),
      worker: exchange.connect('worker'),
      store: () => store,
    };
  }
  const servers = address.split(',');
  const join = (role: string): Promise<Bus> => NatsBus.connect({ servers, role, connectTimeoutMs: natsConnectMs, ...login });
  const [gateway, scheduler, worker] = await Promise.all([join('gateway'), join('scheduler'), join('worker')]).catch((error: unknown) => {
    const { code, message } = ServingError.from(error);
    const hint =
      code === 'INVALID_ARGUMENT'
        ? ' (the command takes them from MSERVE_NATS_USER and MSERVE_NATS_PASSWORD, MSERVE_NATS_TOKEN or MSERVE_NATS_CREDS)'
        : '';
    throw new ServingError(code, `cannot join the fleet at ${address}: ${message}${hint}`, { cause: error });
  });
  return { gateway, scheduler, worker, store: (bus) => new BusTensorStore(bus) };
}

const natsConnectMs = 10_000;

/** What the worker says on the console of a server that runs in the foreground: `✗ servable, device 0: reason` where a servable is concerned. */
function consoleLog(write: (line: string) => void): WorkerLog {
  const line = (fields: object, text: string): void => {
    const { servable, deviceId, version, err, ...others } = fields as Readonly<Record<string, unknown>>;
    const about =
      typeof servable === 'string'
        ? `${servable}${typeof version === 'number' && version > 0 ? ` version ${version}` : ''}, device ${String(deviceId)}: `
        : '';
    const rest = Object.keys(others).length === 0 ? '' : ` ${JSON.stringify(others)}`;
    write(`✗ ${about}${text}${rest}${err === undefined ? '' : `: ${err instanceof Error ? err.message : String(err)}`}`);
  };
  return { info: () => undefined, warn: line, error: line };
}

/** Ready servables. Throws when a chosen one failed, or none is ready. */
function readyServables(worker: RunningWorker, options: ServerOptions): ServableSignature[] {
  const failed = worker.replicas.filter((replica) => replica.state === 'failed');
  const signatures = new Map<string, ServableSignature>();
  for (const { state, signature } of worker.replicas)
    if (state === 'ready' && signature) signatures.set(`${signature.servable}:${signature.version}`, signature);
  if (failed.length > 0 && (options.servables !== undefined || signatures.size === 0)) {
    const details = failed.map(
      (replica) => `servable name:${replica.servable}, device id:${replica.deviceId}, <${replica.error ?? 'failed'}>`,
    );
    throw new ServingError('UNAVAILABLE', `Fail to start workers: {${details.join('; ')}}`);
  }
  if (signatures.size === 0)
    throw new ServingError(
      'NOT_FOUND',
      `there is no servable in ${options.directory}: a folder NAME with a servable_config.ts is expected`,
    );
  return [...signatures.values()];
}

function failedServables({ replicas }: RunningWorker): FailedServable[] {
  const reasons = new Map(replicas.filter(({ state }) => state === 'failed').map(({ servable, error }) => [servable, error ?? 'failed']));
  return [...reasons].map(([servable, reason]) => ({ servable, reason }));
}

/**
 * Gateway, scheduler and device-worker in this process. Resolves when every servable can be called; rejects, with nothing left running, when an
 * address is wrong or taken, the directory cannot be read, a chosen servable cannot be loaded, or none can.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  if (options.key !== undefined && options.servables === undefined)
    throw new ServingError('INVALID_ARGUMENT', 'a decryption key needs the names of the servables that it is for (--servable)');
  // The directory first: what is wrong with it is told in one sentence, before anything runs.
  checkServableNames(
    options.directory,
    (options.servables ?? []).map(({ name }) => name),
  );
  const connections = await connect(options.bus ?? 'memory', options.busLogin);
  const steps: ((graceMs: number) => Promise<unknown>)[] = [];
  const close = async (graceMs = 30_000): Promise<void> => {
    for (const step of steps.splice(0).reverse()) await step(graceMs);
  };
  const { onProgress, onWarning } = options;
  const progress = onProgress === undefined ? undefined : new LoadingProgress(onProgress);
  steps.push(async () => Promise.all([connections.gateway.close(), connections.scheduler.close(), connections.worker.close()]));
  try {
    const scheduler = await startScheduler(connections.scheduler, {
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    steps.push((graceMs) => scheduler.close(graceMs));
    // The ports first: a taken one is found before models are loaded.
    const gateway = await startGateway(connections.gateway, connections.store(connections.gateway), {
      restAddress: options.rest ?? '127.0.0.1:1500',
      grpcAddress: options.grpc ?? '127.0.0.1:5500',
      maxMessageBytes: options.maxMessageBytes,
      legacyStatus200: options.legacyStatus200,
      docs: options.docs,
    });
    // Whoever asks for readiness means all servables, not the first
    const becomeReady = gateway.holdReadiness();
    const worker = await startDeviceWorker(connections.worker, connections.store(connections.worker), {
      directory: options.directory,
      servables: options.servables?.map((servable) => ({ ...servable, decKey: options.key?.key, decMode: options.key?.mode })),
      deviceIds: options.deviceIds,
      numParallelWorkers: options.numParallelWorkers,
      intraOpThreads: options.intraOpThreads,
      onProgress: (step) => progress?.tell(step),
      log: onWarning === undefined ? undefined : consoleLog(onWarning),
    }).catch(async (error: unknown) => {
      await gateway.close(0);
      throw error;
    });
    steps.push(
      (graceMs) => worker.close(graceMs),
      (graceMs) => gateway.close(graceMs),
    );
    const servables = readyServables(worker, options);
    await gateway.whenServing(servables);
    becomeReady();
    return {
      rest: gateway.restAddress as string,
      grpc: gateway.grpcAddress as string,
      docs: gateway.servesDocs ? `http://${gateway.restAddress}/docs` : undefined,
      servables: servables.map(({ servable, version, methods }) => ({ servable, version, methods: methods.map((method) => method.name) })),
      failed: failedServables(worker),
      close,
    };
  } catch (error) {
    await close(0);
    throw error;
  } finally {
    progress?.end();
  }
}
