import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '../..');

/** An ONNX Runtime that can be held up (libs/native/test/held-onnxruntime), built into a folder: its path for the setting onnxruntimeLibrary, and the environment that it needs. */
export function buildHeldRuntime(folder: string): { library: string; env: Record<string, string> } {
  const library = join(folder, 'libonnxruntime.so.1');
  const source = join(root, 'libs/native/test/held-onnxruntime/held_onnxruntime.cc');
  const options = ['-std=c++20', '-O1', '-shared', '-fPIC', '-pthread', `-I${join(root, 'libs/native/src/native')}`];
  execFileSync(process.env['CXX'] ?? 'c++', [...options, source, '-o', library, '-ldl']);
  const addons = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')), 'bin');
  const folders = readdirSync(addons).map((version) => join(addons, version, process.platform, process.arch));
  const real = folders
    .flatMap((one) => readdirSync(one).map((name) => join(one, name)))
    .find((path) => /libonnxruntime\.so\.1$/.test(path));
  if (real === undefined) throw new Error(`no ONNX Runtime in ${addons}`);
  return { library, env: { HELD_ONNXRUNTIME: real } };
}

/** A thread of some process that has come to a step, and goes on with `go`. */
export interface HeldStep {
  /** open: a session is about to be made; begin and end of a run. */
  readonly what: 'open' | 'begin' | 'end';
  readonly pid: number;
  readonly thread: number;
  /** Counts the sessions of the process from 0. */
  readonly session: number;
  readonly go: () => void;
}

/** Hears of the steps of all processes that use the runtime of {@link buildHeldRuntime}: all of them go on at once but those that somebody waits for. */
export class HeldSteps {
  private readonly sockets = new Set<Socket>();
  private readonly waiting = new Set<{ matches: (step: HeldStep) => boolean; resolve: (step: HeldStep) => void }>();
  /** By process: the thread that ran last. */
  readonly threads = new Map<number, number>();

  private constructor(
    private readonly server: Server,
    /** Of processes that are to be heard of. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  static listen(path: string): Promise<HeldSteps> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      const steps = new HeldSteps(server, { HELD_ONNXRUNTIME_SOCKET: path });
      server.on('connection', (socket) => steps.hear(socket));
      server.once('error', reject);
      server.listen(path, () => resolve(steps));
    });
  }

  /** The next step that matches, which is held until its `go` is called. */
  next(matches: (step: HeldStep) => boolean): Promise<HeldStep> {
    return new Promise((resolve) => this.waiting.add({ matches, resolve }));
  }

  /** Lets everything go on. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private hear(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    // A process waits for the answer to its line before it writes the next one
    socket.setEncoding('latin1').on('data', (line: string) => {
      const [what = '', pid, thread, session] = line.split(' ');
      const go = (): void => void socket.write('.');
      const step: HeldStep = { what: what as HeldStep['what'], pid: Number(pid), thread: Number(thread), session: Number(session), go };
      if (step.what !== 'open') this.threads.set(step.pid, step.thread);
      const waiter = [...this.waiting].find(({ matches }) => matches(step));
      if (waiter === undefined) return go();
      this.waiting.delete(waiter);
      waiter.resolve(step);
    });
  }
}

/** How often a thread gave its core away of its own accord. */
export function switchesOf(pid: number, thread: number): number {
  const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
}

/** Resolves when a thread has worked and waits again, since it had given its core away `switches` times. Linux. */
export async function whenAsleep(pid: number, thread: number, switches: number): Promise<void> {
  const sleeps = (): boolean => / S /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1').replace(/^.*\)/, ''));
  while (!(switchesOf(pid, thread) > switches && sleeps())) await delay(1);
}
