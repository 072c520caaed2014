import { lstatSync, readdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import { join, sep } from 'node:path';
import { nearest } from '@mserve/config';
import type { ServableDeclaration } from '@mserve/register';
import { ServableConfigError, ServableDirectoryError } from './servable-config-error.js';

/**
 * The layout of SPEC 4: `{directory}/{servable}/servable_config.ts` and `{directory}/{servable}/{version}/{model files}`.
 * Nothing outside of the directory is read: names are checked before the file system is asked, and links that lead out are refused.
 */

/** File names of a servable's config, in the order in which they are looked for. */
export const configNames = [
  'servable_config.ts',
  'servable_config.mts',
  'servable_config.cts',
  'servable_config.js',
  'servable_config.mjs',
  'servable_config.cjs',
];

const servableName = /^[A-Za-z0-9_-]{1,64}$/;
const versionName = /^[1-9][0-9]{0,8}$/;

/** Whether a name can be a servable's: letters, digits, `_` and `-`, at most 64. */
export function isServableName(name: string): boolean {
  return servableName.test(name);
}

/** Names of the servables in a directory, in alphabetical order: its folders with a servable_config. Throws ServableConfigError when it cannot be read. */
export function listServables(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new ServableConfigError('', `The servable directory '${directory}' does not exist`);
    if (code === 'ENOTDIR') throw new ServableConfigError('', `The servable directory '${directory}' is not a folder`);
    throw new ServableConfigError('', `The servable directory '${directory}' cannot be read: ${code ?? (thrown as Error).message}`);
  }
  return names
    .filter((name) => isServableName(name) && configNames.some((config) => statOf(join(directory, name, config))?.isFile() === true))
    .sort();
}

/** Throws ServableConfigError when one of the names is no servable of the directory, or the directory cannot be read. */
export function checkServableNames(directory: string, names: readonly string[]): void {
  const known = listServables(directory);
  const name = names.find((one) => !known.includes(one));
  if (name === undefined) return;
  const close = nearest(name, known);
  const allowed = close === undefined ? `there ${known.length === 0 ? 'is none' : `are: ${known.join(', ')}`}` : `did you mean '${close}'?`;
  throw new ServableConfigError(
    name,
    `there is no servable '${name.slice(0, 64)}' in ${directory} (a folder with a servable_config.ts is expected); ${allowed}`,
  );
}

/** Absolute path of a servable's config. Throws ServableConfigError when there is none or it leads out of the directory. */
export function findConfig(directory: string, name: string): string {
  if (!isServableName(name))
    throw new ServableDirectoryError(name, `servable name '${name.slice(0, 64)}' is not allowed: 1 to 64 letters, digits, '_' and '-'`);
  const folder = join(directory, name);
  const where = `servable directory '${directory}', servable name '${name}'`;
  if (statOf(folder)?.isDirectory() !== true) throw new ServableDirectoryError(name, `directory '${folder}' not exist, ${where}`);
  const root = checkedInside(directory, folder, name, 'directory');
  const config = configNames.map((file) => join(root, file)).find((file) => statOf(file)?.isFile() === true);
  if (config === undefined) throw new ServableDirectoryError(name, `file '${join(folder, 'servable_config.ts')}' not exist,  ${where}`);
  return checkedInside(directory, config, name, 'file');
}

/** Version numbers of a servable, ascending: its folders that are called by a positive decimal without leading zeros. */
export function listVersions(directory: string, name: string): number[] {
  const folder = join(directory, name);
  return readdirSync(folder)
    .filter((entry) => versionName.test(entry) && statOf(join(folder, entry))?.isDirectory() === true)
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * The version to run: the given one, or for 0 the highest that is there. A servable without models needs no version directory and
 * runs as the given version, or 1. Throws ServableConfigError when there is no such version.
 */
export function resolveVersion(directory: string, name: string, version: number, hasModels: boolean): number {
  if (!Number.isSafeInteger(version) || version < 0) throw new ServableConfigError(name, `Parameter 'versionNumber' should be >= 0`);
  const versions = listVersions(directory, name);
  const highest = versions.at(-1);
  if (version === 0 && highest !== undefined) return highest;
  if (version !== 0 && versions.includes(version)) return version;
  if (!hasModels) return version === 0 ? 1 : version;
  if (highest === undefined) {
    throw new ServableConfigError(
      name,
      `There is no valid version directory of models while there are models declared in servable_config, ` +
        `servable directory: ${directory}, servable name: ${name}`,
    );
  }
  throw new ServableConfigError(
    name,
    `Start servable failed: There is no specified version directory of models, specified version number: ${version}, ` +
      `servable directory: '${directory}', servable name: '${name}'`,
  );
}

/** The folder of a version and the paths of its model files. */
export interface VersionFiles {
  /** undefined for a servable without models. */
  readonly versionDirectory: string | undefined;
  /** By model (its index in the declaration), one path per subgraph. */
  readonly modelPaths: readonly (readonly string[])[];
}

/**
 * Where the declared models' files are, checked: plain, not empty, inside the servable's directory. Throws ServableConfigError with the first
 * problem; `problems` collects all of them instead.
 */
export function modelFiles(
  directory: string,
  name: string,
  version: number,
  declaration: ServableDeclaration,
  problems?: ServableConfigError[],
): VersionFiles {
  if (declaration.models.length === 0) return { versionDirectory: undefined, modelPaths: [] };
  const versionDirectory = checkedInside(join(directory, name), join(directory, name, String(version)), name, 'version directory');
  const modelPaths = declaration.models.map(({ files }) =>
    files.map((file) => {
      const path = join(versionDirectory, file);
      const problem = modelFileProblem(versionDirectory, path);
      if (problem === undefined) return path;
      const error = new ServableConfigError(
        name,
        `Load model failed, servable name: ${name}, version: ${version}, model file '${file}' ${problem}`,
      );
      if (problems === undefined) throw error;
      problems.push(error);
      return path;
    }),
  );
  return { versionDirectory, modelPaths };
}

function modelFileProblem(versionDirectory: string, path: string): string | undefined {
  const stats = lstatOf(path);
  if (stats === undefined) return 'does not exist';
  if (stats.isSymbolicLink()) return 'is a symbolic link';
  if (!realpathSync(path).startsWith(versionDirectory + sep)) return 'lies outside of its version directory';
  if (!stats.isFile()) return 'is not a plain file';
  if (stats.size === 0) return 'is empty';
  // Another name of the file may be under somebody else's control.
  if (stats.nlink > 1) return 'has more than one hard link';
  return undefined;
}

/** The real path of something below `root`. Throws ServableConfigError when a link leads out of `root`. */
function checkedInside(root: string, path: string, name: string, what: string): string {
  try {
    const real = realpathSync(path);
    if (real.startsWith(realpathSync(root) + sep)) return real;
  } catch (thrown) {
    throw new ServableDirectoryError(name, `${what} '${path}' cannot be read: ${(thrown as Error).message}`);
  }
  throw new ServableDirectoryError(name, `${what} '${path}' is a link that leads out of '${root}'`);
}

/** undefined also for what cannot be looked at: below a plain file (ENOTDIR), links in a circle (ELOOP), no permission. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function lstatOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
