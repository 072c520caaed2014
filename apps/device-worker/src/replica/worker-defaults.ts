import { loadMindir } from '@mserve/mindir';
import { Session, type SessionOptions } from '@mserve/native';
import type { WorkerDefaults } from './replica/device-worker.js';
import { modelOpeners } from './replica/model-loader.js';
import type { WorkerLog } from './replica/worker-options.js';
import { loadServable } from './replica/open-servable.js';

/** How a worker opens servables and models when its options do not say otherwise: the config in worker threads, models in native sessions. */
export function workerDefaults(log: WorkerLog): WorkerDefaults {
  return {
    open: ({ directory, servable, version, deviceId, threads, models }) =>
      loadServable(directory, servable, {
        version,
        numParallelWorkers: threads,
        models,
        environment: { SERVING_DEVICE_ID: String(deviceId) },
        log: (level, text) => log[level]({ servable, deviceId }, text),
      }),
    openers: modelOpeners(
      (model, options) => Session.open(model, options),
      async (path, decryption) => {
        const { model, initializers } = await loadMindir(path, { decKey: decryption?.key, decMode: decryption?.mode, refuseLinks: true });
        // No model has bytes tensors: what NativeTensor lacks of Tensor's dtypes cannot occur among weights
        return { model, initializers: initializers as SessionOptions['initializers'] };
      },
    ),
  };
}
