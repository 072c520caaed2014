import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Instance } from '@mserve/wire';
import { FunctionHost, sentSteps, type HostOptions } from './function-host.js';
import type { Step } from './function-run.js';
import { fitsPack, PackWriter } from './instance-pack.js';
import { LineLog } from './line-log.js';
import type { BatchState, FromThread, ProgramStart, ToThread } from './thread-message.js';

/** What every function process runs. */
const program = fileURLToPath(import.meta.resolve('./process-main.js'));
/** How long the last lines of a process that is gone are waited for: a process that it started may keep its pipes open. */
const lastLinesMs = 100;
const longestEndMs = 1_000;

/** A batch as its owner knows it. Its steps go to the process one by one, so that those behind a step that hangs, or crashes, were never begun. */
interface Batch {
  readonly number: number;
  steps: readonly Step[];
  readonly takesContext: boolean;
  sent: number;
  /** Steps that it has come to: of those sent all, or all but the last. */
  begun: number;
  /** Steps whose function came back: with its results, or awaiting something. */
  returned: number;
  done: number;
  finished: number;
}

type Results = FromThread & { kind: 'results' };

/**
 * A process that has a servable's functions: what ends it (a segmentation fault, an abort, the system for want of memory) does not end this one. Each step
 * costs a message there and one back; tensors are copied on the way.
 */
export class FunctionProcess extends FunctionHost {
  readonly kind = 'process';
  private readonly child: ChildProcess;
  private readonly output: LineLog;
  private readonly start: ProgramStart;
  private batch: Batch | undefined;
  /** Steps that the process has, by the number that they were sent under. */
  private readonly given = new Map<number, { readonly batch: Batch; isParked: boolean }>();
  private lastGiven = 0;
  private heardLast = 0;

  constructor(options: HostOptions) {
    super(options);
    const { servable, cacheDirectory, environment, log } = options;
    const configFile = options.locateConfig?.() ?? options.configFile;
    this.start = { servable, configFile, cacheDirectory, environment, isolation: 'process' };
    this.child = fork(program, [], {
      serialization: 'advanced',
      // Of a group of its own: Ctrl+C is for the server, which has calls in hand
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [`--max-old-space-size=${options.heapMb}`],
    });
    const { child } = this;
    // At a level that is shown: it is all that tells why a native package ends its process
    this.output = new LineLog((text) => log('warn', text, { process: String(child.pid) }));
    child.stdout?.on('data', (chunk: Buffer) => this.output.write(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.output.write(chunk));
    child.on('error', (thrown) => this.gone(`it could not be started: ${thrown.message}`));
    child.on('exit', (code, signal) => this.exited(code, signal));
    this.send(this.start);
  }

  post(batch: number, steps: readonly Step[], takesContext: boolean): void {
    for (const { run, first, end } of steps)
      for (let i = first; i < end; i++) if (!fitsPack(run.instances[i] as Instance)) throw new RangeError('they have more than 2 GiB');
    this.batch = { number: batch, steps, takesContext, sent: 0, begun: 0, returned: 0, done: 0, finished: 0 };
    this.sendNext(this.batch);
  }

  answerModelCall(call: number, outputs: readonly Instance[] | string): void {
    if (typeof outputs === 'string') {
      this.send({ kind: 'modelAnswer', call, pack: undefined, failure: outputs });
      return;
    }
    const writer = new PackWriter(false, false);
    for (const output of outputs) writer.instance(output);
    this.send({ kind: 'modelAnswer', call, pack: writer.finish(), failure: '' });
  }

  ping(number: number): void {
    this.send({ kind: 'ping', number });
  }

  get heard(): number {
    return this.heardLast;
  }

  get started(): number {
    return this.batch?.begun ?? 0;
  }

  get handed(): number {
    return this.batch?.sent ?? 0;
  }

  get finished(): number {
    return this.batch?.finished ?? 0;
  }

  get hasPending(): boolean {
    const { batch } = this;
    return batch !== undefined && batch.returned > batch.finished;
  }

  /** What was sent counts as begun: it cannot be taken back. */
  takeBack(): number {
    const { batch } = this;
    if (batch === undefined) return Infinity;
    batch.steps = batch.steps.slice(0, batch.sent);
    return batch.sent;
  }

  unref(): void {
    const { child } = this;
    child.unref();
    child.channel?.unref();
    for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.unref();
  }

  protected listen(): void {
    this.child.on('message', (message) => this.hear(message as FromThread));
  }

  protected async kill(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const late = new Promise((resolve) => (timer = setTimeout(resolve, longestEndMs)));
    child.kill('SIGKILL');
    await Promise.race([gone, late]);
    clearTimeout(timer);
  }

  protected override take(message: FromThread): void {
    if (message.kind === 'results') this.takeResults(message);
    else if (message.kind === 'begun') this.begun(message.batch);
    else if (message.kind === 'pong') this.heardLast = message.number;
    else if (message.kind === 'uncaught') this.reason = `an error was thrown outside of any call: ${message.text}`;
    else super.take(message);
  }

  private begun(number: number): void {
    const batch = this.given.get(number)?.batch;
    if (batch !== undefined) batch.begun = batch.sent;
  }

  /** The results of one step become those of its batch, which is done when all of its steps are. */
  private takeResults(message: Results): void {
    const step = this.given.get(message.batch);
    if (step === undefined) return;
    const { batch } = step;
    const { state } = message;
    if (state === 'parked' || (state === 'done' && !step.isParked)) batch.returned++;
    if (state === 'parked') step.isParked = true;
    if (state === 'done') {
      batch.done++;
      if (!step.isParked) batch.finished++;
      this.given.delete(message.batch);
    }
    const isCurrent = this.batch === batch;
    let told: BatchState = 'running';
    if (isCurrent && batch.returned === batch.sent && !this.sendNext(batch)) {
      this.batch = undefined;
      told = batch.done === batch.sent ? 'done' : 'parked';
    } else if (!isCurrent && batch.done === batch.sent) told = 'done';
    super.take({ ...message, batch: batch.number, state: told });
  }

  /** Gives the process the next step. false: there is none. */
  private sendNext(batch: Batch): boolean {
    const step = batch.steps[batch.sent];
    if (step === undefined) return false;
    const number = ++this.lastGiven;
    this.given.set(number, { batch, isParked: false });
    const firstStep = batch.sent++;
    this.send({ kind: 'steps', batch: number, firstStep, ...sentSteps([step], batch.takesContext, false) });
    return true;
  }

  private send(message: ToThread | ProgramStart): void {
    // The callback takes what goes wrong: a process that is gone, which 'exit' tells
    this.child.send(message, () => undefined);
  }

  /** Its last lines may come behind its end, and say why. */
  private exited(code: number | null, signal: NodeJS.Signals | null): void {
    let isTold = false;
    const tell = (): void => {
      if (isTold) return;
      isTold = true;
      clearTimeout(timer);
      this.output.end();
      if (/heap out of memory|out of memory/i.test(this.output.last)) this.reason = 'it ran out of memory';
      const memory = signal === 'SIGKILL' ? ', perhaps by the system for want of memory' : '';
      this.gone(signal === null ? `it exited with code ${code ?? 0}` : `it was ended by ${signal}${memory}`);
    };
    const timer = setTimeout(tell, lastLinesMs);
    this.child.once('close', tell);
  }
}
