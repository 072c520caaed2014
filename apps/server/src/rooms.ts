import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { busOptionsOf, listenForTensors, logBusStates, NestLog, type AppLog, type LiveSettings } from '@mserve/app';
import { LocalTensorStore, MemoryExchange, NatsBus, type Bus, type TensorStore } from '@mserve/bus';
import { BusServer } from '@mserve/bus/nest';
import type { SettingsOf } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { workerBus, type DeviceWorkerOptions } from '@mserve/device-worker';
import { ApiDocs, createHttpAdapter, gatewayBus, type GatewayOptions } from '@mserve/gateway';
import { MetricRegistry, type Tracer } from '@mserve/metrics';
import { outputMemory } from '@mserve/native';
import { openSharedMemory, openSharedRings } from '@mserve/native/shared-memory';
import { fleetStore, showBus, type BusRole } from '@mserve/ops';
import { schedulerBus, type SchedulerOptions } from '@mserve/scheduler';
import { EmbeddedModule, EmbeddedRooms } from './embedded.module.js';

/** What the rooms of a process meet on. */
export interface Connections {
  readonly gateway: Bus;
  readonly scheduler: Bus;
  readonly worker: Bus;
  readonly store: (bus: Bus, role: BusRole, metrics: MetricRegistry) => TensorStore;
  /** Embedded: makes a further participant of this process' own bus. */
  readonly join?: ((role: string) => Bus) | undefined;
}

/** Embedded: one exchange in this process, tensors by reference. Fleet: three connections to NATS, so that others may join. */
export async function connect(
  settings: SettingsOf<'server'>,
  log: AppLog,
  live?: LiveSettings<SettingsOf<'server'>>,
): Promise<Connections> {
  if (settings.bus === 'memory') {
    const exchange = new MemoryExchange();
    const store = new LocalTensorStore(outputMemory);
    return {
      gateway: exchange.connect('gateway'),
      scheduler: exchange.connect('scheduler'),
      worker: exchange.connect('worker'),
      store: () => store,
      join: (role) => exchange.connect(role),
    };
  }
  const join = async (role: string): Promise<Bus> => {
    const report = (text: string, cause?: unknown): void => log.warn({ role, err: cause }, text);
    const rings = openSharedRings(settings.sharedRings && settings.sharedMemoryMb > 0, (text) => log.warn({ role }, text));
    const bus = await NatsBus.connect({ ...busOptionsOf(settings, role, live), rings, connectTimeoutMs: natsConnectMs, report });
    logBusStates(bus, settings.bus, log, { role });
    return bus;
  };
  const [gateway, scheduler, worker] = await Promise.all([join('gateway'), join('scheduler'), join('worker')]).catch((error: unknown) => {
    const { code, message } = ServingError.from(error);
    const hint = code === 'INVALID_ARGUMENT' ? ' (natsUser and natsPassword, natsToken, natsCreds or natsNkey)' : '';
    throw new ServingError(code, `cannot join the fleet at ${settings.bus}: ${message}${hint}`, { cause: error });
  });
  const server = await listenForTensors(settings.tensorAddress);
  const memory = openSharedMemory(settings.sharedMemoryMb, (text) => log.warn({}, text));
  const fromBytes = settings.sharedMemoryFromBytes;
  return { gateway, scheduler, worker, store: (bus, role, metrics) => fleetStore(bus, role, { memory, server, fromBytes, log, metrics }) };
}

const natsConnectMs = 10_000;

/** How each room is to run. */
export interface RoomOptions {
  readonly gateway: GatewayOptions;
  readonly scheduler: Partial<SchedulerOptions>;
  readonly worker: DeviceWorkerOptions;
  readonly log: AppLog;
  /** Where all rooms count. Default: a registry of their own. */
  readonly metrics?: MetricRegistry | undefined;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

/** The rooms of a process, until they are closed. */
export interface RunningRooms {
  readonly rooms: EmbeddedRooms;
  /** Ends the rooms, then their connections. Resolves with the number of requests that were cut off. A second call returns the first one's promise. */
  close(graceMs: number): Promise<number>;
}

/** Ends the connections of the rooms. */
export async function closeConnections({ gateway, scheduler, worker }: Connections): Promise<void> {
  await Promise.all([gateway.close(), scheduler.close(), worker.close()]);
}

/** The three rooms as one Nest application. Rejects with nothing left running and all connections closed. */
export async function startRooms(connections: Connections, options: RoomOptions): Promise<RunningRooms> {
  const { gateway, scheduler, worker, store } = connections;
  const { log, metrics = new MetricRegistry(), tracer } = options;
  showBus(metrics, 'gateway', gateway);
  showBus(metrics, 'scheduler', scheduler);
  showBus(metrics, 'worker', worker);
  const create = async (): Promise<INestApplication> => {
    const module = EmbeddedModule.register({
      gateway: { bus: gateway, store: store(gateway, 'gateway', metrics), options: options.gateway },
      scheduler: { bus: scheduler, options: options.scheduler },
      worker: { bus: worker, store: store(worker, 'worker', metrics), options: options.worker },
      log,
      metrics,
      tracer,
    });
    return NestFactory.create(module, createHttpAdapter(), { logger: new NestLog(log), abortOnError: false });
  };
  const app = await create().catch(async (error: unknown) => {
    await closeConnections(connections);
    throw error;
  });
  const rooms = app.get(EmbeddedRooms);
  let closing: Promise<number> | undefined;
  const end = async (graceMs: number): Promise<number> => {
    rooms.leave(graceMs);
    await app.close();
    await closeConnections(connections);
    return rooms.gateway.cutOff;
  };
  const close = (graceMs: number): Promise<number> => (closing ??= end(graceMs));
  try {
    app.get(ApiDocs, { strict: false }).describe(app);
    app.connectMicroservice<MicroserviceOptions>({ strategy: new BusServer(gateway, gatewayBus) });
    app.connectMicroservice<MicroserviceOptions>({ strategy: new BusServer(scheduler, schedulerBus) });
    app.connectMicroservice<MicroserviceOptions>({ strategy: new BusServer(worker, workerBus) });
    await app.startAllMicroservices();
    await app.init();
  } catch (error) {
    await close(0);
    throw error;
  }
  return { rooms, close };
}
