import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where benches keep what they install. */
export const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mserve');

/** The folder of a virtual environment below {@link cache} that has these Python packages; made when it is not there. */
export function pythonVenv(name, packages) {
  const venv = join(cache, name);
  if (existsSync(join(venv, 'installed'))) return venv;
  process.stderr.write(`installing ${packages.join(', ')} into ${venv} ...\n`);
  mkdirSync(dirname(venv), { recursive: true });
  execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
  execFileSync(join(venv, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ...packages], { stdio: 'inherit' });
  mkdirSync(join(venv, 'installed'));
  return venv;
}
