import { parentPort, workerData } from 'node:worker_threads';
import { currentRegistry } from '@mserve/register';
import type { Instance } from '@mserve/wire';
import { loadConfig } from './config-load.js';
import { callFunction, isStepFailure, textOf, type CallableFunction, type StepFailure, type StepResult } from './function-call.js';
import { fitsPack, PackReader, PackWriter, transferOf } from './instance-pack.js';
import { nativeThreadId } from './thread-priority.js';
import { control, takenBack, type BatchState, type FromThread, type ThreadStart, type ToThread } from './thread-message.js';

/**
 * The program of a function thread: loads the servable_config, then calls its functions as the loop asks. Everything that user code can
 * do to a thread (spin, exit, run out of memory, throw later) ends here and not on a loop that serves.
 */

if (parentPort === null) throw new Error('thread-main is the entry of a worker thread');
const port = parentPort;
const start = workerData as ThreadStart;
const cells = new Int32Array(start.control);
/** Results are sent when a batch is done, and after this time at the latest once a step ends, so that a slow step keeps back nobody else's. */
const flushMs = 2;
const tooLarge: StepFailure = { reason: 'function-failed', facts: { detail: 'its outputs are larger than 2 GiB' }, fault: undefined };
const noFunction: StepFailure = { reason: 'function-failed', facts: { detail: 'no such function' }, fault: undefined };

function send(message: FromThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Collects the results of a batch and sends them in as few messages as may be. */
class ResultSender {
  private readonly batch: number;
  private isFlushDue = false;
  private writer = new PackWriter(true);
  private failures: StepFailure[] = [];
  private hasResults = false;
  private lastFlush = performance.now();

  constructor(batch: number) {
    this.batch = batch;
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
    send({ kind: 'results', batch: this.batch, state, pack, failures: this.failures }, transferOf(pack));
    this.hasResults = false;
    this.writer = new PackWriter(true);
    this.failures = [];
    this.lastFlush = performance.now();
  }
}

function runSteps(callables: readonly CallableFunction[], batch: number, reader: PackReader): void {
  const sender = new ResultSender(batch);
  const pending: Promise<void>[] = [];
  for (let step = 0; !reader.atEnd; step++) {
    const callable = callables[reader.number()];
    const instances: Instance[] = [];
    for (let left = reader.number(); left > 0; left--) instances.push(reader.instance());
    if (Atomics.add(cells, control.started, 1) >= takenBack) break;
    const results = callable === undefined ? instances.map(() => noFunction) : callFunction(callable, instances);
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

/** Calls of models by functions that wait for their answer. */
const modelCalls = new Map<number, { resolve: (instances: readonly Instance[]) => void; reject: (reason: Error) => void }>();
let lastCall = 0;

function callModel(modelKey: string, subgraph: number, instances: readonly Instance[]): Promise<readonly Instance[]> {
  const writer = new PackWriter();
  for (const instance of instances) writer.instance(instance);
  const pack = writer.finish();
  const call = ++lastCall;
  return new Promise((resolve, reject) => {
    modelCalls.set(call, { resolve, reject });
    send({ kind: 'modelCall', call, modelKey, subgraph, pack }, transferOf(pack));
  });
}

function settleModelCall(message: ToThread & { kind: 'modelAnswer' }): void {
  const waiting = modelCalls.get(message.call);
  modelCalls.delete(message.call);
  if (message.pack === undefined) {
    waiting?.reject(new Error(message.failure));
    return;
  }
  const reader = new PackReader(message.pack);
  const instances: Instance[] = [];
  while (!reader.atEnd) instances.push(reader.instance());
  waiting?.resolve(instances);
}

async function main(): Promise<void> {
  Object.assign(process.env, start.environment);
  const loaded = await loadConfig(start, (text) => send({ kind: 'warning', text }));
  if ('failures' in loaded) {
    send({ kind: 'loadFailed', ...loaded });
    return;
  }
  const { declaration } = loaded;
  const registry = currentRegistry();
  registry.callModel = callModel;
  const callables: readonly CallableFunction[] = registry.functions;
  port.on('message', (message: ToThread) => {
    if (message.kind === 'steps') runSteps(callables, message.batch, new PackReader(message.pack));
    else if (message.kind === 'ping') Atomics.store(cells, control.heard, message.number);
    else settleModelCall(message);
  });
  send({ kind: 'loaded', declaration, threadId: nativeThreadId() });
}

main().catch((thrown: unknown) => send({ kind: 'loadFailed', failures: [{ message: textOf(thrown), file: undefined, line: undefined }] }));
