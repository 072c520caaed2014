import type { BoundRequest, BoundSession, BoundValue } from './binding.js';
import { codeOf, elementSizeOf, elementTypeOf } from './element-types.js';
import { checkInitializer, checkInput, checkInputCount } from './input-check.js';
import { defaultLibraryPath } from './library-path.js';
import { NativeError } from './native-error.js';
import { addPending, closeSession, maxRank, openSession, reserveOutputs, takePending, type Pending } from './pending.js';
import type { RunOptions, SessionOptions } from './session-options.js';
import type { NativeTensor, SessionDescription, ValueDescription } from './tensor.js';

const optimizationLevels = { disable: 0, basic: 1, extended: 2, all: 99 } as const;
const maxConcurrentRuns = 1024;

/**
 * A loaded model with native threads of its own: nothing here blocks the JavaScript thread but copying small outputs.
 * Belongs to the thread (main or worker) that opened it. Call close() when done: until then it holds threads and the model.
 */
export class Session {
  readonly #bound: BoundSession;
  readonly #description: SessionDescription;
  readonly #hasShape: readonly boolean[];
  /** [slot, inlineBelowUs, rank, dims ..., rank, dims ...] of the run that is being submitted; read by the addon. */
  readonly #outbox: Float64Array;
  /** Memory that the model reads until it is released. */
  #kept: BoundRequest['initializers'] | undefined;
  #closing: Promise<void> | undefined;

  private constructor(bound: BoundSession, kept: BoundRequest['initializers']) {
    this.#bound = bound;
    this.#kept = kept;
    const { inputs, outputs } = bound.describe();
    this.#description = { inputs: inputs.map(describe), outputs: outputs.map(describe) };
    this.#hasShape = inputs.map((input) => input.hasShape);
    const ranks = inputs.map((input) => (input.hasShape ? input.shape.length : maxRank));
    this.#outbox = new Float64Array(2 + ranks.reduce((sum, rank) => sum + 1 + rank, 0));
    bound.outbox(this.#outbox);
    reserveOutputs(outputs.length);
  }

  /**
   * Loads a model, from its bytes (not copied, must not change until the promise settles) or from a file's path.
   * Rejects with a NativeError: 'load' when the model cannot be used, 'library' when ONNX Runtime cannot.
   */
  static async open(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const request = requestOf(model, options);
    const bound = await new Promise<BoundSession>((resolve, reject) => openSession(request, { keep: request, resolve, reject }));
    return new Session(bound, request.initializers);
  }

  /** Inputs and outputs in the order that run() takes and gives them. */
  describe(): SessionDescription {
    return this.#description;
  }

  /**
   * Runs the model once. Inputs and outputs are positional (see describe()). Runs start in the order of their calls.
   * Rejects with a NativeError: 'input' (before anything runs, if the declaration tells), 'run', 'cancelled', 'closed'.
   */
  run(inputs: readonly NativeTensor[], options?: RunOptions): Promise<NativeTensor[]> {
    const signal = options?.signal;
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) throw new NativeError('closed', 'the session is closed');
      if (signal?.aborted) throw new NativeError('cancelled', 'the run was cancelled before it began');
      this.#write(inputs);
      const pending: Pending = { keep: [this, inputs], resolve, reject, settled: undefined };
      const slot = addPending(pending);
      this.#outbox[0] = slot;
      this.#outbox[1] = options?.inlineBelowUs ?? 0;
      let isSettled: boolean;
      try {
        isSettled = this.#submit(inputs);
      } catch (error) {
        takePending(slot);
        throw new NativeError('input', (error as Error).message, { cause: error });
      }
      if (signal !== undefined && !isSettled) this.#cancelBy(signal, slot, pending);
    });
  }

  /** Waits for the runs in hand, then releases threads and model. Runs called after close() are refused. Can be called again. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      closeSession(this.#bound, () => {
        this.#kept = undefined;
        resolve();
      });
    });
    return this.#closing;
  }

  #cancelBy(signal: AbortSignal, slot: number, pending: Pending): void {
    const onAbort = (): void => this.#bound.cancel(slot);
    pending.settled = () => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
  }

  #write(inputs: readonly NativeTensor[]): void {
    const expected = this.#description.inputs;
    if (inputs.length !== expected.length) checkInputCount(this.#description, inputs);
    const outbox = this.#outbox;
    let at = 2;
    for (let i = 0; i < expected.length; i++) {
      const tensor = inputs[i]!;
      checkInput(expected[i]!, this.#hasShape[i]!, tensor);
      const shape = tensor.shape;
      outbox[at++] = shape.length;
      for (let axis = 0; axis < shape.length; axis++) outbox[at++] = shape[axis]!;
    }
  }

  /** true: settled already. */
  #submit(inputs: readonly NativeTensor[]): boolean {
    if (inputs.length === 1) return this.#bound.submit(inputs[0]!.bytes);
    if (inputs.length === 2) return this.#bound.submit(inputs[0]!.bytes, inputs[1]!.bytes);
    return this.#bound.submit(...inputs.map((input) => input.bytes));
  }
}

function describe(value: BoundValue): ValueDescription {
  return Object.freeze({
    name: value.name,
    dtype: elementTypeOf(value.type),
    shape: Object.freeze(value.shape),
    dimNames: Object.freeze(value.dimNames),
  });
}

function countOf(name: string, value: number | undefined, least: number, most: number): number {
  const count = value ?? 1;
  if (!Number.isInteger(count) || count < least || count > most) {
    throw new NativeError('load', `${name} must be a whole number from ${least} to ${most}, got ${String(count)}`);
  }
  return count;
}

/** The checked request for the addon. */
function requestOf(model: Uint8Array | string, options: SessionOptions): BoundRequest {
  if (typeof model === 'string' ? model === '' || model.includes('\0') : !ArrayBuffer.isView(model)) {
    throw new NativeError('load', 'model must be a Uint8Array or the path of a file');
  }
  if (typeof model !== 'string' && model.byteLength === 0) throw new NativeError('load', 'the model is empty');
  const level = optimizationLevels[options.graphOptimization ?? 'all'] as number | undefined;
  if (level === undefined) throw new NativeError('load', `graphOptimization must be one of ${Object.keys(optimizationLevels).join(', ')}`);
  const initializers = (options.initializers ?? []).map(({ name, tensor }) => {
    checkInitializer(name, tensor);
    const isAligned = tensor.bytes.byteOffset % elementSizeOf(tensor.dtype) === 0;
    return { name, type: codeOf(tensor.dtype)!, shape: tensor.shape, bytes: isAligned ? tensor.bytes : tensor.bytes.slice() };
  });
  return {
    libraryPath: options.libraryPath ?? defaultLibraryPath(),
    model,
    intraOpThreads: countOf('intraOpThreads', options.intraOpThreads, 0, 1024),
    interOpThreads: countOf('interOpThreads', options.interOpThreads, 0, 1024),
    concurrentRuns: countOf('concurrentRuns', options.concurrentRuns, 1, maxConcurrentRuns),
    graphOptimization: level,
    inlineBelowUs: countOf('inlineBelowUs', options.inlineBelowUs ?? 0, 0, 100_000),
    inlineAloneBelowUs: countOf('inlineAloneBelowUs', options.inlineAloneBelowUs ?? 0, 0, 100_000),
    externalFolder: options.externalFolder ?? '',
    refuseLinks: options.refuseLinks === true ? 1 : 0,
    initializers,
  };
}
