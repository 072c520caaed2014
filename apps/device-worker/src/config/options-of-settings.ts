import { parseServableChoice, readKeyFile, type SettingsOf } from '@mserve/config';
import type { DeviceWorkerOptions, ServableOptions } from '../replica/worker-options.js';

/** The settings of a device-worker as its options. Throws ConfigError for a key file that cannot be read or holds no key. */
export function workerOptionsOf(settings: SettingsOf<'device-worker'>): DeviceWorkerOptions {
  const {
    directory,
    linkRoot,
    versionPolicy,
    watchModels,
    watchIntervalMs,
    provider,
    cpuFallback,
    onnxruntimeLibrary,
    deviceIds,
    numParallelWorkers,
    intraOpThreads,
    concurrentRuns,
    credits,
    warmUp,
    configPatienceMs,
  } = settings;
  const { decKeyFile, decMode } = settings;
  const decKey = decKeyFile === undefined ? undefined : readKeyFile(decKeyFile);
  const servables = settings.servables?.map((text): ServableOptions => ({ name: text, ...parseServableChoice(text), decKey, decMode }));
  return {
    directory,
    linkRoot,
    servables,
    versionPolicy,
    watchModels,
    watchIntervalMs,
    provider,
    cpuFallback,
    onnxruntimeLibrary,
    deviceIds,
    numParallelWorkers,
    intraOpThreads,
    concurrentRuns,
    credits,
    warmUp,
    configPatienceMs,
  };
}
