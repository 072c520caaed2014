import { freePort } from './free-port.js';
import { startApp, startProcess, type RunningProcess } from './running-process.js';

export interface FleetGateway {
  readonly rest: string;
  readonly grpc: string;
}

export interface Fleet {
  readonly gateways: readonly FleetGateway[];
  /** By the name it was started under: gateway-0, scheduler, worker-0, ... */
  readonly processes: ReadonlyMap<string, RunningProcess>;
  /** Starts the one of this name again, with the same flags, when it has ended. It may take a while until it serves. */
  start(name: string): RunningProcess;
  /** Ends all; resolves with their exit codes. */
  stop(): Promise<Record<string, number>>;
}

/** How the processes of a fleet are started. */
export interface FleetOptions {
  /** nx: as in development (docs/fleet.md), which costs each process a second of a core. node: as in production. Default: node. */
  readonly through?: 'nx' | 'node';
  /** Where the process of this name finds the bus. Default: `nats`. */
  readonly busOf?: (name: string) => string;
  /** Flags of the process of this name. */
  readonly flagsOf?: (name: string) => readonly string[];
  /** Variables of every process, beyond those of the test's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Flags for every process of a kind, beyond what all fleets of tests need. */
  readonly gateway?: readonly string[];
  readonly scheduler?: readonly string[];
  readonly worker?: readonly string[];
}

/** Resolves when the gateway says that it is ready and that each model is. Polls the public health routes. */
async function untilReady(rest: string, models: readonly string[], alive: () => boolean): Promise<void> {
  const paths = ['/v2/health/ready', ...models.map((model) => `/v2/models/${model}/ready`)];
  while (alive()) {
    const ready = await Promise.all(
      paths.map((path) =>
        fetch(`http://${rest}${path}`).then(
          (response) => response.status === 200,
          () => false,
        ),
      ),
    );
    if (ready.every(Boolean)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the gateway at ${rest} ended before it was ready`);
}

function startThroughNx(app: string, args: readonly string[], env: Readonly<Record<string, string>>): RunningProcess {
  return startProcess('node_modules/.bin/nx', ['serve', app, '--excludeTaskDependencies', '--', ...args], {
    NX_DAEMON: 'false',
    NX_TUI: 'false',
    NX_ISOLATE_PLUGINS: 'false',
    ...env,
  });
}

/**
 * A fleet of gateways, schedulers and device-workers, each its own process, started in the given order
 * (gateway-0, scheduler, worker-1, ...), nats-server at `nats`. Resolves when every gateway can call every one of the `models` (`servable.method`, or
 * `servable.method/versions/n`).
 */
export async function startFleet(
  nats: string,
  servables: string,
  models: readonly string[],
  order: readonly string[],
  options: FleetOptions = {},
): Promise<Fleet> {
  const gateways: FleetGateway[] = [];
  for (let i = 0; i < order.filter((name) => name.startsWith('gateway')).length; i++) {
    gateways.push({ rest: `127.0.0.1:${await freePort()}`, grpc: `127.0.0.1:${await freePort()}` });
  }
  const argsOf = (name: string): string[] => {
    const index = Number(name.split('-')[1]);
    if (name.startsWith('gateway'))
      return [
        ...['gateway', '--rest', gateways[index]?.rest as string, '--grpc', gateways[index]?.grpc as string, '--drain-delay-ms', '0'],
        ...(options.gateway ?? []),
      ];
    if (name.startsWith('worker'))
      return ['device-worker', '--directory', servables, '--device-ids', String(index), ...(options.worker ?? [])];
    return ['scheduler', ...(options.scheduler ?? [])];
  };
  const processes = new Map<string, RunningProcess>();
  const start = (name: string): RunningProcess => {
    const [app, ...args] = argsOf(name) as [string, ...string[]];
    const begin = options.through === 'nx' ? startThroughNx : startApp;
    const flags = ['--nats', options.busOf?.(name) ?? nats, ...args, ...(options.flagsOf?.(name) ?? [])];
    const process = begin(app, flags, options.env ?? {});
    processes.set(name, process);
    return process;
  };
  for (const name of order) start(name);
  const alive = (): boolean => [...processes.values()].every(({ child }) => child.exitCode === null);
  try {
    await Promise.all(gateways.map(({ rest }) => untilReady(rest, models, alive)));
  } catch (error) {
    const output = [...processes].map(([name, process]) => `--- ${name}\n${process.output()}`).join('\n');
    await Promise.all([...processes.values()].map((process) => process.stop()));
    throw new Error(`${(error as Error).message}\n${output}`);
  }
  return {
    gateways,
    processes,
    start,
    stop: async () =>
      Object.fromEntries(await Promise.all([...processes].map(async ([name, process]) => [name, await process.stop()] as const))),
  };
}
