import { ServingError, decodeInstances, encodeInstances, isFailure } from '@mserve/wire';
import type { Instance, InstanceResult, Instances, PlacedResult } from '@mserve/wire';
import type { Bus } from './bus.js';
import { HeldOutputs, bytesOf, takeResults } from './held-outputs.js';
import { isHere } from './placed-result.js';
import type { TensorReader, TensorStore } from './tensor-store.js';

/** Up to how many bytes of instances go along with a ticket. */
const maxInlineBytes = 8192;

/** The store of fleet mode: small instances go along with the ticket, large ones are held by the bus until they are released. */
export class BusTensorStore implements TensorStore {
  constructor(private readonly bus: Bus) {}

  /** RESOURCE_EXHAUSTED for more instances than a ticket may carry. */
  place(instances: readonly Instance[]): Instances {
    const { sizes, bytes } = encodeInstances(instances);
    if (bytes.byteLength <= maxInlineBytes) return { kind: 'inline', sizes, bytes };
    return { kind: 'held', sizes, held: this.bus.hold(bytes) };
  }

  /** INVALID_ARGUMENT (thrown, or rejected when they had to be fetched) for bytes that are not such instances. Tensors are views. */
  read(instances: Instances, reader?: TensorReader): readonly Instance[] | Promise<readonly Instance[]> {
    if (instances.kind === 'inline') return decodeInstances(instances.sizes, instances.bytes);
    if (instances.kind === 'held') return this.fetch(instances, reader?.readingSignal);
    throw new ServingError('INVALID_ARGUMENT', 'instances are local, this process takes those that travelled only');
  }

  /** Outputs go along up to half of what the bus sends in one piece: holding what is smaller would cost a round trip more. */
  placeResults(results: readonly InstanceResult[]): readonly PlacedResult[] {
    const most = this.bus.maxMessageBytes / 2;
    let bytesAlong = 0;
    let outputs: HeldOutputs | undefined;
    for (let i = 0; i < results.length; i++) {
      const result = results[i] as InstanceResult;
      if (isFailure(result)) continue;
      const bytes = bytesOf(result.outputs);
      if (bytesAlong + bytes <= most) bytesAlong += bytes;
      else (outputs ??= new HeldOutputs(this.bus, results)).add(i, result.outputs, bytes);
    }
    return outputs === undefined ? results : outputs.hold();
  }

  readResults(results: readonly PlacedResult[], reader?: TensorReader): readonly InstanceResult[] | Promise<readonly InstanceResult[]> {
    if (results.every(isHere)) return results;
    return takeResults(this.bus, results, reader?.readingSignal);
  }

  releaseResults(results: readonly PlacedResult[]): void {
    for (const result of results) if (!isHere(result)) this.bus.release(result.held);
  }

  release(instances: Instances): void {
    if (instances.kind === 'held') this.bus.release(instances.held);
  }

  private async fetch(instances: Extract<Instances, { kind: 'held' }>, signal: AbortSignal | undefined): Promise<readonly Instance[]> {
    return decodeInstances(instances.sizes, await this.bus.fetch(instances.held, signal));
  }
}
