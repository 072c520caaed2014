import {
  dtypeEntry,
  isFailure,
  refusal,
  ServingError,
  unpackElements,
  type InstanceResult,
  type Tensor,
  type TensorSignature,
} from '@mserve/wire';
import { clip } from '../../edge/clip.js';
import type { ResolvedMethod } from '../protocol.js';
import { nameIndex, planOf } from '../plan.js';
import { classified } from './classification.js';
import { malformed, shapeText } from './oip-inputs.js';
import type { StackedOutput } from './stacked-output.js';

/** An output the client asked for. */
export interface WantedOutput {
  /** Index in the method's outputs. */
  readonly index: number;
  /** REST: the client wants its bytes, not JSON. */
  readonly binary: boolean;
  /** How many classes the client wants instead of the tensor, the highest first; 0 = the tensor. */
  readonly classes: number;
}

/** What an Open Inference Protocol request needs for its answer. */
export interface OipEcho {
  /** As asked: the answer names it the same. */
  readonly model: string;
  readonly id: string;
  readonly outputs: readonly WantedOutput[];
  /** gRPC: the request came with raw contents, so the answer has them too. */
  readonly raw: boolean;
}

/** Gathers the names of `outputs`: each once, each one that the method has. Throws ServingError INVALID_ARGUMENT. */
export class WantedOutputs {
  readonly #wanted: WantedOutput[] = [];

  constructor(readonly target: ResolvedMethod) {}

  add(name: string, binary: boolean, classes: number): void {
    const { outputNames } = planOf(this.target.method);
    const index = nameIndex(outputNames, Buffer.from(name), this.#wanted.length);
    if (index === -1) {
      const names = this.target.method.outputs.map((output) => `'${output.name}'`).join(', ');
      throw refusal('output-unexpected', {
        output: clip(name),
        servable: this.target.servable,
        method: this.target.method.name,
        expected: names,
      });
    }
    if (this.#wanted.some((wanted) => wanted.index === index)) throw malformed(`output '${clip(name)}' is requested twice`);
    this.#wanted.push({ index, binary, classes });
  }

  /** What was asked for, or all outputs of the method when nothing was. */
  list(binaryByDefault: boolean): readonly WantedOutput[] {
    if (this.#wanted.length > 0) return this.#wanted;
    return this.target.method.outputs.map((_, index) => ({ index, binary: binaryByDefault, classes: 0 }));
  }
}

/** The failure of a request: that of its first failed instance. */
export function firstFailure(results: readonly InstanceResult[]): ServingError | undefined {
  for (const result of results) if (isFailure(result)) return ServingError.of(result.failure);
  return undefined;
}

/**
 * The wanted outputs over all instances, none of which failed. Batched methods get the instance count as first dim; the instances must
 * agree on dtype and shape, else ServingError INTERNAL. Nothing is copied.
 */
export function stackOutputs(target: ResolvedMethod, results: readonly InstanceResult[], wanted: readonly WantedOutput[]): StackedOutput[] {
  const { batched, outputs } = target.method;
  return wanted.map(({ index, classes }) => {
    const name = (outputs[index] as { name: string }).name;
    const first = outputOf(results[0] as InstanceResult, index, name);
    const parts = [first.bytes];
    for (let n = 1; n < results.length; n++) {
      const tensor = outputOf(results[n] as InstanceResult, index, name);
      if (tensor.dtype !== first.dtype || !sameShape(tensor.shape, first.shape)) {
        const own = `${tensor.dtype} ${shapeText(tensor.shape)}`;
        const other = `${first.dtype} ${shapeText(first.shape)}`;
        throw refusal('answer-failed', {
          detail: `output '${name}' of instance ${n} is ${own}, that of instance 0 is ${other}: they cannot be one tensor`,
        });
      }
      parts.push(tensor.bytes);
    }
    const stacked = { name, entry: dtypeEntry(first.dtype), shape: batched ? [results.length, ...first.shape] : first.shape, parts };
    return classes === 0 ? stacked : classified(stacked, classes, batched, (outputs[index] as TensorSignature).classes);
  });
}

/** The elements of a BYTES output, over all instances. Throws ServingError INVALID_ARGUMENT when its bytes do not hold what its shape says. */
export function unpackedParts({ entry, shape, parts }: StackedOutput): Uint8Array[] {
  if (parts.length === 1) return unpackElements({ dtype: entry.dtype, shape, bytes: parts[0] as Uint8Array });
  // The first dim is the instance count here: each part has the rest.
  return parts.flatMap((bytes) => unpackElements({ dtype: entry.dtype, shape: shape.slice(1), bytes }));
}

function outputOf(result: InstanceResult, index: number, name: string): Tensor {
  const tensor = 'outputs' in result ? result.outputs[index] : undefined;
  if (tensor === undefined) throw refusal('answer-failed', { detail: `output '${name}' is missing` });
  return tensor;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * mserve's priority of Triton's: there 1 goes first, larger numbers later, 0 is "none given". Here higher goes first: 1 is 255, 255 and more are 1,
 * none is 0.
 */
export function priorityOf(tritonPriority: number): number {
  if (!Number.isInteger(tritonPriority) || tritonPriority < 0)
    throw refusal('parameter-malformed', { detail: `parameter 'priority' is ${tritonPriority}, it must be a non-negative integer` });
  return tritonPriority === 0 ? 0 : Math.max(1, 256 - tritonPriority);
}

/** The earlier of the deadline of the transport and Triton's `timeout` (microseconds from now, 0 = none). */
export function deadlineOf(deadlineAt: number, timeoutMicroseconds: number): number {
  if (!Number.isInteger(timeoutMicroseconds) || timeoutMicroseconds < 0) {
    throw refusal('parameter-malformed', {
      detail: `parameter 'timeout' is ${timeoutMicroseconds}, it must be a non-negative integer (microseconds)`,
    });
  }
  return timeoutMicroseconds === 0 ? deadlineAt : Math.min(deadlineAt, performance.now() + timeoutMicroseconds / 1000);
}
