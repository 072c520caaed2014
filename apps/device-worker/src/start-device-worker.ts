import { subjects, type Bus, type ReplicaStatus, type TensorStore } from '@mserve/bus';
import type { HandlerCounters } from './replica/assignment-handler.js';
import { DeviceWorker } from './replica/device-worker.js';
import { silentLog, type DeviceWorkerOptions } from './replica/worker-options.js';
import { listServables } from './servable/servable-directory.js';
import { workerDefaults } from './worker-defaults.js';

/** A worker on a bus. */
export interface RunningWorker {
  /** Bus address. */
  readonly address: string;
  /** All replicas, failed ones with their error. */
  readonly replicas: readonly ReplicaStatus[];
  readonly counters: Readonly<HandlerCounters>;
  /** Resolves when every replica is ready or failed. Never rejects. */
  readonly loaded: Promise<void>;
  /**
   * Leaves the fleet: finishes what is in hand within `graceMs` (default 30 000), frees models and threads. The bus stays the caller's.
   * Resolves with the number of assignments given up.
   */
  close(graceMs?: number): Promise<number>;
}

/** Starts a worker without waiting for its models: it is on the bus at once, its replicas are loading. */
export async function launchDeviceWorker(bus: Bus, store: TensorStore, options: DeviceWorkerOptions): Promise<RunningWorker> {
  const servables = options.servables ?? listServables(options.directory).map((name) => ({ name }));
  const worker = new DeviceWorker(bus, store, servables, options, workerDefaults(options.log ?? silentLog));
  const listing = bus.respond(subjects.replicasList, () => Promise.resolve(Buffer.from(JSON.stringify(worker.list))));
  return {
    address: bus.address,
    get replicas() {
      return worker.statuses;
    },
    counters: worker.counters,
    loaded: worker.loaded,
    close: async (graceMs = 30_000) => {
      const unfinished = await worker.close(graceMs);
      listing.unsubscribe();
      return unfinished;
    },
  };
}

/**
 * Starts a worker and resolves when every replica is ready or failed (see `replicas`): one that cannot be loaded does not stop the others.
 * Rejects only when the directory of servables cannot be read.
 */
export async function startDeviceWorker(bus: Bus, store: TensorStore, options: DeviceWorkerOptions): Promise<RunningWorker> {
  const worker = await launchDeviceWorker(bus, store, options);
  await worker.loaded;
  return worker;
}
