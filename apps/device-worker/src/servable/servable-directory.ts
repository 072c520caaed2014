import { readdirSync, statSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import type { ServableDeclaration } from '@mserve/register';
import { comparableName, isServableName, maxVersion, nearest, servableNameRule } from '@mserve/wire';
import { foreignFile } from './foreign-file.js';
import { isInside, linkedFile, realPath } from './link-target.js';
import { ServableConfigError, ServableDirectoryError } from './servable-config-error.js';

/**
 * The original's layout of a servable directory: `{directory}/{servable}/servable_config.ts` and `{directory}/{servable}/{version}/{model files}`.
 * Nothing outside of the directory is read: names are checked before the file system is asked, and links that lead out are refused.
 */

/** File names of a servable's config, in the order in which they are looked for. */
const configNames = [
  'servable_config.ts',
  'servable_config.mts',
  'servable_config.cts',
  'servable_config.js',
  'servable_config.mjs',
  'servable_config.cjs',
];

/** What a version folder may be called, for texts. */
const versionRule = `a version is a folder that is called by a whole number from 1 to ${maxVersion}`;

/** Names of the servables in a directory, in alphabetical order: its folders with a servable_config. Throws ServableConfigError when it cannot be read. */
export function listServables(directory: string): string[] {
  return [...new Set(foldersWithConfig(directory).map(comparableName))].filter(isServableName).sort();
}

/** Why folders with a servable_config are no servables, one sentence for each. Throws ServableConfigError when the directory cannot be read. */
export function passedOverServables(directory: string): string[] {
  const folders = foldersWithConfig(directory);
  const strange = namesIn(directory).flatMap((folder) => {
    const config = folders.includes(folder)
      ? undefined
      : namesIn(join(directory, folder)).find((file) => likeConfig.test(file) && statOf(join(directory, folder, file))?.isFile() === true);
    return config === undefined ? [] : [`the folder '${folder}' is passed over: it has a ${config}, a servable_config.ts is expected`];
  });
  const misnamed = folders.flatMap((folder) => {
    const name = comparableName(folder);
    if (!isServableName(name)) return [`the folder '${folder}' is passed over: a servable is called by ${servableNameRule}`];
    const isDuplicate = name !== folder && folders.includes(name);
    return isDuplicate
      ? [`the folder '${folder}' is passed over: another folder has the same name, with its letters and accents composed`]
      : [];
  });
  return [...misnamed, ...strange];
}

/** A file that was meant to be a servable_config: of MindSpore Serving, or misspelt. */
const likeConfig = /^servables?[-_. ]?configs?\.[a-z]+$/i;

/** Throws ServableConfigError when the directory cannot be read. */
function foldersWithConfig(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new ServableConfigError('', `The servable directory '${directory}' does not exist`);
    if (code === 'ENOTDIR') throw new ServableConfigError('', `The servable directory '${directory}' is not a folder`);
    throw new ServableConfigError('', `The servable directory '${directory}' cannot be read: ${code ?? (thrown as Error).message}`);
  }
  return names.filter((name) => configNames.some((config) => statOf(join(directory, name, config))?.isFile() === true));
}

/** The path of a servable's folder, whose name on disk may have its accents apart from their letters. It need not be there. */
export function servableFolder(directory: string, name: string): string {
  return twinOf(directory, name);
}

