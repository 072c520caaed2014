import { spawn, type ChildProcess } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface RunningProcess {
  readonly child: ChildProcess;
  /** Everything it wrote to stdout and stderr so far. */
  output(): string;
  /** Resolves with the first stdout or stderr line that `wanted` accepts (also one of the past); rejects when the process ends before. */
  line(wanted: (line: string) => boolean): Promise<string>;
  /** Sends SIGTERM (or another signal) and resolves with the exit code (128 + signal number when a signal ended it). */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

/** Starts a process (`detached`: in a group of its own) in the project's root and keeps its output, so that a test can wait for a line instead of sleeping. */
export function startProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { detached = false }: { readonly detached?: boolean } = {},
): RunningProcess {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached });
  const lines: string[] = [];
  const waiting = new Set<{ wanted: (line: string) => boolean; resolve: (line: string) => void; reject: (error: Error) => void }>();
  const onLine = (line: string): void => {
    lines.push(line);
    for (const waiter of [...waiting]) {
      if (!waiter.wanted(line)) continue;
      waiting.delete(waiter);
      waiter.resolve(line);
    }
  };
  if (child.stdout) createInterface({ input: child.stdout }).on('line', onLine);
  if (child.stderr) createInterface({ input: child.stderr }).on('line', onLine);
  const ended = new Promise<number>((resolve) => {
    child.once('close', (code, signal) => {
      for (const waiter of waiting)
        waiter.reject(new Error(`${command} ${args.join(' ')} ended (${signal ?? code}) before the line came:\n${lines.join('\n')}`));
      waiting.clear();
      resolve(code ?? 128);
    });
  });
  return {
    child,
    output: () => lines.join('\n'),
    line: (wanted) => {
      const past = lines.find(wanted);
      if (past !== undefined) return Promise.resolve(past);
      if (child.exitCode !== null) return Promise.reject(new Error(`${command} has ended:\n${lines.join('\n')}`));
      return new Promise((resolve, reject) => waiting.add({ wanted, resolve, reject }));
    },
    stop: (signal = 'SIGTERM') => {
      if (child.exitCode === null) child.kill(signal);
      return ended;
    },
  };
}

export interface ServerAddresses {
  readonly rest: string;
  readonly grpc: string;
}

/** `mserve app NAME` as its own process, which is there in a third of the time of `node apps/NAME/dist/main.js`. */
export function startApp(app: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningProcess {
  return startProcess(process.execPath, ['apps/server/dist/main.js', 'app', app, ...args], env);
}

/** `mserve serve` as its own process on free ports; resolves when it is ready. */
export async function serveDirectory(
  directory: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  options: { readonly detached?: boolean } = {},
): Promise<RunningProcess & ServerAddresses> {
  const command = ['apps/server/dist/main.js', 'serve', directory, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json', ...args];
  const running = startProcess(process.execPath, command, env, options);
  const addresses = JSON.parse(await running.line((line) => line.startsWith('{"rest"'))) as ServerAddresses;
  return { ...running, rest: addresses.rest, grpc: addresses.grpc };
}
