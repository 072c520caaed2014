import { lstatSync, readdirSync, readlinkSync, statSync, type Dirent, type Stats } from 'node:fs';
import { join, resolve, sep } from 'node:path';

/** `/proc/PID/root` and `/proc/PID/cwd` lead into another container: readlink gives a path there, not here. */
const portal = /^\/proc\/[^/]+(\/task\/[^/]+)?\/(root|cwd)$/;
const maxLinks = 40;
/** Names looked at before a search ends without a result. */
const maxNames = 100_000;

/** The path without symbolic links (`/proc/PID/root` stays as it is). undefined: something on the way is not there, or links go in a circle. */
export function realPath(path: string): string | undefined {
  let real = '';
  const steps = resolve(path).split(sep).reverse();
  for (let links = 0; steps.length > 0;) {
    const step = steps.pop() as string;
    if (step === '' || step === '.') continue;
    if (step === '..') {
      real = real.slice(0, Math.max(0, real.lastIndexOf(sep)));
      continue;
    }
    const next = `${real}${sep}${step}`;
    const target = targetOf(next);
    if (target === undefined || (target !== '' && ++links > maxLinks)) return undefined;
    if (target === '') real = next;
    else {
      if (target.startsWith(sep)) real = '';
      steps.push(...target.split(sep).reverse());
    }
  }
  return real === '' ? sep : real;
}

/** What a symbolic link says; '' for what is none; undefined for what is not there. */
function targetOf(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() && !portal.test(path) ? readlinkSync(path) : '';
  } catch {
    return undefined;
  }
}

/** Whether a real path is one of some folders (real paths) or lies below one. */
export function isInside(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => path === root || path.startsWith(root.endsWith(sep) ? root : root + sep));
}

/** Whether every name of a file (every hard link) lies in one of the folders. Those are searched only when the file has several. */
function hasAllNamesInside({ nlink, ino, dev }: Stats, roots: readonly string[]): boolean {
  if (nlink === 1) return true;
  const found = new Set<string>();
  const folders = [...roots];
  for (let looked = 0; folders.length > 0;) {
    const folder = folders.pop() as string;
    for (const entry of entriesOf(folder)) {
      if (++looked > maxNames) return false;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) {
        const stats = statSync(path, { throwIfNoEntry: false });
        if (stats?.ino === ino && stats.dev === dev && found.add(path).size === nlink) return true;
      }
    }
  }
  return false;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

const cure = 'copy what it leads to, or allow the folder by the setting linkRoot';

/** A file of a model, links followed. */
export interface LinkedFile {
  /** Real path of the file. */
  readonly path: string;
  /** It has several names, which may all be there. */
  readonly isHardLink: boolean;
  /** It is a folder, which may be looked into. */
  readonly isFolder: boolean;
  /** Why it may not be used. */
  readonly problem: string | undefined;
}

/** What a model file is behind its links, and whether that may be served. `roots`: real paths of the folders in which it may lie, all its names included. */
export function linkedFile(path: string, roots: readonly string[]): LinkedFile {
  const real = realPath(path);
  const stats = real === undefined ? undefined : lstatSync(real, { throwIfNoEntry: false });
  if (real === undefined || stats === undefined) {
    const isDanglingLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    const problem = isDanglingLink ? 'is a symbolic link to a file that does not exist' : 'does not exist';
    return { path, isHardLink: false, isFolder: false, problem };
  }
  const isFolder = stats.isDirectory() && isInside(real, roots);
  return { path: real, isHardLink: !isFolder && stats.nlink > 1, isFolder, problem: problemOf(path, real, stats, roots) };
}

function problemOf(path: string, real: string, stats: Stats, roots: readonly string[]): string | undefined {
  if (!isInside(real, roots)) {
    const isLink = lstatSync(path).isSymbolicLink();
    return `${isLink ? 'is a symbolic link that leads' : 'lies behind a link that leads'} out of the servable's folder, to '${real}': ${cure}`;
  }
  if (!stats.isFile()) return 'is not a plain file';
  if (stats.size === 0) return 'is empty';
  // Another name of the file may be under somebody else's control.
  if (!hasAllNamesInside(stats, roots))
    return `has more than one hard link (${stats.nlink}), not all in the servable's folder: copy the file, or allow the folder of the others by the setting linkRoot`;
  return undefined;
}
