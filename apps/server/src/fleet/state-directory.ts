import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { CliError } from '../cli-error.js';
import { makeDirectory } from '../make-directory.js';

/** The longest path of a socket that systems take, less its end. */
const longestSocketPath = 103;

/** The folder of a fleet's files, for one user alone: logins, settings of the processes, the socket that commands come in by. */
export class StateDirectory {
  private readonly written = new Set<string>();

  private constructor(readonly path: string) {}

  /**
   * Opens the folder, which is made when it is not there. Rejects with CliError when a fleet uses it now, when others than its owner can look into it, or when it cannot be made.
   * What a fleet that was killed has left there goes, its nats-server too.
   */
  static async open(path: string): Promise<StateDirectory> {
    const folder = resolve(path);
    const socket = socketOf(folder);
    try {
      if (statSync(folder, { throwIfNoEntry: false }) === undefined) {
        makeDirectory(folder);
        chmodSync(folder, 0o700);
      }
    } catch (error) {
      throw new CliError(`the state directory ${folder} cannot be made: ${(error as Error).message}`, 78);
    }
    const { mode } = statSync(folder);
    if ((mode & 0o077) !== 0)
      throw new CliError(
        `the state directory ${folder} is to hold logins, and others than its owner may look into it: chmod 700 ${folder}`,
        78,
      );
    if (await answers(socket))
      throw new CliError(`a fleet runs already with the state directory ${folder}: --state-directory names another one`);
    const state = new StateDirectory(folder);
    state.endLeftNats();
    for (const name of ['fleet.sock', 'users', 'loads']) rmSync(join(folder, name), { recursive: true, force: true });
    return state;
  }

  /** Of a file or folder in it. */
  at(name: string): string {
    return join(this.path, name);
  }

  get socket(): string {
    return socketOf(this.path);
  }

  /** Writes a file that only this user can read; gives its path. */
  write(name: string, text: string): string {
    const path = this.at(name);
    this.written.add(name);
    rmSync(path, { force: true });
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    return path;
  }

  noteNats(pid: number | undefined): void {
    this.write('nats-server.pid', `${pid}\n`);
  }

  /** Removes what was written. */
  clear(): void {
    for (const name of [...this.written, 'users', 'loads', 'fleet.sock']) rmSync(this.at(name), { recursive: true, force: true });
  }

  /** Apps end with the fleet that started them, also with one that is killed; nats-server does not. */
  private endLeftNats(): void {
    let pid: number;
    try {
      pid = Number(readFileSync(this.at('nats-server.pid'), 'utf8'));
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (!args.includes(this.at('nats.conf'))) return;
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has none, or it has ended
    }
  }
}

/** Where the fleet with this state directory takes commands. Throws CliError when that is too long for a socket. */
export function socketOf(directory: string): string {
  const path = join(resolve(directory), 'fleet.sock');
  if (Buffer.byteLength(path) > longestSocketPath)
    throw new CliError(
      `the path of the state directory is too long for the socket in it: ${path} has more than ${longestSocketPath} bytes`,
      78,
    );
  return path;
}

function answers(socket: string): Promise<boolean> {
  return new Promise((settle) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      settle(true);
    });
    probe.once('error', () => settle(false));
  });
}
