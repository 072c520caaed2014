import type { ChildProcess } from 'node:child_process';
import type { AppLog, AppReport } from '@mserve/app';
import { ConfigError } from '@mserve/config';
import { progressOf } from './progress.js';
import { Watchdog, type Hang } from './watchdog.js';

/** What a process of a fleet is, in the order in which a fleet ends the last ones first. */
export const processKinds = ['nats-server', 'worker', 'scheduler', 'gateway'] as const;
/** One of {@link processKinds}. */
export type ProcessKind = (typeof processKinds)[number];

/** How a process of a fleet is started, asked and ended. */
export interface Program {
  /** In messages and commands: `worker-1`. */
  readonly name: string;
  readonly kind: ProcessKind;
  start(): ChildProcess;
  /** Asks it to finish what it has in hand, and end. */
  askToEnd(child: ChildProcess): void;
  /** What it says of itself; undefined when it does not answer soon. */
  report(child: ChildProcess): Promise<AppReport | undefined>;
  /** Resolves when it answers that it is alive. */
  answer(child: ChildProcess): Promise<void>;
}

/** How patient a supervisor is, in ms. */
export interface Patience {
  /** Wait before the first new start; it doubles with each further one. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Who ran for this long is started anew as if it had never ended before. */
  readonly steadyMs: number;
  /** Ends before `steadyMs`, one after the other, that make a crash loop. */
  readonly loopEnds: number;
  /** Silence without any work after which it is killed ({@link Watchdog}); 0 = never. */
  readonly unresponsiveMs: number;
}

/** For production. */
export const usualPatience: Patience = { firstMs: 200, longestMs: 30_000, steadyMs: 30_000, loopEnds: 5, unresponsiveMs: 15_000 };

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a supervisor knows of a process. */
export interface SupervisedState {
  readonly name: string;
  readonly kind: ProcessKind;
  /** `waiting`: for its next start. `drained`: ended because somebody asked for it. */
  readonly state: 'running' | 'waiting' | 'ending' | 'drained';
  readonly pid: number | undefined;
  /** Since its start, in ms. */
  readonly upMs: number | undefined;
  /** Starts after the first one. */
  readonly restarts: number;
  /** It ended again and again, soon after its start. */
  readonly crashLoop: boolean;
}

const hangs: Readonly<Record<Hang, string>> = {
  stopped: 'it is stopped',
  blocked: 'it waits for something for good',
  busy: 'it is busy and comes to no end',
};

/** Keeps a process running: one that does not answer and does nothing is killed, one that ends is started again, later and later while it ends soon after its start. Each event is one line of the log. */
export class Supervised {
  private child: ChildProcess | undefined;
  private gone: Promise<void> = Promise.resolve();
  private isWanted = true;
  private isEnding = false;
  private startedAt = 0;
  private starts = 0;
  private quickEnds = 0;
  private retry: NodeJS.Timeout | undefined;
  private steady: NodeJS.Timeout | undefined;
  private watchdog: Watchdog | undefined;
  /** How it ended last when it was asked to; undefined: it was not, or was killed for taking too long. */
  lastCode: number | null = null;

  /** `onEnd`: it ended without being asked to. */
  constructor(
    readonly program: Program,
    private readonly log: AppLog,
    private readonly onEnd: (end: ProcessEnd) => void = () => undefined,
    private readonly patience: Patience = usualPatience,
  ) {}

  get name(): string {
    return this.program.name;
  }

  get isRunning(): boolean {
    return this.child !== undefined && !this.isEnding;
  }

  /** Whether it is to run, and may be expected to. */
  get isExpected(): boolean {
    return this.isWanted && !this.isInCrashLoop;
  }

  get isInCrashLoop(): boolean {
    return this.quickEnds >= this.patience.loopEnds;
  }

  /** How often it was started. */
  get startCount(): number {
    return this.starts;
  }

  get state(): SupervisedState {
    const { name, kind } = this.program;
    const isUp = this.child !== undefined;
    return {
      name,
      kind,
      state: isUp ? (this.isEnding ? 'ending' : 'running') : this.isWanted ? 'waiting' : 'drained',
      pid: this.child?.pid,
      upMs: isUp ? Math.round(performance.now() - this.startedAt) : undefined,
      restarts: Math.max(0, this.starts - 1),
      crashLoop: this.isInCrashLoop,
    };
  }

