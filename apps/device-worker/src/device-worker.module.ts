import { silentLog, warnEach } from '@mserve/app';
import { defaults as defaultSettings } from '@mserve/config';
import { type DynamicModule, Module } from '@nestjs/common';
import type { Bus, TensorStore } from '@mserve/bus';
import { MetricRegistry } from '@mserve/metrics';
import { ReplicasController } from './control/replicas.controller.js';
import { ServablesController } from './control/servables.controller.js';
import { servingLogMetrics, ServingLogs } from './logs/serving-logs.js';
import { DeviceWorker } from './replica/device-worker.js';
import type { DeviceWorkerOptions } from './replica/worker-options.js';
import { chosenVersions, versionPolicyOf } from './versions/chosen-versions.js';
import { listServables, passedOverServables } from './servable/servable-directory.js';
import { workerDefaults, type WorkerDefaults } from './replica/worker-defaults.js';

const settings = defaultSettings['device-worker'];
const mebibyte = 1024 * 1024;

/** What a worker runs on. Bus and store stay the caller's to close. */
export interface WorkerParts {
  readonly bus: Bus;
  readonly store: TensorStore;
  readonly options: DeviceWorkerOptions;
  /** How servables and models are opened. Default: {@link workerDefaults}. */
  readonly defaults?: WorkerDefaults | undefined;
}

/** A device-worker as a Nest module; to be served by a BusServer on the same bus. {@link DeviceWorker.start} begins. */
@Module({})
export class DeviceWorkerModule {
  static register({ bus, store, options, defaults }: WorkerParts): DynamicModule {
    const useFactory = (): DeviceWorker => {
      const { log: ownLog = silentLog, servingLogs, metrics = new MetricRegistry() } = options;
      const { servingLogMaxMb = settings.servingLogMaxMb, servingLogBackups: backups = settings.servingLogBackups } = options;
      const lost = metrics.counter(servingLogMetrics.lost).of([]);
      const logs =
        servingLogs === undefined
          ? undefined
          : new ServingLogs({ folder: servingLogs, maxBytes: servingLogMaxMb * mebibyte, backups, lost });
      const log = logs?.over(ownLog) ?? ownLog;
      if (options.servables === undefined) warnEach(log, passedOverServables(options.directory));
      const chosen = options.servables ?? listServables(options.directory).map((name) => ({ name }));
      const servables = chosenVersions(options.directory, chosen, versionPolicyOf(options.versionPolicy ?? settings.versionPolicy));
      return new DeviceWorker(bus, store, servables, { ...options, log, metrics }, defaults ?? workerDefaults(log, options, logs));
    };
    return {
      module: DeviceWorkerModule,
      controllers: [ReplicasController, ServablesController],
      providers: [{ provide: DeviceWorker, useFactory }],
      exports: [DeviceWorker],
    };
  }
}
