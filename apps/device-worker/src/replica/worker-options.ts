import type { AppLog } from '@mserve/app';
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

/** What a worker serves, and its limits. */
export interface DeviceWorkerOptions extends WorkerObservers {
  /** Directory that holds one folder per servable. */
  readonly directory: string;
  /** Default: every servable in the directory. */
  readonly servables?: readonly ServableOptions[] | undefined;
  /** A folder that links in the directory may lead into, besides the servable's own. Default: none. */
  readonly linkRoot?: string | undefined;
  /** Which versions of a servable that names none are loaded: `latest`, `latest:N`, `all` or `specific:1,2`. Default 'latest'. */
  readonly versionPolicy?: string | undefined;
  /** Look at the directory again and again, and load, switch and unload versions as it changes. Default false. */
  readonly watchModels?: boolean | undefined;
  /** How often the directory is looked at. Default 1000. */
  readonly watchIntervalMs?: number | undefined;
  /** Kind of the devices: 'cpu', 'cuda', 'tensorrt', 'cann' or 'ascend'. Default 'auto': see chooseProvider. */
  readonly provider?: string | undefined;
  /** Whether a node that a device cannot run may run on the CPU. Default 'refuse'. */
  readonly cpuFallback?: 'refuse' | 'allow' | undefined;
  /** File of ONNX Runtime's library, or its folder. Default: see defaultLibraryPath of @mserve/native. */
  readonly onnxruntimeLibrary?: string | undefined;
  /** Default [0]. */
  readonly deviceIds?: readonly number[] | undefined;
  /** Default 1. */
  readonly numParallelWorkers?: number | undefined;
  /** Threads inside one native run. Default: the cores but one, shared by the replicas; at least 1. */
  readonly intraOpThreads?: number | undefined;
  /** Runs at the same time per model of a replica. Default 1. */
  readonly concurrentRuns?: number | undefined;
  /** Instances a replica takes at a time. Default: see creditsOf. */
  readonly credits?: number | undefined;
  /** A run with zeros before a replica is ready. Default true. */
  readonly warmUp?: boolean | undefined;
  /** A servable_config that takes longer than this may hang: the servables behind it are loaded beside it. Default 2000. */
  readonly configPatienceMs?: number | undefined;
  readonly onProgress?: ((progress: ModelProgress) => void) | undefined;
  /**
   * A device ended its work for good: called in place of an answer to the run's instances, so that who made the process can end it and others take
   * over what it had in hand. Default: the instances fail.
   */
  readonly onDeviceLost?: (() => void) | undefined;
  readonly log?: AppLog | undefined;
}