  /** Starts it, and keeps it running from now on. */
  start(): void {
    this.isWanted = true;
    clearTimeout(this.retry);
    this.startedAt = performance.now();
    this.starts++;
    const child = this.program.start();
    this.child = child;
    this.gone = new Promise((resolve) => {
      const end = (how: ProcessEnd, problem?: Error): void => {
        if (this.child !== child) return;
        this.child = undefined;
        clearTimeout(this.steady);
        this.watchdog?.stop();
        resolve();
        this.ended(child.pid, how, problem);
      };
      child.once('exit', (code, signal) => end({ code, signal }));
      // It could not be started at all
      child.once('error', (error) => child.pid === undefined && end({ code: null, signal: null }, error));
    });
    this.steady = setTimeout(() => this.stay(), this.patience.steadyMs);
    this.steady.unref();
    this.watchdog = this.watch(child);
    if (!this.isInCrashLoop && child.pid !== undefined)
      this.log.info({ process: this.name, processId: child.pid }, `${this.name} is started`);
  }

  /** What it says of itself; undefined while it does not run, or does not answer. */
  async report(): Promise<AppReport | undefined> {
    return this.child === undefined ? undefined : this.program.report(this.child);
  }

  /** Asks it to end, and does not start it again. Resolves when it has ended; it is killed when that takes longer than `graceMs`. */
  async end(graceMs: number): Promise<void> {
    this.isWanted = false;
    clearTimeout(this.retry);
    const { child } = this;
    if (child === undefined) return;
    this.isEnding = true;
    // What it may take from now on is bounded anyway
    this.watchdog?.stop();
    this.program.askToEnd(child);
    const late = setTimeout(() => {
      this.log.error({ process: this.name, processId: child.pid }, `${this.name} has not ended after ${graceMs} ms and is killed`);
      child.kill('SIGKILL');
    }, graceMs);
    await this.gone;
    clearTimeout(late);
    this.isEnding = false;
  }

  /** Ends it as {@link end} does, and starts it anew. */
  async restart(graceMs: number): Promise<void> {
    await this.end(graceMs);
    this.quickEnds = 0;
    this.start();
  }

  /** Kills it now. */
  kill(): void {
    this.isWanted = false;
    this.child?.kill('SIGKILL');
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  private watch(child: ChildProcess): Watchdog | undefined {
    const { pid } = child;
    const { unresponsiveMs } = this.patience;
    if (pid === undefined || unresponsiveMs === 0) return undefined;
    const { name, program } = this;
    // An event loop runs on the main thread; nats-server has none
    const answers = program.kind === 'nats-server' ? 'any thread' : 'main thread';
    const watched = { answer: () => program.answer(child), progress: () => progressOf(pid, answers) };
    return new Watchdog(watched, unresponsiveMs, (hang, silentMs) => {
      this.log.error({ process: name, processId: pid, silentMs }, `${name} does not answer (${hangs[hang]}) and is killed`);
      child.kill('SIGKILL');
    });
  }

  private stay(): void {
    if (this.isInCrashLoop) this.log.info({ process: this.name, processId: this.child?.pid }, `${this.name} stays up again`);
    this.quickEnds = 0;
  }

  private ended(pid: number | undefined, end: ProcessEnd, problem: Error | undefined): void {
    const { code, signal } = end;
    const fields = { process: this.name, processId: pid, code: code ?? undefined, signal: signal ?? undefined, err: problem };
    if (this.isEnding || !this.isWanted) {
      this.lastCode = code;
      this.log.info(fields, `${this.name} has ended`);
      return;
    }
    const { firstMs, longestMs, loopEnds } = this.patience;
    this.quickEnds++;
    // What it cannot use today it hardly can in a second
    const isHopeless = this.isInCrashLoop || code === ConfigError.exitCode;
    const againInMs = isHopeless ? longestMs : Math.min(longestMs, firstMs * 2 ** (this.quickEnds - 1));
    if (this.quickEnds === loopEnds)
      this.log.error(
        { ...fields, againInMs },
        `${this.name} ends again and again: it is started every ${againInMs / 1000} s from now on, and nothing is said of that until it stays up`,
      );
    else if (this.quickEnds < loopEnds) this.log.error({ ...fields, againInMs }, `${this.name} has ended and is started again`);
    this.retry = setTimeout(() => this.start(), againInMs);
    this.onEnd(end);
  }
}
