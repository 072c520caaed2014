import { ServingError, decodeInstances, encodeInstances, type Instance, type Instances } from '@mserve/wire';
import type { Bus } from './bus.js';
import type { TensorStore } from './tensor-store.js';

/** The store of fleet mode: small instances go along with the ticket, large ones are held by the bus until they are released. */
export class BusTensorStore implements TensorStore {
  private readonly inlineBytes: number;

  /** `inlineBytes`: up to how many bytes go along with a ticket. */
  constructor(
    private readonly bus: Bus,
    options: { readonly inlineBytes?: number | undefined } = {},
  ) {
    this.inlineBytes = options.inlineBytes ?? 8192;
  }

  /** RESOURCE_EXHAUSTED for more instances than a ticket may carry. */
  place(instances: readonly Instance[]): Instances {
    const { sizes, bytes } = encodeInstances(instances);
    if (bytes.byteLength <= this.inlineBytes) return { kind: 'inline', sizes, bytes };
    return { kind: 'held', sizes, held: this.bus.hold(bytes) };
  }

  /** INVALID_ARGUMENT (thrown, or rejected when they had to be fetched) for bytes that are not such instances. Tensors are views. */
  read(instances: Instances, signal?: AbortSignal): readonly Instance[] | Promise<readonly Instance[]> {
    if (instances.kind === 'inline') return decodeInstances(instances.sizes, instances.bytes);
    if (instances.kind === 'held') return this.fetch(instances, signal);
    throw new ServingError('INVALID_ARGUMENT', 'instances are local, this process takes those that travelled only');
  }

  release(instances: Instances): void {
    if (instances.kind === 'held') this.bus.release(instances.held);
  }

  private async fetch(instances: Extract<Instances, { kind: 'held' }>, signal: AbortSignal | undefined): Promise<readonly Instance[]> {
    return decodeInstances(instances.sizes, await this.bus.fetch(instances.held, signal));
  }
}
