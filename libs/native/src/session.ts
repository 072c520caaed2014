import type { BoundRequest, BoundSession, BoundValue } from './binding.js';
import { elementTypeOf } from './element-types.js';
import { checkInput, checkInputCount } from './input-check.js';
import { NativeError } from './native-error.js';
import { maxRank, nativeLink, type Pending } from './native-link.js';
import type { RunOptions, SessionOptions } from './session-options.js';
import { requestOf } from './session-request.js';
import type { NativeTensor, SessionDescription, ValueDescription } from './tensor.js';
import { submitted } from './word-layout.js';

/**
 * A loaded model with native threads of its own: nothing here blocks the JavaScript thread but copying small outputs.
 * Belongs to the thread (main or worker) that opened it. Call close() when done: until then it holds threads and the model.
 */
export class Session {
  readonly #bound: BoundSession;
  readonly #description: SessionDescription;
  /** What a run takes at most: the inputs, then those that may be left out. */
  readonly #takes: readonly ValueDescription[];
  /** The run that is being submitted (`submitted` of word-layout.ts); read by the addon. */
  readonly #outbox: Float64Array;
  /** What it was opened with, except for the model: its initializers are memory that the model reads until it is released. */
  #request: BoundRequest | undefined;
  #closing: Promise<void> | undefined;

  private constructor(bound: BoundSession, request: BoundRequest) {
    this.#bound = bound;
    this.#request = { ...request, model: '' };
    const { inputs, outputs, defaults, maxBatch, unusable, hasClassicOperators } = bound.describe();
    this.#description = {
      inputs: inputs.map(describe),
      outputs: outputs.map(describe),
      ...(maxBatch > 0 && { maxBatch }),
      ...(defaults.length > 0 && { defaults: defaults.map(describe), inputOrder: orderOf([...inputs, ...defaults]) }),
      ...(unusable.length > 0 && { unusable: Object.freeze(unusable) }),
      ...(hasClassicOperators && { hasClassicOperators }),
    };
    this.#takes = [...this.#description.inputs, ...(this.#description.defaults ?? [])];
    const ranks = this.#takes.map(({ shape }) => shape?.length ?? maxRank);
    this.#outbox = new Float64Array(submitted.inputs + ranks.reduce((sum, rank) => sum + 1 + rank, 0));
    bound.outbox(this.#outbox);
    nativeLink.reserveOutputs(outputs.length);
  }

  /**
   * Loads a model, from its bytes (not copied, must not change until the promise settles) or from a file's path.
   * Rejects with a NativeError: 'load' when the model cannot be used, 'library' when ONNX Runtime cannot.
   */
  static async open(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    return Session.#open(requestOf(model, options), undefined);
  }

