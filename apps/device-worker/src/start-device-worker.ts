import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { Bus, ReplicaStatus, TensorStore } from '@mserve/bus';
import { BusServer } from '@mserve/bus/nest';
import { workerBus } from './control/device-worker-bus.js';
import { DeviceWorkerModule } from './device-worker.module.js';
import { NestLog, silentLog } from '@mserve/app';
import type { WorkerStats } from './replica/assignment-handler.js';
import { DeviceWorker, type LoadOptions } from './replica/device-worker.js';
import type { WorkerDefaults } from './replica/worker-defaults.js';
import type { DeviceWorkerOptions, ServableOptions } from './replica/worker-options.js';

/** A worker on a bus. */
export interface RunningWorker {
  /** Bus address. */
  readonly address: string;
  /** All replicas as they are now, failed ones with their error. */
  readonly replicas: readonly ReplicaStatus[];
  /** Resolves when every replica is ready or failed. Never rejects. */
  readonly loaded: Promise<void>;
  stats(): WorkerStats;
  /** See {@link DeviceWorker.load}. */
  load(servable: ServableOptions, options?: LoadOptions): Promise<readonly ReplicaStatus[]>;
  /** See {@link DeviceWorker.unload}. */
  unload(servable: string, version: number, graceMs?: number): Promise<number>;
  /**
   * Leaves the fleet: finishes what is in hand within `graceMs` (default 30 000), frees models and threads. The bus stays the caller's.
   * Resolves with the number of assignments given up. A second call returns the first one's promise.
   */
  close(graceMs?: number): Promise<number>;
}

/**
 * Starts a worker without waiting for its models: when this resolves it is on the bus and its replicas are loading.
 * `defaults`: how servables and models are opened; the worker's own ways unless a caller brings others.
 * Rejects only when the directory of servables cannot be read (and `servables` does not say what is in it).
 */
export async function launchDeviceWorker(
  bus: Bus,
  store: TensorStore,
  options: DeviceWorkerOptions,
  defaults?: WorkerDefaults,
): Promise<RunningWorker> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(DeviceWorkerModule.register({ bus, store, options, defaults }), {
    strategy: new BusServer(bus, workerBus),
    logger: new NestLog(options.log ?? silentLog),
    abortOnError: false,
  });
  await app.listen();
  const worker = app.get(DeviceWorker);
  const loaded = worker.start();
  let closing: Promise<number> | undefined;
  const end = async (graceMs: number): Promise<number> => {
    const unfinished = await worker.close(graceMs);
    await app.close();
    return unfinished;
  };
  return {
    address: bus.address,
    get replicas() {
      return worker.statuses;
    },
    loaded,
    stats: () => worker.stats,
    load: (servable, how) => worker.load(servable, how),
    unload: (servable, version, graceMs) => worker.unload(servable, version, graceMs),
    close: (graceMs = 30_000) => (closing ??= end(graceMs)),
  };
}

/** Like {@link launchDeviceWorker}, but resolves when every replica is ready or failed: see `replicas`. */
export async function startDeviceWorker(
  bus: Bus,
  store: TensorStore,
  options: DeviceWorkerOptions,
  defaults?: WorkerDefaults,
): Promise<RunningWorker> {
  const worker = await launchDeviceWorker(bus, store, options, defaults);
  await worker.loaded;
  return worker;
}
