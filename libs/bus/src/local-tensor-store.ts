import { ServingError, type Instance, type InstanceResult, type Instances, type PlacedResult } from '@mserve/wire';
import { isHere } from './placed-result.js';
import { BorrowedMemory, type LentMemory } from './shared-memory.js';
import type { TensorReader, TensorStore } from './tensor-store.js';

/** The store of embedded mode: instances travel by reference, nothing is encoded, nothing needs releasing. */
export class LocalTensorStore implements TensorStore {
  /** `memory`: what results may lie in, which wants it back. Default: none. */
  constructor(private readonly memory?: LentMemory) {}

  place(instances: readonly Instance[]): Instances {
    return { kind: 'local', instances };
  }

  /** The very array that was placed. INVALID_ARGUMENT for instances of another store: they came from outside this process. */
  read(instances: Instances): readonly Instance[] {
    if (instances.kind !== 'local')
      throw new ServingError('INVALID_ARGUMENT', `instances are ${instances.kind}, this process takes local ones only`);
    return instances.instances;
  }

  placeResults(results: readonly InstanceResult[]): readonly InstanceResult[] {
    return results;
  }

  /** The very list that was placed. INVALID_ARGUMENT for results of another store. */
  readResults(results: readonly PlacedResult[], _reader?: TensorReader): readonly InstanceResult[] {
    if (results.every(isHere)) return results;
    throw new ServingError('INVALID_ARGUMENT', 'results are held by another process, this process takes local ones only');
  }

  releaseResults(_results: readonly PlacedResult[]): void {}

  release(_instances: Instances): void {}

  borrowedBy(read: readonly (Instance | InstanceResult)[]): BorrowedMemory | undefined {
    return this.memory && BorrowedMemory.of(this.memory, read);
  }
}