  static async #open(request: BoundRequest, source: BoundSession | undefined): Promise<Session> {
    const bound = await new Promise<BoundSession>((resolve, reject) =>
      nativeLink.openSession(request, source, { keep: request, resolve, reject }),
    );
    return new Session(bound, request);
  }

  /**
   * Another session over the same loaded model, with run threads and a queue of its own: weights, and the memory that runs use again, are there once.
   * The model is released when the last of them is closed. Options of the model are those of this session. Rejects with a NativeError 'closed'
   * after close().
   */
  async share(): Promise<Session> {
    if (this.#request === undefined || this.#closing !== undefined) throw new NativeError('closed', 'the session is closed');
    return Session.#open(this.#request, this.#bound);
  }

  /** Inputs and outputs in the order that run() takes and gives them. */
  describe(): SessionDescription {
    return this.#description;
  }

  /**
   * Runs the model once. Inputs and outputs are positional (see describe()); after the inputs may come those of `defaults`, undefined or nothing for the
   * model's own value. Runs start in the order of their calls.
   * Rejects with a NativeError: 'input' (before anything runs, if the declaration tells), 'run', 'cancelled', 'closed'.
   */
  run(inputs: readonly (NativeTensor | undefined)[], options?: RunOptions & { readonly atOnce?: false }): Promise<NativeTensor[]>;
  run(inputs: readonly (NativeTensor | undefined)[], options?: RunOptions): NativeTensor[] | Promise<NativeTensor[]>;
  run(inputs: readonly (NativeTensor | undefined)[], options?: RunOptions): NativeTensor[] | Promise<NativeTensor[]> {
    if (options?.atOnce === true) return this.#run(inputs, options);
    try {
      const outcome = this.#run(inputs, options);
      // Its own promise: another one around it would settle two microtasks later, after that of a close() that waits for the run
      return outcome instanceof Promise ? outcome : Promise.resolve(outcome);
    } catch (thrown) {
      return Promise.reject(thrown as NativeError);
    }
  }

  /** close() was called. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Waits for the runs in hand, then releases threads and model. Runs called after close() are refused. Can be called again. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      nativeLink.closeSession(this.#bound, () => {
        this.#request = undefined;
        resolve();
      });
    });
    return this.#closing;
  }

  /** Throws what would otherwise reject. */
  #run(inputs: readonly (NativeTensor | undefined)[], options: RunOptions | undefined): NativeTensor[] | Promise<NativeTensor[]> {
    const signal = options?.signal;
    if (this.#closing !== undefined) throw new NativeError('closed', 'the session is closed');
    if (signal?.aborted) throw new NativeError('cancelled', 'the run was cancelled before it began');
    this.#write(inputs);
    const run = new PendingRun([this, inputs]);
    const slot = nativeLink.addPending(run);
    this.#outbox[submitted.slot] = slot;
    this.#outbox[submitted.inlineBelowUs] = options?.inlineBelowUs ?? 0;
    let isSettled: boolean;
    try {
      isSettled = this.#submit(inputs);
    } catch (error) {
      nativeLink.takePending(slot);
      throw new NativeError('input', (error as Error).message, { cause: error });
    }
    if (signal !== undefined && !isSettled) this.#cancelBy(signal, slot, run);
    return run.outcome();
  }

  #cancelBy(signal: AbortSignal, slot: number, pending: Pending): void {
    const onAbort = (): void => this.#bound.cancel(slot);
    pending.settled = () => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
  }

  #write(inputs: readonly (NativeTensor | undefined)[]): void {
    const least = this.#description.inputs.length;
    if (inputs.length !== least) checkInputCount(this.#description, inputs.length);
    const outbox = this.#outbox;
    let at: number = submitted.inputs;
    for (let i = 0; i < inputs.length; i++) {
      const tensor = inputs[i];
      if (tensor === undefined && i >= least) {
        outbox[at++] = -1;
        continue;
      }
      checkInput(this.#takes[i]!, tensor);
      const shape = tensor.shape;
      outbox[at++] = shape.length;
      for (let axis = 0; axis < shape.length; axis++) outbox[at++] = shape[axis]!;
    }
  }

  /** true: settled already. */
  #submit(inputs: readonly (NativeTensor | undefined)[]): boolean {
    if (inputs.length === 1) return this.#bound.submit(inputs[0]?.bytes ?? noBytes);
    if (inputs.length === 2) return this.#bound.submit(inputs[0]?.bytes ?? noBytes, inputs[1]?.bytes ?? noBytes);
    return this.#bound.submit(...inputs.map((input) => input?.bytes ?? noBytes));
  }
}

/** A run that was submitted. It is settled once, perhaps before anybody asks for its outcome. */
class PendingRun implements Pending {
  settled: (() => void) | undefined = undefined;
  #outputs: NativeTensor[] | undefined = undefined;
  #error: NativeError | undefined = undefined;
  #later: { resolve(outputs: NativeTensor[]): void; reject(error: NativeError): void } | undefined = undefined;

  constructor(readonly keep: unknown) {}

  resolve(outputs: NativeTensor[]): void {
    if (this.#later === undefined) this.#outputs = outputs;
    else this.#later.resolve(outputs);
  }

  reject(error: NativeError): void {
    if (this.#later === undefined) this.#error = error;
    else this.#later.reject(error);
  }

  /** The outputs if they are there; throws if the run failed already. */
  outcome(): NativeTensor[] | Promise<NativeTensor[]> {
    if (this.#outputs !== undefined) return this.#outputs;
    if (this.#error !== undefined) throw this.#error;
    return new Promise((resolve, reject) => (this.#later = { resolve, reject }));
  }
}

/** Of an input that is left out. */
const noBytes = new Uint8Array(0);

/** Indices of these inputs in the order of the file. */
function orderOf(inputs: readonly BoundValue[]): readonly number[] {
  return Object.freeze(inputs.map((_, i) => i).sort((a, b) => inputs[a]!.position - inputs[b]!.position));
}

function describe(value: BoundValue): ValueDescription {
  return Object.freeze({
    name: value.name,
    dtype: elementTypeOf(value.type),
    shape: value.hasShape ? Object.freeze(value.shape) : undefined,
    dimNames: Object.freeze(value.dimNames),
    ...(value.isUnzipped && { isUnzipped: true }),
  });
}
