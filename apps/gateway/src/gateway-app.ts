import 'reflect-metadata';
import { connectFleetBus, listenForTensors, untilEnd, type AppOptions, type LiveSettings } from '@mserve/app';
import type { SettingsOf } from '@mserve/config';
import type { Tracer } from '@mserve/metrics';
import { openSharedMemory, openSharedRings } from '@mserve/native/shared-memory';
import { fleetStore, showBus, withOperations, type Operations } from '@mserve/ops';
import { withTracing, type Environment } from '@mserve/tracing';
import type { Logger } from 'pino';
import { gatewayOptionsOf } from './config/options-of-settings.js';
import type { Gateway } from './gateway.js';
import { liveGatewayKeys, type GatewayOptions } from './gateway-options.js';
import { startGateway } from './start-gateway.js';

/** Who is told what this process does. */
interface Observers {
  readonly operations: Operations;
  readonly tracer: Tracer | undefined;
}

/** Serves until asked to end; resolves with the exit code: 1 when requests had to be cut off, or when the bus is gone for good. */
async function serve(
  settings: SettingsOf<'gateway'>,
  log: Logger,
  asked: AbortSignal,
  live: LiveSettings<SettingsOf<'gateway'>>,
  { operations, tracer }: Observers,
): Promise<number> {
  // Before the bus: files that cannot be read are reported at once, also when there is no bus yet.
  const options = gatewayOptionsOf(settings);
  const server = await listenForTensors(settings.tensorAddress);
  const rings = openSharedRings(settings.sharedRings && settings.sharedMemoryMb > 0, (text) => log.warn(text));
  const bus = await connectFleetBus(settings, 'gateway', log, asked, { live, rings });
  showBus(operations.metrics, 'gateway', bus);
  try {
    const { restAddress, grpcAddress, ...others } = { ...options, log, metrics: operations.metrics, tracer, ops: operations.port };
    const memory = openSharedMemory(settings.sharedMemoryMb, (text) => log.warn(text));
    const { sharedMemoryFromBytes: fromBytes } = settings;
    const store = fleetStore(bus, 'gateway', { memory, server, fromBytes, log, metrics: operations.metrics });
    const { gateway, close } = await startGateway(bus, store, others);
    operations.isReady = () => gateway.isReady;
    let arePortsOpen = false;
    operations.facts = () => ({
      settled: arePortsOpen && gateway.isReady,
      address: bus.address,
      knows: gateway.knownSchedulers,
      rest: gateway.restAddress,
      grpc: gateway.grpcAddress,
      admin: gateway.adminAddress,
      servesDocs: gateway.servesDocs,
    });
    live.take(liveGatewayKeys, (taken) => gateway.limitRequests(taken));
    live.onReload(() => void gateway.reloadFiles());
    if (gateway.adminAddress !== undefined) log.info(`the admin port is open, listening on ${gateway.adminAddress}`);
    const ended = untilEnd(bus, log, asked);
    await untilCatalog(gateway, settings.catalogWaitMs, ended, log);
    try {
      if (!asked.aborted) await openPorts(gateway, { restAddress, grpcAddress }, log);
      arePortsOpen = true;
    } catch (error) {
      await close(0);
      throw error;
    }
    const reason = await ended;
    const cut = await close(reason === 'asked' ? settings.graceMs : 0);
    if (cut > 0) log.error(`${cut} requests were cut off after ${settings.graceMs} ms`);
    return reason === 'asked' && cut === 0 ? 0 : 1;
  } finally {
    await bus.close();
    server?.close();
  }
}

/** Resolves when the gateway is ready, which is when it knows what there is to be called; after `waitMs`, which is logged; or when it is to end. */
async function untilCatalog(gateway: Gateway, waitMs: number, ended: Promise<unknown>, log: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      log.warn(`no servable is ready after ${waitMs} ms: the ports are opened nevertheless`);
      resolve();
    }, waitMs);
  });
  await Promise.race([gateway.whenReady(), tooLong, ended]);
  clearTimeout(timer);
}

/** Rejects when an address is wrong or taken. */
async function openPorts(gateway: Gateway, ports: Pick<GatewayOptions, 'restAddress' | 'grpcAddress'>, log: Logger): Promise<void> {
  const { restAddress, grpcAddress } = ports;
  if (restAddress !== undefined) {
    log.info(`Serving: Serving RESTful server start success, listening on ${await gateway.listenRest({ address: restAddress })}`);
  }
  if (grpcAddress !== undefined) {
    log.info(`Serving: Serving gRPC server start success, listening on ${await gateway.listenGrpc({ address: grpcAddress })}`);
  }
}

/** What the process of a gateway consists of: `main.ts`, and `mserve app gateway`. `env`: its OTEL_ variables say whether it is traced. */
export function gatewayApp(env: Environment): AppOptions<'gateway'> {
  return {
    name: 'gateway',
    work: (settings, log, asked, live) =>
      withOperations(settings, log, live, (operations) =>
        withTracing(env, 'gateway', log, (tracer) => serve(settings, log, asked, live, { operations, tracer })),
      ),
  };
}
