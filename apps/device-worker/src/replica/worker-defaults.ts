import { resolve } from 'node:path';
import type { AppLog } from '@mserve/app';
import { loadMindir } from '@mserve/mindir';
import { Session, type SessionOptions } from '@mserve/native';
import type { ServingLogs } from '../logs/serving-logs.js';
import { modelOpeners, type ModelOpeners } from './model-loader.js';
import { shareModels } from './shared-models.js';
import type { FunctionIsolation } from '../servable/declared-isolation.js';
import { openServable, type ServableOpener } from './open-servable.js';

/** How servables and models are opened when the options do not say otherwise. */
export interface WorkerDefaults {
  readonly open: ServableOpener;
  readonly openers: ModelOpeners;
  /** The log files of servables. Default: there are none. */
  readonly logs?: ServingLogs | undefined;
}

/** Settings of a worker that are about servables and models alone. */
export interface OpenSettings {
  /** See {@link OpenServableOptions}. */
  readonly linkRoot?: string | undefined;
  readonly functionIsolation?: FunctionIsolation | undefined;
  readonly configTimeoutMs?: number | undefined;
  /** Shared libraries with operators that ONNX Runtime does not have. Default: none. */
  readonly operatorLibraries?: readonly string[] | undefined;
}

/** How a worker opens servables and models when its options do not say otherwise: the config in worker threads, models in native sessions. */
export function workerDefaults(
  log: AppLog,
  { linkRoot, functionIsolation, configTimeoutMs, operatorLibraries = [] }: OpenSettings = {},
  logs?: ServingLogs,
): WorkerDefaults {
  return {
    logs,
    open: ({ directory, servable, version, deviceId, threads, models }) =>
      openServable(directory, servable, {
        version,
        numParallelWorkers: threads,
        linkRoot,
        models,
        environment: { SERVING_DEVICE_ID: String(deviceId) },
        functionIsolation,
        loadTimeoutMs: configTimeoutMs,
        log: (level, text, facts) => log[level]({ servable, deviceId, ...facts }, text),
        onPrinted: logs && ((line, known) => logs.print({ servable, version: known, deviceId }, line)),
      }),
    openers: shareModels(
      modelOpeners(
        (model, options) => Session.open(model, { ...options, operatorLibraries: operatorLibraries.map((path) => resolve(path)) }),
        async (path, decryption, isHardLink) => {
          const { model, initializers } = await loadMindir(path, {
            decKey: decryption?.key,
            decMode: decryption?.mode,
            refuseLinks: isHardLink ? 'symbolic' : true,
          });
          // No model has bytes tensors: what NativeTensor lacks of Tensor's dtypes cannot occur among weights
          return { model, initializers: initializers as SessionOptions['initializers'] };
        },
      ),
    ),
  };
}
