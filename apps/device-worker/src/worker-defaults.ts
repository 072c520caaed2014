import { Session } from '@mserve/native';
import { ServingError } from '@mserve/wire';
import type { WorkerDefaults } from './replica/device-worker.js';
import { modelOpeners } from './replica/model-loader.js';

/** How a worker opens servables and models when its options do not say otherwise: the config in worker threads, models in native sessions. */
export function workerDefaults(): WorkerDefaults {
  return {
    open: () => Promise.reject(new ServingError('UNIMPLEMENTED', 'servables cannot be opened yet')),
    openers: modelOpeners((model, options) => Session.open(model, options)),
  };
}