/** The path of an entry of a folder, or of its twin whose accents and letters are composed otherwise. It need not be there. */
function twinOf(folder: string, name: string): string {
  const path = join(folder, name);
  if (statOf(path) !== undefined) return path;
  const comparable = comparableName(name);
  const twin = namesIn(folder).find((entry) => entry !== name && comparableName(entry) === comparable);
  return twin === undefined ? path : join(folder, twin);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Throws ServableConfigError when one of the names is no servable of the directory, or the directory cannot be read. */
export function checkServableNames(directory: string, names: readonly string[]): void {
  const known = listServables(directory);
  const name = names.find((one) => !known.includes(comparableName(one)));
  if (name === undefined) return;
  const close = nearest(name, known);
  const allowed = close === undefined ? `there ${known.length === 0 ? 'is none' : `are: ${known.join(', ')}`}` : `did you mean '${close}'?`;
  throw new ServableConfigError(
    name,
    `there is no servable '${name.slice(0, 64)}' in ${directory} (a folder with a servable_config.ts is expected); ${allowed}`,
  );
}

/**
 * Absolute path of a servable's config: with a `version`, of the one in that version's folder, where there is one. Throws ServableConfigError when
 * there is none or it leads out of the directory.
 */
export function findConfig(directory: string, name: string, linkRoot?: string, version?: number): string {
  if (!isServableName(name))
    throw new ServableDirectoryError(name, `servable name '${name.slice(0, 64)}' is not allowed: ${servableNameRule}`);
  const folder = servableFolder(directory, name);
  const where = `servable directory '${directory}', servable name '${name}'`;
  if (statOf(folder)?.isDirectory() !== true) throw new ServableDirectoryError(name, `directory '${folder}' not exist, ${where}`);
  const roots = [directory, ...(linkRoot === undefined ? [] : [linkRoot])].flatMap((one) => realPath(one) ?? []);
  const root = checkedInside(roots, folder, name, 'directory');
  const own = version === undefined ? undefined : ownConfig(folder, version);
  const config = own ?? configIn(root);
  if (config === undefined) throw new ServableDirectoryError(name, `file '${join(folder, 'servable_config.ts')}' not exist,  ${where}`);
  return checkedInside(roots, config, name, 'file');
}

function configIn(folder: string): string | undefined {
  return configNames.map((file) => join(folder, file)).find((file) => statOf(file)?.isFile() === true);
}

function ownConfig(folder: string, version: number): string | undefined {
  const versionFolder = versionFolders(folder).get(version);
  return versionFolder === undefined ? undefined : configIn(join(folder, versionFolder));
}

/** Whether a version has a config of its own in its folder. */
export function hasOwnConfig(directory: string, name: string, version: number): boolean {
  return ownConfig(servableFolder(directory, name), version) !== undefined;
}

/** The folders of a servable that are versions, by number, as paths; empty when there is no such servable. */
export function versionPaths(directory: string, name: string): ReadonlyMap<number, string> {
  const folder = servableFolder(directory, name);
  return statOf(folder)?.isDirectory() === true
    ? new Map([...versionFolders(folder)].map(([version, entry]) => [version, join(folder, entry)]))
    : new Map();
}

/** The folders of a servable that are versions, by number; of two that stand for the same number, the one without leading zeros. */
function versionFolders(folder: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const entry of readdirSync(folder)) {
    const version = versionOf(entry);
    if (version === undefined || statOf(join(folder, entry))?.isDirectory() !== true) continue;
    const other = found.get(version);
    if (other === undefined || entry.length < other.length) found.set(version, entry);
  }
  return found;
}

/** The number that a folder's name stands for: decimal digits, leading zeros allowed, from 1 to 2^53 - 1. */
function versionOf(entry: string): number | undefined {
  const version = /^[0-9]{1,64}$/.test(entry) ? Number(entry) : 0;
  return version >= 1 && version <= maxVersion ? version : undefined;
}

/** Version numbers of a servable, ascending: its folders that are called by a number. */
export function listVersions(directory: string, name: string): number[] {
  return [...versionFolders(servableFolder(directory, name)).keys()].sort((a, b) => a - b);
}

/**
 * Folders of a servable that look as if they were meant to be versions and are none, one sentence for each: those that hold one of `files`, and
 * those whose names begin with a number.
 */
export function passedOverVersions(directory: string, name: string, files: readonly string[]): string[] {
  const folder = servableFolder(directory, name);
  const versions = new Set(versionFolders(folder).values());
  return readdirSync(folder).flatMap((entry) => {
    if (versions.has(entry) || statOf(join(folder, entry))?.isDirectory() !== true) return [];
    const twin = versionOf(entry);
    if (twin !== undefined) return [`'${entry}' is passed over: '${twin}' is the same version`];
    const looksLikeVersion =
      /^v?[0-9]/i.test(entry) || (!entry.startsWith('.') && files.some((file) => statOf(join(folder, entry, file))?.isFile() === true));
    return looksLikeVersion ? [`'${entry}' is not a version and passed over: ${versionRule}`] : [];
  });
}

/**
 * The version to run: the given one, or for 0 the highest that is there. A servable without models (`files`, all of its models) needs no version
 * directory and runs as the given version, or 1. Throws ServableConfigError when there is no such version.
 */
