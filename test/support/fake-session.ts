import type { NativeTensor, RunOptions, SessionDescription, SessionOptions } from '@mserve/native';

/** Gives the outputs of one run; the inputs are as the session got them, batch dim included. */
export type FakeModel = (inputs: readonly NativeTensor[]) => readonly NativeTensor[];

interface Held {
  readonly inputs: readonly NativeTensor[];
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * A session whose runs are recorded and, after {@link hold}, finish when the spec says so. Like a real one it gives its outputs in
 * a later turn, ends a run when its signal is aborted, and never gives out memory it was given.
 */
export class FakeSession {
  private readonly description: SessionDescription;
  /** First dim of the first input of each run, in order. */
  readonly batchSizes: number[] = [];
  readonly runs: (readonly NativeTensor[])[] = [];
  /** How long each run was allowed to hold the thread, in microseconds. */
  readonly inlineBelowUs: number[] = [];
  aborted = 0;
  isClosed = false;
  /** Runs are over when they are handed over, or have failed: as short ones of a real session. */
  isAtOnce = false;
  private readonly model: FakeModel;
  private holding = false;
  private readonly held: Held[] = [];
  private watchers: (() => void)[] = [];

  constructor(description: SessionDescription, model: FakeModel) {
    this.description = description;
    this.model = model;
  }

  describe(): SessionDescription {
    return this.description;
  }

  run(inputs: readonly NativeTensor[], options?: RunOptions): readonly NativeTensor[] | Promise<readonly NativeTensor[]> {
    const copies = inputs.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
    this.runs.push(copies);
    this.inlineBelowUs.push(options?.inlineBelowUs ?? 0);
    this.batchSizes.push(copies[0]?.shape[0] ?? 0);
    if (this.isAtOnce && options?.atOnce === true) return this.model(copies);
    const run = new Promise<readonly NativeTensor[]>((resolve, reject) => {
      const finish = (): void => {
        try {
          resolve(this.model(copies));
        } catch (thrown) {
          reject(thrown);
        }
      };
      options?.signal?.addEventListener('abort', () => {
        this.aborted++;
        reject(new Error('the run was ended'));
      });
      if (this.holding) this.held.push({ inputs: copies, finish, fail: reject });
      else setImmediate(finish);
    });
    for (const watcher of this.watchers.splice(0)) watcher();
    return run;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** From now on runs wait for {@link finishNext}. */
  hold(): void {
    this.holding = true;
  }

  /** Finishes the oldest held run. */
  finishNext(): void {
    this.held.shift()?.finish();
  }

  failNext(error: Error): void {
    this.held.shift()?.fail(error);
  }

  /** Finishes all held runs; later ones are not held. */
  letGo(): void {
    this.holding = false;
    for (const run of this.held.splice(0)) run.finish();
  }

  /** Resolves when `count` runs have been started in all. */
  async started(count: number): Promise<void> {
    while (this.runs.length < count) await new Promise<void>((resolve) => this.watchers.push(resolve));
  }
}

/** float32 tensor of the values. */
export function floats(
  shape: readonly number[],
  values: readonly number[],
): { dtype: 'float32'; shape: readonly number[]; bytes: Uint8Array } {
  return { dtype: 'float32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

/** The values of a float32 tensor. */
export function valuesOf(tensor: { readonly bytes: Uint8Array } | undefined): number[] {
  return tensor === undefined ? [] : [...new Float32Array(tensor.bytes.slice().buffer)];
}

/** A session for y = f(x1, x2, ...) elementwise on float32 tensors of equal shape. */
export function elementwise(shape: readonly number[], inputs: number, f: (...values: number[]) => number): FakeSession {
  const value = (name: string): SessionDescription['inputs'][number] => ({ name, dtype: 'float32', shape, dimNames: shape.map(() => '') });
  const names = Array.from({ length: inputs }, (_, i) => `x${i + 1}`);
  return new FakeSession({ inputs: names.map(value), outputs: [value('y')] }, (tensors) => {
    const columns = tensors.map(valuesOf);
    return [
      floats(
        tensors[0]?.shape ?? [],
        (columns[0] ?? []).map((_, i) => f(...columns.map((column) => column[i] as number))),
      ),
    ];
  });
}

/** An opener that gives these sessions, whatever the file; there is no file, so no graph. Without optimisation nothing can be opened. */
export function opensFake(open: (path: string) => FakeSession): (request: FakeRequest) => Promise<OpenedFake> {
  return ({ path, session }) => {
    if (session.graphOptimization === 'none') return Promise.reject(new Error('a fake session has no other form'));
    return Promise.resolve({ session: open(path), readGraph: noGraph });
  };
}

export interface FakeRequest {
  readonly path: string;
  readonly session: SessionOptions;
}

export interface OpenedFake {
  readonly session: FakeSession;
  readonly readGraph: () => never;
}

function noGraph(): never {
  throw new Error('a fake session has no graph');
}
