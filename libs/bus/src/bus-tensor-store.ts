import {
  ServingError,
  decodeInstances,
  encodeInstances,
  failureFrom,
  failureOf,
  type Instance,
  type InstanceResult,
  type HeldBytes,
  type Instances,
  type PlacedResult,
} from '@mserve/wire';
import type { Bus } from './bus.js';
import { isHere } from './placed-result.js';
import type { TensorStore } from './tensor-store.js';

/** The store of fleet mode: small instances go along with the ticket, large ones are held by the bus until they are released. */
export class BusTensorStore implements TensorStore {
  private readonly inlineBytes: number;
  private readonly answerBytes: number | undefined;

  /**
   * `inlineBytes`: up to how many bytes go along with a ticket (default 8192). `answerBytes`: up to how many bytes of outputs go along with an answer
   * (default: half of what the bus sends in one piece).
   */
  constructor(
    private readonly bus: Bus,
    options: { readonly inlineBytes?: number | undefined; readonly answerBytes?: number | undefined } = {},
  ) {
    this.inlineBytes = options.inlineBytes ?? 8192;
    this.answerBytes = options.answerBytes;
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

  /** Outputs go along with the answer as long as the bus sends it in one piece: holding what is smaller would cost a round trip more. */
  placeResults(results: readonly InstanceResult[]): readonly PlacedResult[] {
    const most = this.answerBytes ?? this.bus.maxMessageBytes / 2;
    let total = 0;
    for (const result of results) total += outputBytes(result);
    if (total <= most) return results;
    let along = 0;
    return results.map((result) => {
      const bytes = outputBytes(result);
      if (!('outputs' in result) || along + bytes <= most) {
        along += bytes;
        return result;
      }
      return { held: this.bus.holdForOne(encodeInstances([result.outputs]).bytes) };
    });
  }

  readResults(results: readonly PlacedResult[]): readonly InstanceResult[] | Promise<readonly InstanceResult[]> {
    if (results.every(isHere)) return results;
    return Promise.all(results.map((result) => (isHere(result) ? result : this.take(result.held))));
  }

  releaseResults(results: readonly PlacedResult[]): void {
    for (const result of results) if (!isHere(result)) this.bus.release(result.held);
  }

  private async take(held: HeldBytes): Promise<InstanceResult> {
    try {
      const [outputs] = decodeInstances([held.length], await this.bus.take(held));
      return { outputs: outputs ?? [] };
    } catch (thrown) {
      const error = ServingError.from(thrown);
      return {
        failure: error.code === 'RESOURCE_EXHAUSTED' ? failureOf('answer-too-large', { detail: error.message }) : failureFrom(error),
      };
    }
  }

  release(instances: Instances): void {
    if (instances.kind === 'held') this.bus.release(instances.held);
  }

  private async fetch(instances: Extract<Instances, { kind: 'held' }>, signal: AbortSignal | undefined): Promise<readonly Instance[]> {
    return decodeInstances(instances.sizes, await this.bus.fetch(instances.held, signal));
  }
}

function outputBytes(result: InstanceResult): number {
  if (!('outputs' in result)) return 0;
  let bytes = 0;
  for (const tensor of result.outputs) bytes += tensor.bytes.byteLength;
  return bytes;
}
