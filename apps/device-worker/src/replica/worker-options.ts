import type { AppLog } from '@mserve/app';
import type { OwnSettingsOf } from '@mserve/config';
import type { WorkerObservers } from './assignment-handler.js';
import type { DecryptionKey } from './model-loader.js';
import type { ModelProgress } from './load-models.js';

/** One servable to load; a replica is made on each device. */
export interface ServableOptions {
  readonly name: string;
  /** Directory that holds the servable's folder. Default: the worker's. */
  readonly directory?: string | undefined;
  /** 0 or absent = the highest there is. */
  readonly version?: number | undefined;
  /** Default: the worker's deviceIds. */
  readonly deviceIds?: readonly number[] | undefined;
  /** Threads for functions over all devices, at least one per replica. Default: the worker's. */
  readonly numParallelWorkers?: number | undefined;
  /** 16, 24 or 32 bytes; for encrypted MindIR files. */
  readonly decKey?: Uint8Array | undefined;
  readonly decMode?: DecryptionKey['mode'] | undefined;
}

/** Settings of a worker that are options under the same name. */
type SettingOptions = Partial<Omit<OwnSettingsOf<'device-worker'>, 'servables' | 'decKeyFile' | 'decMode'>>;

/** What a worker serves, and its limits: its own settings (see their declarations), of which only the directory has to be given. */
export interface DeviceWorkerOptions extends WorkerObservers, SettingOptions {
  readonly directory: string;
  /** Default: every servable in the directory. */
  readonly servables?: readonly ServableOptions[] | undefined;
  readonly onProgress?: ((progress: ModelProgress) => void) | undefined;
  /**
   * A device ended its work for good: called in place of an answer to the run's instances, so that who made the process can end it and others take
   * over what it had in hand. Default: the instances fail.
   */
  readonly onDeviceLost?: (() => void) | undefined;
  readonly log?: AppLog | undefined;
}
