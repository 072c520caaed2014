import {
  awaitHint,
  inputValue,
  isInvalidInput,
  OutputKindError,
  outputKinds,
  outputTensor,
  type CallContext,
  type FunctionDeclaration,
} from '@mserve/register';
import type { Facts, Instance, Reason } from '@mserve/wire';

/** Why an instance of a step has no outputs. */
export interface StepFailure {
  readonly reason: Reason &
    ('function-failed' | 'function-refused' | 'function-output-count' | 'function-output-kind' | 'function-result-count');
  /** Of the reason, as far as the call knows them. */
  readonly facts: Facts;
  /** What the function did wrong, for operators; undefined when it did nothing wrong. */
  readonly fault: FunctionFault | undefined;
}

/** What a function did wrong. */
export interface FunctionFault {
  /** Name of the error's class, or of the contract that was broken. */
  readonly kind: string;
  readonly text: string;
  /** Where it was thrown, one frame a line, without the frames of this server; empty when nothing was thrown. */
  readonly frames: string;
}

/** What became of one instance of a step: its outputs, or why there are none. */
export type StepResult = Instance | StepFailure;

export function isStepFailure(result: StepResult): result is StepFailure {
  return !Array.isArray(result);
}

/** A function of the servable as a thread calls it. */
export interface CallableFunction {
  readonly fn: (...args: never[]) => unknown;
  readonly declaration: FunctionDeclaration;
}

type AnyFunction = (...args: unknown[]) => unknown;
const maxTextLength = 4096;

/**
 * Calls a function for the instances of a step and gives one result per instance, in order. Never throws and never rejects for what
 * the function does. A plain value when the function is synchronous, so that nothing waits for microtasks.
 * `contexts`: one per instance, of a function that takes them.
 */
export function callFunction(
  callable: CallableFunction,
  instances: readonly Instance[],
  contexts?: readonly CallContext[],
): StepResult[] | Promise<StepResult[]> {
  if (callable.declaration.batchSize !== undefined) return callBatch(callable, instances, contexts);
  const results = instances.map((instance, i) => callOnce(callable, instance, contexts?.[i]));
  return results.some((result) => result instanceof Promise) ? Promise.all(results) : (results as StepResult[]);
}

/** The inputs of an instance as the function sees them, or why they cannot be read: not the function's doing. */
function readInputs(instance: Instance): unknown[] | StepFailure {
  try {
    return instance.map(inputValue);
  } catch (thrown) {
    return { reason: 'function-refused', facts: { detail: textOf(thrown) }, fault: undefined };
  }
}

function callOnce(callable: CallableFunction, instance: Instance, context: CallContext | undefined): StepResult | Promise<StepResult> {
  const inputs = readInputs(instance);
  if (!Array.isArray(inputs)) return inputs;
  if (context !== undefined) inputs.push(context);
  try {
    const returned = (callable.fn as AnyFunction)(...inputs);
    return isPromise(returned) ? settled(callable, returned) : outputsOf(callable, returned);
  } catch (thrown) {
    return failureOfThrown(thrown);
  }
}

/** The function sees only the instances that can be read; the others fail in their places. */
function callBatch(
  callable: CallableFunction,
  instances: readonly Instance[],
  contexts: readonly CallContext[] | undefined,
): StepResult[] | Promise<StepResult[]> {
  const inputs = instances.map(readInputs);
  const readable = inputs.filter((input): input is unknown[] => Array.isArray(input));
  const results = new BatchCall(
    callable,
    readable,
    contexts?.filter((_, i) => Array.isArray(inputs[i])),
  ).run();
  if (readable.length === inputs.length) return results;
  const inPlace = (given: readonly StepResult[]): StepResult[] => {
    const rest = given.values();
    return inputs.map((input) => (Array.isArray(input) ? (rest.next().value as StepResult) : input));
  };
  return results instanceof Promise ? results.then(inPlace) : inPlace(results);
}

/** What a promise comes to, whoever's promise it is (its own `then` may give anything). Never rejects. */
function settled(callable: CallableFunction, promise: PromiseLike<unknown>): Promise<StepResult> {
  return Promise.resolve(promise)
    .then((value) => outputsOf(callable, value))
    .catch(failureOfThrown);
}

/** One value, or an array of as many as the function has outputs. Never throws. */
function outputsOf(callable: CallableFunction, returned: unknown): StepResult {
  const { declaration } = callable;
  try {
    const values: unknown[] = Array.isArray(returned) ? returned : [returned];
    if (values.length !== declaration.outputsCount) {
      const given = String(values.length);
      const expected = String(declaration.outputsCount);
      return brokenContract(
        'function-output-count',
        { given, expected, detail: declaration.name },
        `it returned ${given} outputs where ${expected} are expected`,
      );
    }
    return values.map(outputTensor);
  } catch (thrown) {
    if (!(thrown instanceof OutputKindError)) return failureOfThrown(thrown);
    return brokenContract(
      'function-output-kind',
      { given: thrown.given, expected: outputKinds },
      `it returned a value of type ${thrown.given} where ${outputKinds} is expected${awaitHint(thrown.given)}`,
    );
  }
}

function brokenContract(reason: StepFailure['reason'], facts: Facts, text: string): StepFailure {
  return { reason, facts, fault: { kind: reason, text, frames: '' } };
}

/** What an instance fails with when its function throws this. Never throws. */
function failureOfThrown(thrown: unknown): StepFailure {
  const text = textOf(thrown);
  if (isInvalidInput(thrown)) return { reason: 'function-refused', facts: { detail: text }, fault: undefined };
  return { reason: 'function-failed', facts: { detail: text }, fault: { kind: kindOf(thrown), text, frames: framesOf(thrown) } };
}

function kindOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.constructor.name.slice(0, 100) : typeof thrown;
  } catch {
    return 'Error';
  }
}

/** This file, as stacks name it, compiled or not. */
const ownFile = /\/functions\/function-call\.[jt]s:/;

/** The author's part of a stack: the frames above the first one of this server. */
function framesOf(thrown: unknown): string {
  try {
    const stack = thrown instanceof Error ? String(thrown.stack) : '';
    const lines = stack.split('\n').filter((line) => /^\s+at /.test(line));
    const end = lines.findIndex((line) => ownFile.test(line) || line.includes('node:internal/'));
    return lines
      .slice(0, end === -1 ? undefined : end)
      .join('\n')
      .slice(0, maxTextLength);
  } catch {
    return '';
  }
}

/**
 * The calls of a batch function for one step. When a generator raises, the results it gave count, the instance at which it
 * raised fails, and the function is called again with the instances behind it. A result may be a promise (`instances.map(async ...)`):
 * it is waited for when all have been given, and its rejection fails its instance.
 */
class BatchCall {
  private readonly results: (StepResult | Promise<StepResult>)[] = [];

  constructor(
    private readonly callable: CallableFunction,
    private readonly inputs: readonly unknown[][],
    private readonly contexts: readonly CallContext[] | undefined,
  ) {}

  run(): StepResult[] | Promise<StepResult[]> {
    for (let call = this.start(); call !== undefined; call = this.start()) {
      if (isPromise(call.returned) || isAsyncIterable(call.returned)) return this.runAsync(call);
      this.drain(call.returned);
    }
    return this.results.some((result) => result instanceof Promise) ? Promise.all(this.results) : (this.results as StepResult[]);
  }

  private resultOf(value: unknown): StepResult | Promise<StepResult> {
    return isPromise(value) ? settled(this.callable, value) : outputsOf(this.callable, value);
  }

  private async runAsync(first: { returned: unknown }): Promise<StepResult[]> {
    for (let call: { returned: unknown } | undefined = first; call !== undefined; call = this.start()) {
      try {
        const returned: unknown = await call.returned;
        if (isAsyncIterable(returned)) await this.drainAsync(returned);
        else this.drain(returned);
      } catch (thrown) {
        this.failRest(failureOfThrown(thrown));
      }
    }
    return Promise.all(this.results);
  }

  /** Calls the function with the instances that have no result yet. undefined: there are none, also because it threw and they all failed. */
  private start(): { returned: unknown } | undefined {
    const { inputs, contexts, results } = this;
    if (results.length >= inputs.length) return undefined;
    const call = this.callable.fn as AnyFunction;
    try {
      const rest = inputs.slice(results.length);
      return { returned: contexts === undefined ? call(rest) : call(rest, contexts.slice(results.length)) };
    } catch (thrown) {
      this.failRest(failureOfThrown(thrown));
      return undefined;
    }
  }

  private drain(returned: unknown): void {
    const given = this.results.length;
    const wanted = this.inputs.length - given;
    if (!isResultList(returned)) {
      const { name } = this.callable.declaration;
      const text = `The value returned by function '${name}' should be an array, a generator or an async generator with one result per instance`;
      this.failRest(brokenContract('function-failed', { detail: text }, text));
      return;
    }
    try {
      for (const value of returned) {
        this.results.push(this.resultOf(value));
        if (this.results.length === this.inputs.length) return; // surplus results are ignored
      }
      this.failTooFew(given, wanted);
    } catch (thrown) {
      this.failNext(thrown);
    }
  }

  private async drainAsync(returned: AsyncIterable<unknown>): Promise<void> {
    const given = this.results.length;
    const wanted = this.inputs.length - given;
    try {
      for await (const value of returned) {
        this.results.push(this.resultOf(value));
        if (this.results.length === this.inputs.length) return;
      }
      this.failTooFew(given, wanted);
    } catch (thrown) {
      this.failNext(thrown);
    }
  }

  /** Which instance was left out nobody knows, so none of this call's results can be trusted to belong where it stands. */
  private failTooFew(given: number, wanted: number): void {
    const count = this.results.length - given;
    this.results.length = given;
    const { name } = this.callable.declaration;
    this.failRest(
      brokenContract(
        'function-result-count',
        { given: String(count), expected: String(wanted), detail: name },
        `it gave ${count} results for ${wanted} instances`,
      ),
    );
  }

  /** The instance at which an iteration raised. None is left when it raised on being closed after the last result. */
  private failNext(thrown: unknown): void {
    if (this.results.length < this.inputs.length) this.results.push(failureOfThrown(thrown));
  }

  private failRest(failure: StepFailure): void {
    while (this.results.length < this.inputs.length) this.results.push(failure);
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  try {
    return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Arrays, generators and other iterables; but not a TypedArray, whose elements would pass for results. */
function isResultList(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value && !ArrayBuffer.isView(value);
}

/** The text of anything thrown. Never throws, whatever a hostile toString does. */
export function textOf(thrown: unknown): string {
  try {
    const text = String(thrown instanceof Error ? thrown.message || thrown.name : isErrorLike(thrown) ? thrown.message : thrown);
    return text.length > maxTextLength ? `${text.slice(0, maxTextLength)}...` : text;
  } catch {
    return 'an error without a text';
  }
}

function isErrorLike(value: unknown): value is { message: string } {
  return typeof value === 'object' && value !== null && typeof (value as { message?: unknown }).message === 'string';
}
