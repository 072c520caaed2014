import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../cli-error.js';

/** The oldest that will do. */
const least = [2, 14] as const;
const fileName = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

/** The variables that say where programs are. */
export interface ProgramEnvironment {
  readonly NATS_SERVER?: string | undefined;
  readonly PATH?: string | undefined;
  readonly XDG_CACHE_HOME?: string | undefined;
}

/** `2.15.2`; undefined when the program is no nats-server, or does not run. */
async function versionOf(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
    return /nats-server: v(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > least[0] || (major === least[0] && minor >= least[1]);
}

/**
 * The nats-server that the setting `natsServer` names, or NATS_SERVER, or else the first that will do of PATH and of the folder where `npm test` puts one. Rejects with
 * CliError, in one sentence, when there is none.
 */
export async function findNatsServer(named: string | undefined, env: ProgramEnvironment): Promise<string> {
  const needed = `nats-server ${least.join('.')} or newer`;
  const [by, wanted] = named === undefined ? ['NATS_SERVER', env.NATS_SERVER] : ['--nats-server', named];
  if (wanted !== undefined && wanted !== '') {
    const version = await versionOf(resolve(wanted));
    if (version === undefined) throw new CliError(`${by} names ${wanted}, which does not run as a nats-server: ${needed} is needed`, 78);
    if (!isNewEnough(version)) throw new CliError(`${by} names ${wanted}, which is version ${version}: ${needed} is needed`, 78);
    return resolve(wanted);
  }
  const cache = join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mserve/bin');
  const folders = [...(env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), cache];
  const old: string[] = [];
  for (const program of folders.map((folder) => resolve(folder, fileName))) {
    const version = await access(program, constants.X_OK).then(
      () => versionOf(program),
      () => undefined,
    );
    if (version === undefined) continue;
    if (isNewEnough(version)) return program;
    old.push(`${program} is version ${version}`);
  }
  const found = old.length === 0 ? '' : ` (${old.join(', ')})`;
  throw new CliError(
    `there is no ${needed}${found}: put one on PATH, name one by --nats-server, or, with Go, run: go install github.com/nats-io/nats-server/v2@latest`,
    78,
  );
}
