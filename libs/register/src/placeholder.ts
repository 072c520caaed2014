import type { ValueSource } from './declaration.js';
import { RegisterError } from './register-error.js';
import type { OpenMethod } from './registry.js';

const brand = Symbol.for('mserve.register.placeholder');

/** Most outputs that a stage can have. */
export const maxOutputs = 1024;

/**
 * Stands for a value while a method's body runs at load: an input of the method, or an output of a stage. It can only be handed on
 * to stages and returned; the values themselves exist when a request is served.
 */
export class Placeholder {
  /** Known by its brand, not by its class, so that copies of this package understand each other. */
  readonly [brand]: { readonly method: OpenMethod; readonly source: ValueSource };

  /** For the package itself: authors get placeholders from registerMethod and addStage. */
  constructor(method: OpenMethod, source: ValueSource) {
    this[brand] = { method, source };
  }
}

/** Where a placeholder's value comes from; undefined for anything else, also for a placeholder of another method. */
export function sourceOf(value: unknown, method: OpenMethod): ValueSource | undefined {
  if (typeof value !== 'object' || value === null || !(brand in value)) return undefined;
  const mark = (value as Placeholder)[brand];
  return mark.method === method ? mark.source : undefined;
}

/** Whether a value stands for an input of a method or a result of a stage. */
export function isPlaceholder(value: unknown): value is Placeholder {
  return typeof value === 'object' && value !== null && brand in value;
}

/**
 * What a deprecated call gives: its first output, and all of them when it is destructured (`const [a, b] = callPreprocess(...)`).
 * The original reads the count of outputs from the source text; here destructuring tells it.
 */
export class OutputsPlaceholder extends Placeholder implements Iterable<Placeholder> {
  readonly #method: OpenMethod;
  readonly #stage: number;

  constructor(method: OpenMethod, stage: number) {
    super(method, { from: 'stage', stage, output: 0 });
    this.#method = method;
    this.#stage = stage;
  }

  *[Symbol.iterator](): Iterator<Placeholder> {
    const open = this.#method.stages[this.#stage - 1];
    for (let output = 0; output < maxOutputs; output++) {
      if (open !== undefined) open.outputsCount = Math.max(open.outputsCount, output + 1);
      yield new Placeholder(this.#method, { from: 'stage', stage: this.#stage, output });
    }
    throw new RegisterError(`method '${this.#method.name}': the outputs of a stage can be destructured, but not spread`);
  }
}
