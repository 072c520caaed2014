import { CallContext, currentRegistry, type CallLog } from '@mserve/register';
import type { Instance } from '@mserve/wire';
import { loadConfig } from './config-load.js';
import { callFunction, isStepFailure, textOf, type CallableFunction, type StepFailure, type StepResult } from './function-call.js';
import { fitsPack, PackReader, PackWriter, transferOf } from './instance-pack.js';
import { nativeThreadId } from './thread-priority.js';
import {
  batchCells,
  control,
  takenBack,
  type BatchState,
  type FromThread,
  type ProgramStart,
  type SentContext,
  type ToThread,
} from './thread-message.js';

/** How a program that runs functions and its owner talk. */
export interface OwnerLink {
  /** See {@link control}. Those of a process are its own: its owner gives it one step at a time, and hears of each. */
  readonly cells: Int32Array;
  /** Whether memory that is shared with the owner is passed by reference. */
  readonly sharesMemory: boolean;
  send(message: FromThread, transfer: ArrayBuffer[]): void;
  listen(listener: (message: ToThread) => void): void;
}

/** Results are sent when a batch is done, and after this time at the latest once a step ends, so that a slow step keeps back nobody else's. */
const flushMs = 2;
const tooLarge: StepFailure = { reason: 'function-failed', facts: { detail: 'its outputs are larger than 2 GiB' }, fault: undefined };
const noFunction: StepFailure = { reason: 'function-failed', facts: { detail: 'no such function' }, fault: undefined };

/** Collects the results of a batch and sends them in as few messages as may be. */
class ResultSender {
  private isFlushDue = false;
  private writer: PackWriter;
  private failures: StepFailure[] = [];
  private hasResults = false;
  private lastFlush = performance.now();

  constructor(
    private readonly link: OwnerLink,
    private readonly batch: number,
  ) {
    this.writer = new PackWriter(true, link.sharesMemory);
  }

  add(step: number, results: readonly StepResult[]): void {
    this.hasResults = true;
    results.forEach((result, instance) => {
      if (isStepFailure(result)) this.addFailure(step, instance, result);
      else if (!fitsPack(result)) this.addFailure(step, instance, tooLarge);
      else this.addOutputs(step, instance, result);
    });
    // Large outputs are copied before the function is called again: it may use their memory anew
    if (this.writer.borrows || performance.now() - this.lastFlush > flushMs) this.flush('running');
  }

  private addFailure(step: number, instance: number, failure: StepFailure): void {
    this.writer
      .number(step)
      .number(instance)
      .number(0)
      .number(this.failures.push(failure) - 1);
  }

  private addOutputs(step: number, instance: number, outputs: Instance): void {
    if (!fitsPack(outputs, this.writer.byteLength)) this.flush('running');
    this.writer.number(step).number(instance).number(1).instance(outputs);
  }

  /** For results that come on their own: with all others of this turn, at its end. */
  addLate(step: number, results: readonly StepResult[]): void {
    this.add(step, results);
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setImmediate(() => {
      this.isFlushDue = false;
      if (this.hasResults) this.flush('running');
    });
  }

  flush(state: BatchState): void {
    const pack = this.writer.finish();
    this.link.send({ kind: 'results', batch: this.batch, state, pack, failures: this.failures }, transferOf(pack));
    this.hasResults = false;
    this.writer = new PackWriter(true, this.link.sharesMemory);
    this.failures = [];
    this.lastFlush = performance.now();
  }
}

type Steps = ToThread & { kind: 'steps' };

/** Calls of models by functions that wait for their answer. */
class ModelCalls {
  private readonly waiting = new Map<number, { resolve: (instances: readonly Instance[]) => void; reject: (reason: Error) => void }>();
  private last = 0;

  constructor(private readonly link: OwnerLink) {}

  start(modelKey: string, subgraph: number, instances: readonly Instance[]): Promise<readonly Instance[]> {
    const writer = new PackWriter(false, this.link.sharesMemory);
    for (const instance of instances) writer.instance(instance);
    const pack = writer.finish();
    const call = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(call, { resolve, reject });
      this.link.send({ kind: 'modelCall', call, modelKey, subgraph, pack }, transferOf(pack));
    });
  }

  settle(message: ToThread & { kind: 'modelAnswer' }): void {
    const waiting = this.waiting.get(message.call);
    this.waiting.delete(message.call);
    if (message.pack === undefined) {
      waiting?.reject(new Error(message.failure));
      return;
    }
    const reader = new PackReader(message.pack);
    const instances: Instance[] = [];
    while (!reader.atEnd) instances.push(reader.instance());
    waiting?.resolve(instances);
  }
}

