import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Whether there is a python3 that can make virtual environments. */
export function hasPython(): boolean {
  return spawnSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'ignore' }).status === 0;
}

/** The python of a virtual environment with these packages, made once and kept in the cache folder. Throws with pip's own words when it cannot be made. */
export function pythonWith(packages: readonly string[]): string {
  const key = createHash('sha256').update(packages.join('\n')).digest('hex').slice(0, 12);
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mserve', `venv-${key}`);
  const python = join(folder, 'bin/python');
  const stamp = join(folder, 'complete');
  if (existsSync(stamp)) return python;
  const release = lock(folder);
  try {
    if (!existsSync(stamp)) makeVenv(folder, python, packages);
  } finally {
    release();
  }
  return python;
}

const lockMs = 600_000;

/** Only one of several test processes makes a folder; the others wait. A lock that is older than ten minutes belongs to nobody any more. */
function lock(folder: string): () => void {
  const path = `${folder}.lock`;
  mkdirSync(dirname(folder), { recursive: true });
  for (;;) {
    try {
      mkdirSync(path);
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats !== undefined && Date.now() - stats.mtimeMs > lockMs) rmSync(path, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

function makeVenv(folder: string, python: string, packages: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  for (const [command, args] of [
    ['python3', ['-m', 'venv', folder]],
    [python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages]],
  ] as const) {
    const { status, stderr, stdout } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
  }
  writeFileSync(join(folder, 'complete'), packages.join('\n'));
}
