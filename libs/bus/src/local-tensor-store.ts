import { ServingError, type Instance, type Instances } from '@mserve/wire';
import type { TensorStore } from './tensor-store.js';

/** The store of embedded mode: instances travel by reference, nothing is encoded, nothing needs releasing. */
export class LocalTensorStore implements TensorStore {
  place(instances: readonly Instance[]): Instances {
    return { kind: 'local', instances };
  }

  /** The very array that was placed. INVALID_ARGUMENT for instances of another store: they came from outside this process. */
  read(instances: Instances): readonly Instance[] {
    if (instances.kind !== 'local')
      throw new ServingError('INVALID_ARGUMENT', `instances are ${instances.kind}, this process takes local ones only`);
    return instances.instances;
  }

  release(_instances: Instances): void {}
}
