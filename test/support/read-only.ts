import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Root writes into any folder, whatever its mode: for root it has to be mounted read-only. */
const isRoot = process.getuid?.() === 0;

function mount(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`);
}

/** From now on nothing can be written into the folder. Throws where the system does not allow that. */
function makeReadOnly(folder: string): void {
  if (!isRoot) return chmodSync(folder, 0o555);
  mount('--bind', folder, folder);
  try {
    mount('-o', 'remount,ro,bind', folder);
  } catch (thrown) {
    makeWritable(folder);
    throw thrown;
  }
}

/** Takes back {@link makeReadOnly}. */
function makeWritable(folder: string): void {
  if (!isRoot) return chmodSync(folder, 0o755);
  // One that writes at this moment keeps the mount busy
  spawnSync('umount', ['--lazy', folder]);
}

function whyNot(): string | undefined {
  if (process.platform === 'win32') return 'folders of Windows are not made read-only in this way';
  const folder = mkdtempSync(join(tmpdir(), 'mserve-read-only-'));
  try {
    makeReadOnly(folder);
  } catch {
    return 'the system does not let root mount a folder read-only';
  }
  try {
    writeFileSync(join(folder, 'file'), '');
    return 'this user writes into folders that may not be written';
  } catch {
    return undefined;
  } finally {
    makeWritable(folder);
    rmSync(folder, { recursive: true });
  }
}

/** What keeps everybody from writing into a folder, and how that ends. */
export interface FolderObstacle {
  readonly what: string;
  /** Why it cannot be had here; undefined when it can. */
  readonly missing: string | undefined;
  begin(folder: string): void;
  end(folder: string): void;
}

export const folderObstacles: readonly FolderObstacle[] = [
  {
    what: 'a file in the place of their folder',
    missing: undefined,
    begin(folder) {
      renameSync(folder, `${folder}.aside`);
      writeFileSync(folder, '');
    },
    end(folder) {
      rmSync(folder);
      renameSync(`${folder}.aside`, folder);
    },
  },
  { what: 'a read-only folder', missing: whyNot(), begin: makeReadOnly, end: makeWritable },
];
