import { Worker } from 'node:worker_threads';
import { noteCrash } from '@mserve/native';
import type { Instance } from '@mserve/wire';
import { textOf } from './function-call.js';
import { FunctionHost, sentSteps, type HostOptions } from './function-host.js';
import type { Step } from './function-run.js';
import { PackWriter, transferOf } from './instance-pack.js';
import { LineLog } from './line-log.js';
import {
  batchCells,
  control as cellOf,
  controlCells,
  takenBack,
  type FromThread,
  type ThreadStart,
  type ToThread,
} from './thread-message.js';

/** What every function thread runs. */
const program = new URL(import.meta.resolve('./thread-main.js'));
const longestEndMs = 1_000;

/** A worker thread that has a servable's functions. */
export class FunctionThread extends FunctionHost {
  readonly kind = 'thread';
  private readonly cells = new Int32Array(new SharedArrayBuffer(controlCells * Int32Array.BYTES_PER_ELEMENT));
  private readonly worker: Worker;
  /** The kernel's id of the thread, when it has loaded native packages. */
  private notedThread: number | undefined;

  constructor(options: HostOptions) {
    super(options);
    const { servable, cacheDirectory, environment } = options;
    const configFile = options.locateConfig?.() ?? options.configFile;
    const control = this.cells.buffer as SharedArrayBuffer;
    const start: ThreadStart = { servable, configFile, cacheDirectory, environment, isolation: 'thread', control };
    this.worker = new Worker(program, {
      workerData: start,
      execArgv: [],
      name: `functions of ${servable}`,
      resourceLimits: { maxOldGenerationSizeMb: options.heapMb },
      stdout: true,
      stderr: options.onPrinted !== undefined,
    });
    // What an author prints is for the operator; the process's own stdout may be read by programs (--json).
    this.worker.stdout.on('data', (chunk: Uint8Array) => process.stderr.write(chunk));
    if (options.onPrinted !== undefined) this.tellPrinted(options.onPrinted);
    // Whatever the author's code threw comes here, null too.
    this.worker.on('error', (thrown: unknown) => {
      const isOutOfMemory = (thrown as { code?: unknown } | null | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.reason ??= isOutOfMemory ? 'it ran out of memory' : `an error was thrown outside of any call: ${textOf(thrown)}`;
    });
    this.worker.on('messageerror', () => void this.worker.terminate());
    this.worker.on('exit', (code) => {
      if (this.notedThread !== undefined) noteCrash(this.notedThread, '');
      this.gone(`it exited with code ${code}`);
    });
  }

  private tellPrinted(onPrinted: (line: string) => void): void {
    const { stdout, stderr } = this.worker;
    stderr.on('data', (chunk: Uint8Array) => process.stderr.write(chunk));
    for (const stream of [stdout, stderr]) {
      const lines = new LineLog(onPrinted);
      stream.on('data', (chunk: Buffer) => lines.write(chunk)).on('end', () => lines.end());
    }
  }

  post(batch: number, steps: readonly Step[], takesContext: boolean): void {
    const sent = sentSteps(steps, takesContext, true);
    this.cells.fill(0, 0, batchCells);
    this.send({ kind: 'steps', batch, firstStep: 0, ...sent }, transferOf(sent.pack));
  }

  answerModelCall(call: number, outputs: readonly Instance[] | string): void {
    if (typeof outputs === 'string') {
      this.send({ kind: 'modelAnswer', call, pack: undefined, failure: outputs });
      return;
    }
    const writer = new PackWriter();
    for (const output of outputs) writer.instance(output);
    const pack = writer.finish();
    this.send({ kind: 'modelAnswer', call, pack, failure: '' }, transferOf(pack));
  }

  ping(number: number): void {
    this.send({ kind: 'ping', number });
  }

  get heard(): number {
    return Atomics.load(this.cells, cellOf.heard);
  }

  get started(): number {
    return Atomics.load(this.cells, cellOf.started);
  }

  get handed(): number {
    return this.started;
  }

  get finished(): number {
    return Atomics.load(this.cells, cellOf.finished);
  }

  get hasPending(): boolean {
    return Atomics.load(this.cells, cellOf.pending) === 1;
  }

  takeBack(): number {
    const started = Atomics.exchange(this.cells, cellOf.started, takenBack);
    return started >= takenBack ? Infinity : started;
  }

  unref(): void {
    this.worker.unref();
  }

  protected listen(): void {
    this.worker.on('message', (message: FromThread) => this.hear(message));
  }

  protected override take(message: FromThread): void {
    if (message.kind === 'native') this.note(message.file, message.threadId);
    else super.take(message);
  }

  /** Before the package is loaded: it may end this process then and there. */
  private note(file: string, threadId: number): void {
    const { servable, log } = this.options;
    this.notedThread = threadId;
    noteCrash(
      threadId,
      `a function thread of servable '${servable}', which loaded ${file}: let its functions run in processes (functionIsolation)`,
    );
    log('info', `servable ${servable} loads a native package in a function thread: ${file}`);
    Atomics.add(this.cells, cellOf.noted, 1);
    Atomics.notify(this.cells, cellOf.noted);
  }

  /** A thread that is inside a blocking call of the system (a read from a FIFO, say) ends when that returns, and is waited for no longer than {@link longestEndMs}. */
  protected async kill(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, longestEndMs)));
    await Promise.race([this.worker.terminate(), late]);
    clearTimeout(timer);
  }

  private send(message: ToThread, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
  }
}
