import { Worker } from 'node:worker_threads';
import type { ServableDeclaration } from '@mserve/register';
import { ServableConfigError } from '../servable/servable-config-error.js';
import { textOf } from './function-call.js';
import {
  batchCells,
  control,
  controlCells,
  takenBack,
  type FromThread,
  type LoadFailure,
  type ThreadStart,
  type ToThread,
} from './thread-message.js';
import { transferOf } from './instance-pack.js';
import { lowerPriority, restorePriority } from './thread-priority.js';

/** What a function thread tells its owner. After `ended` nothing comes any more. */
export interface ThreadEvents {
  message(message: FromThread): void;
  /** The thread is gone without having been asked to; why, in words for the callers of its function. */
  ended(reason: string): void;
}

/** What a function thread loads, and its limits. */
export interface ThreadOptions extends Omit<ThreadStart, 'control'> {
  /** Where the config is now: it may have been mounted anew since the first thread loaded it. Default: configFile. */
  readonly locateConfig?: () => string;
  /** Longest time a load of the servable_config may take. */
  readonly loadTimeoutMs: number;
  /** Heap of a thread in MiB. */
  readonly heapMb: number;
}

/** What every function thread runs. */
const program = new URL(import.meta.resolve('./thread-main.js'));
const longestEndMs = 1_000;

/** One worker thread that has a servable's functions. */
export class FunctionThread {
  private readonly cells = new Int32Array(new SharedArrayBuffer(controlCells * Int32Array.BYTES_PER_ELEMENT));
  private readonly worker: Worker;
  private readonly options: ThreadOptions;
  private events: ThreadEvents | undefined;
  private reason: string | undefined;
  private threadId: number | undefined;
  /** What its priority was before it gave way. */
  private ownPriority: number | undefined;
  /** Settles a load that is under way when the thread is ended meanwhile. */
  private cancelLoad: () => void = () => undefined;

  constructor(options: ThreadOptions) {
    this.options = options;
    const { servable, cacheDirectory, environment } = options;
    const configFile = options.locateConfig?.() ?? options.configFile;
    const start: ThreadStart = { servable, configFile, cacheDirectory, environment, control: this.cells.buffer as SharedArrayBuffer };
    this.worker = new Worker(program, {
      workerData: start,
      execArgv: [],
      name: `functions of ${servable}`,
      resourceLimits: { maxOldGenerationSizeMb: options.heapMb },
      stdout: true,
    });
    // What an author prints is for the operator; the process's own stdout may be read by programs (--json).
    this.worker.stdout.on('data', (chunk: Uint8Array) => process.stderr.write(chunk));
    // Whatever the author's code threw comes here, null too.
    this.worker.on('error', (thrown: unknown) => {
      const isOutOfMemory = (thrown as { code?: unknown } | null | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.reason ??= isOutOfMemory ? 'it ran out of memory' : `an error was thrown outside of any call: ${textOf(thrown)}`;
    });
    this.worker.on('messageerror', () => void this.worker.terminate());
    this.worker.on('exit', (code) => {
      const events = this.events;
      this.events = undefined;
      events?.ended(this.reason ?? `it exited with code ${code}`);
    });
  }

  /**
   * Waits for the config to be loaded; `events` gets everything after that. Rejects with ServableConfigError when the config throws, hangs,
   * exits or declares what isn't allowed; the thread is gone then. To be called once, first.
   */
  load(events: ThreadEvents): Promise<ServableDeclaration> {
    const { servable, loadTimeoutMs } = this.options;
    return new Promise((resolve, reject) => {
      const refuse = (failures: readonly LoadFailure[], declared?: ServableDeclaration): void => {
        clearTimeout(timer);
        this.cancelLoad = () => undefined;
        this.events = undefined;
        void this.worker.terminate();
        const problems = failures.map(
          ({ message, file, line }) =>
            new ServableConfigError(servable, `import ${servable}.servable_config failed, ${message}`, file, line),
        );
        reject(ServableConfigError.ofAll(problems, declared));
      };
      this.cancelLoad = () => refuse([{ message: 'it was ended while it was loaded', file: undefined, line: undefined }]);
      const refuseWhole = (message: string): void => refuse([{ message, file: undefined, line: undefined }]);
      const timer = setTimeout(() => refuseWhole(`it was not loaded within ${loadTimeoutMs} ms`), loadTimeoutMs);
      this.events = {
        ended: refuseWhole,
        message: (message) => {
          if (message.kind === 'loadFailed') refuse(message.failures, message.declared);
          else if (message.kind !== 'loaded') events.message(message);
          else {
            clearTimeout(timer);
            this.cancelLoad = () => undefined;
            this.events = events;
            this.threadId = message.threadId;
            resolve(message.declaration);
          }
        },
      };
      this.worker.on('message', (message: FromThread) => this.hear(message));
    });
  }

  /** The author's code has the port of its thread, too: what it sends there may be anything, and must end no more than its thread. */
  private hear(message: FromThread): void {
    try {
      this.events?.message(message);
    } catch (thrown) {
      this.reason ??= `it sent a message that is none of this server's: ${textOf(thrown)}`;
      void this.worker.terminate();
    }
  }

  /** The next batch; the last one must be done or parked. */
  post(message: ToThread & { kind: 'steps' }): void {
    this.cells.fill(0, 0, batchCells);
    this.worker.postMessage(message, transferOf(message.pack));
  }

  answerModelCall(message: ToThread & { kind: 'modelAnswer' }): void {
    this.worker.postMessage(message, message.pack === undefined ? [] : transferOf(message.pack));
  }

  /** Puts this number into {@link heard} as soon as its JavaScript comes back to the event loop. */
  ping(number: number): void {
    this.worker.postMessage({ kind: 'ping', number } satisfies ToThread);
  }

  /** Number of the last ping that it came to. */
  get heard(): number {
    return Atomics.load(this.cells, control.heard);
  }

  /** Steps of the batch that were begun; those from this number on can still be taken back. */
  get started(): number {
    return Atomics.load(this.cells, control.started);
  }

  /** Steps that ended without waiting for anything. */
  get finished(): number {
    return Atomics.load(this.cells, control.finished);
  }

  /** Whether any function of the batch awaits something. */
  get hasPending(): boolean {
    return Atomics.load(this.cells, control.pending) === 1;
  }

  /** Takes back what was not begun: steps from the returned number on will never be begun by this thread. */
  takeBack(): number {
    const started = Atomics.exchange(this.cells, control.started, takenBack);
    return started >= takenBack ? Infinity : started;
  }

  /** Lets everything else on the machine go first from now on. */
  giveWay(): void {
    if (this.threadId !== undefined && this.ownPriority === undefined && this.events !== undefined)
      this.ownPriority = lowerPriority(this.threadId);
  }

  /** Takes {@link giveWay} back; false when that is not allowed. */
  regain(): boolean {
    if (this.threadId === undefined || this.ownPriority === undefined) return true;
    if (!restorePriority(this.threadId, this.ownPriority)) return false;
    this.ownPriority = undefined;
    return true;
  }

  /**
   * Ends the thread; no events after this. A load that is under way rejects. A thread that is inside a blocking call of the system (a read from a FIFO,
   * say) ends when that returns, and is waited for no longer than {@link longestEndMs}.
   */
  async terminate(): Promise<void> {
    this.cancelLoad();
    this.events = undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, longestEndMs)));
    await Promise.race([this.worker.terminate(), late]);
    clearTimeout(timer);
  }

  /** Lets the process end while the thread is there. */
  unref(): void {
    this.worker.unref();
  }
}
