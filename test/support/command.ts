import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { root } from './running-process.js';

/** How a command ended. */
export interface CommandOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in the project's root to its end. Never rejects for its exit code. */
export function command(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26, env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? (error === null ? 0 : 128), stdout, stderr });
      },
    );
  });
}

/** The `mserve` command, as its own process. */
export function mserve(...args: readonly string[]): Promise<CommandOutcome> {
  return command(process.execPath, [join(root, 'apps/server/bin/mserve.mjs'), ...args]);
}
