import { spawn, type ChildProcess } from 'node:child_process';
import cluster from 'node:cluster';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { askOfApp, type AppReport, type ReportMessage } from '@mserve/app';
import type { Address } from '@mserve/config';
import type { ProcessKind, Program } from './supervised.js';

/** Where what a process writes goes, line by line. */
export type OutputLine = (name: string, line: string) => void;

/** Variables of a process; undefined: it does not have this one, though this process may. */
export type ProcessEnvironment = Readonly<Record<string, string | undefined>>;

/** An app that does not answer for longer is not asked any longer, this time. */
const answerMs = 1_000;

function follow(child: ChildProcess, name: string, output: OutputLine): void {
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null)
      createInterface({ input: stream })
        .on('line', (line) => output(name, line))
        .on('error', () => undefined);
}

/** How `mserve app` is started: flags of node, and the file of the command. */
export interface AppCommand {
  readonly execArgv: readonly string[];
  readonly file: string;
}

/** An app, which reads its settings from `configFile`. */
abstract class AppProgram implements Program {
  private questions = 0;
  private readonly waiting = new Map<number, (report: AppReport | undefined) => void>();

  constructor(
    readonly name: string,
    readonly kind: ProcessKind,
    private readonly configFile: string,
    protected readonly command: AppCommand,
    protected readonly env: ProcessEnvironment,
    private readonly output: OutputLine,
  ) {}

  start(): ChildProcess {
    const child = this.launch();
    follow(child, this.name, this.output);
    child.on('message', (message) => {
      const { id, report } = message as ReportMessage;
      this.waiting.get(id)?.(report);
    });
    child.once('exit', () => {
      for (const answer of [...this.waiting.values()]) answer(undefined);
    });
    return child;
  }

  askToEnd(child: ChildProcess): void {
    // A terminal's Ctrl+C may have told it already: that of a message it does not take for a second one
    if (child.connected) child.send({ ask: askOfApp.end }, () => undefined);
    else child.kill('SIGTERM');
  }

  answer(child: ChildProcess): Promise<void> {
    return new Promise((resolve) => this.ask(child, askOfApp.alive, () => resolve()));
  }

  report(child: ChildProcess): Promise<AppReport | undefined> {
    if (!child.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const forget = this.ask(child, askOfApp.report, (report) => {
        clearTimeout(late);
        resolve(report);
      });
      const late = setTimeout(() => {
        forget();
        resolve(undefined);
      }, answerMs);
    });
  }

  /** `onAnswer` is called with the answer, or with nothing when the process ends before. Call what is given back to wait no longer. */
  private ask(
    child: ChildProcess,
    ask: typeof askOfApp.alive | typeof askOfApp.report,
    onAnswer: (report?: AppReport) => void,
  ): () => void {
    const id = ++this.questions;
    const forget = (): void => void this.waiting.delete(id);
    this.waiting.set(id, (report) => {
      forget();
      onAnswer(report);
    });
    if (child.connected) child.send({ ask, id }, () => undefined);
    return forget;
  }

  protected get args(): string[] {
    return ['app', this.kind === 'worker' ? 'device-worker' : this.kind, '--config', this.configFile];
  }

  protected abstract launch(): ChildProcess;
}

/** A scheduler or a device-worker. */
export class DetachedApp extends AppProgram {
  protected launch(): ChildProcess {
    const { execArgv, file } = this.command;
    return spawn(process.execPath, [...execArgv, file, ...this.args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: this.env,
      // A terminal's Ctrl+C is for the fleet, which ends its processes one kind after the other
      detached: true,
    });
  }
}

/** A gateway: one of a cluster of Node, whose processes share their public ports (ADR 26). */
export class ClusterGateway extends AppProgram {
  protected launch(): ChildProcess {
    cluster.schedulingPolicy = cluster.SCHED_RR;
    const { execArgv, file } = this.command;
    cluster.setupPrimary({ exec: file, args: this.args, execArgv: [...execArgv], silent: true });
    return cluster.fork(this.env).process;
  }
}

/** The nats-server. */
export class NatsProgram implements Program {
  readonly name = 'nats-server';
  readonly kind = 'nats-server';
  private readonly ready = new WeakSet<ChildProcess>();

  constructor(
    private readonly program: string,
    private readonly configFile: string,
    private readonly address: Extract<Address, { kind: 'tcp' }>,
    private readonly onStart: (pid: number | undefined) => void,
    private readonly output: OutputLine,
  ) {}

  start(): ChildProcess {
    const child = spawn(this.program, ['-c', this.configFile], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.onStart(child.pid);
    follow(child, this.name, (name, line) => {
      if (line.includes('Server is ready')) this.ready.add(child);
      if (/\[(?:WRN|ERR|FTL)\]|^nats-server: /.test(line)) this.output(name, line);
    });
    return child;
  }

  askToEnd(child: ChildProcess): void {
    child.kill('SIGTERM');
  }

  /** It greets whoever connects. */
  answer(): Promise<void> {
    const { address } = this;
    const socket = connect({ host: address.host, port: address.port });
    return new Promise((resolve, reject) => {
      socket.once('data', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('it said nothing')));
    });
  }

  report(child: ChildProcess): Promise<AppReport> {
    return Promise.resolve({ ready: this.ready.has(child), settled: this.ready.has(child) });
  }
}
