import type { DeviceWorkerOptions, ServableOptions } from '../replica/worker-options.js';
import type { WorkerConfig } from './worker-config.js';

export function workerOptionsOf(config: WorkerConfig): DeviceWorkerOptions {
  const { directory, deviceIds, numParallelWorkers, intraOpThreads, concurrentRuns, credits, warmUp } = config;
  return {
    directory,
    servables: config.servables?.map(servableOf),
    deviceIds,
    numParallelWorkers,
    intraOpThreads,
    concurrentRuns,
    credits,
    warmUp,
  };
}

/** `NAME` or `NAME:VERSION`, checked by the config. */
function servableOf(text: string): ServableOptions {
  const [name = '', version = '0'] = text.split(':');
  return { name, version: Number(version) };
}
