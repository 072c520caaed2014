import { ownSettings, parseServableChoice, readKeyFile, type SettingsOf } from '@mserve/config';
import type { DeviceWorkerOptions, ServableOptions } from '../replica/worker-options.js';

/** The settings of a device-worker as its options. Throws ConfigError for a key file that cannot be read or holds no key. */
export function workerOptionsOf(settings: SettingsOf<'device-worker'>): DeviceWorkerOptions {
  const { servables, decKeyFile, decMode, ...options } = ownSettings('device-worker', settings);
  const decKey = decKeyFile === undefined ? undefined : readKeyFile(decKeyFile);
  return {
    ...options,
    servables: servables?.map((text): ServableOptions => ({ name: text, ...parseServableChoice(text), decKey, decMode })),
  };
}