/** The program of a function thread or process, once its config is loaded: calls functions as its owner asks. */
class FunctionProgram {
  private readonly modelCalls: ModelCalls;

  constructor(
    private readonly link: OwnerLink,
    private readonly callables: readonly CallableFunction[],
  ) {
    this.modelCalls = new ModelCalls(link);
    currentRegistry().callModel = (modelKey, subgraph, instances) => this.modelCalls.start(modelKey, subgraph, instances);
  }

  hear(message: ToThread): void {
    if (message.kind === 'steps') this.runSteps(message);
    else if (message.kind === 'modelAnswer') this.modelCalls.settle(message);
    else {
      Atomics.store(this.link.cells, control.heard, message.number);
      if (!this.link.sharesMemory) this.link.send({ kind: 'pong', number: message.number }, []);
    }
  }

  private runSteps({ batch, firstStep, pack, contexts }: Steps): void {
    const { callables } = this;
    const { cells, sharesMemory } = this.link;
    if (!sharesMemory) cells.fill(0, 0, batchCells);
    const reader = new PackReader(pack);
    const sender = new ResultSender(this.link, batch);
    const pending: Promise<void>[] = [];
    let contextAt = 0;
    for (let step = firstStep; !reader.atEnd; step++) {
      const callable = callables[reader.number()];
      const instances: Instance[] = [];
      for (let left = reader.number(); left > 0; left--) instances.push(reader.instance());
      const own = contexts?.slice(contextAt, (contextAt += instances.length)).map((sent) => this.contextOf(sent));
      if (Atomics.add(cells, control.started, 1) >= takenBack) break;
      if (!sharesMemory) this.link.send({ kind: 'begun', batch }, []);
      const results = callable === undefined ? instances.map(() => noFunction) : callFunction(callable, instances, own);
      if (results instanceof Promise) {
        Atomics.store(cells, control.pending, 1);
        pending.push(results.then((settled) => sender.addLate(step, settled)));
      } else {
        sender.add(step, results);
        Atomics.add(cells, control.finished, 1);
      }
    }
    sender.flush(pending.length === 0 ? 'done' : 'parked');
    if (pending.length > 0) void Promise.all(pending).then(() => sender.flush('done'));
  }

  private contextOf({ id, headers, parameters, deadline, traceparent, tracestate }: SentContext): CallContext {
    return new CallContext({
      traceparent: traceparent === '' ? undefined : traceparent,
      tracestate: tracestate === '' ? undefined : tracestate,
      requestId: id,
      headers: objectOf<string>(headers),
      parameters: objectOf<string | number | boolean>(parameters),
      deadline: deadline === Infinity ? undefined : new Date(deadline),
      log: this.logOf(id),
    });
  }

  private logOf(requestId: string): CallLog {
    const write = (level: keyof CallLog) => (text: string) => this.link.send({ kind: 'log', level, text: textOf(text), requestId }, []);
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }
}

/** An object that a gateway wrote, as JSON; empty for '', and for what is none. */
function objectOf<V>(text: string): Readonly<Record<string, V>> {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, V>) : {};
  } catch {
    return {};
  }
}

/**
 * Loads the servable_config, then calls its functions as the owner asks. Everything that user code can do (spin, exit, run out of memory, throw
 * later) ends in this thread or process, and not on a loop that serves. Never rejects.
 */
export async function runFunctionProgram(start: ProgramStart, link: OwnerLink): Promise<void> {
  try {
    Object.assign(process.env, start.environment);
    const loaded = await loadConfig(start, (text) => link.send({ kind: 'warning', text }, []));
    if ('failures' in loaded) {
      link.send({ kind: 'loadFailed', ...loaded }, []);
      return;
    }
    const program = new FunctionProgram(link, currentRegistry().functions);
    link.listen((message) => program.hear(message));
    link.send({ kind: 'loaded', declaration: loaded.declaration, threadId: nativeThreadId() }, []);
  } catch (thrown) {
    link.send({ kind: 'loadFailed', failures: [{ message: textOf(thrown), file: undefined, line: undefined }] }, []);
  }
}