export function resolveVersion(directory: string, name: string, version: number, files: readonly string[]): number {
  if (!Number.isSafeInteger(version) || version < 0) throw new ServableConfigError(name, `Parameter 'versionNumber' should be >= 0`);
  const versions = listVersions(directory, name);
  const highest = versions.at(-1);
  if (version === 0 && highest !== undefined) return highest;
  if (version !== 0 && versions.includes(version)) return version;
  if (files.length === 0) return version === 0 ? 1 : version;
  if (highest === undefined) {
    throw noVersion(directory, name, files);
  }
  throw new ServableConfigError(
    name,
    `Start servable failed: There is no specified version directory of models, specified version number: ${version}, ` +
      `servable directory: '${directory}', servable name: '${name}'`,
  );
}

/** There are models, but no version directory that they could be in. */
export function noVersion(directory: string, name: string, files: readonly string[]): ServableConfigError {
  const passedOver = passedOverVersions(directory, name, files);
  const folder = servableFolder(directory, name);
  const loose = files.find((file) => statOf(join(folder, file))?.isFile() === true);
  if (loose !== undefined) passedOver.unshift(`'${loose}' lies beside the config: it belongs into the folder of its version, '1/${loose}'`);
  return new ServableConfigError(
    name,
    `There is no valid version directory of models while there are models declared in ${basename(configIn(folder) ?? 'servable_config.ts')}, ` +
      `servable directory: ${directory}, servable name: ${name}${passedOver.length === 0 ? '' : `; ${passedOver.join('; ')}`}`,
  );
}

/** The folder of a version and the paths of its model files. */
export interface VersionFiles {
  /** undefined for a servable without models. */
  readonly versionDirectory: string | undefined;
  /** By model (its index in the declaration), one path per subgraph, links not followed. */
  readonly modelPaths: readonly (readonly string[])[];
  /** Real paths of the folders in which links of model files may lead: the servable's own, and the one that is allowed. */
  readonly linkRoots: readonly string[];
}

export interface ModelFilesOptions {
  /** Collects all problems; without it the first is thrown. */
  readonly problems?: ServableConfigError[] | undefined;
  /** A folder beside the servable's own that links may lead into. */
  readonly linkRoot?: string | undefined;
}

/**
 * Where the declared models' files are, checked: plain, not empty, and behind their links inside the servable's folder or `linkRoot`. Throws
 * ServableConfigError with the first problem.
 */
export function modelFiles(
  directory: string,
  name: string,
  version: number,
  declaration: ServableDeclaration,
  { problems, linkRoot }: ModelFilesOptions = {},
): VersionFiles {
  if (declaration.models.every(({ files }) => files.length === 0))
    return { versionDirectory: undefined, modelPaths: declaration.models.map(() => []), linkRoots: [] };
  const folder = servableFolder(directory, name);
  const linkRoots = [folder, ...(linkRoot === undefined ? [] : [linkRoot])].flatMap((root) => realPath(root) ?? []);
  const versionDirectory = checkedInside(
    linkRoots,
    join(folder, versionFolders(folder).get(version) ?? String(version)),
    name,
    'version directory',
  );
  const modelPaths = declaration.models.map(({ files, format }) =>
    files.map((file) => {
      const path = file.split('/').reduce(twinOf, versionDirectory);
      const linked = linkedFile(path, linkRoots);
      const foreign = linked.problem === undefined || linked.isFolder ? foreignFile(linked.path, format) : undefined;
      const problem = foreign ?? linked.problem;
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
  return { versionDirectory, modelPaths, linkRoots };
}

/** The real path of something below one of `roots` (real paths; the first is named in texts). Throws ServableDirectoryError when a link leads out of them. */
function checkedInside(roots: readonly string[], path: string, name: string, what: string): string {
  const real = realPath(path);
  if (real === undefined)
    throw new ServableDirectoryError(name, `${what} '${path}' cannot be read: it is not there, or a link to what is not there`);
  if (isInside(real, roots)) return real;
  throw new ServableDirectoryError(
    name,
    `${what} '${path}' is a link that leads out of '${roots[0] ?? ''}', to '${real}': copy what it leads to, or allow the folder by the setting linkRoot`,
  );
}

/** undefined also for what cannot be looked at: below a plain file (ENOTDIR), links in a circle (ELOOP), no permission. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
