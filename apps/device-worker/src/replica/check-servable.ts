import { resolve } from 'node:path';
import type { ServableDeclaration } from '@mserve/register';
import { ServableConfigError, ServableDirectoryError } from '../servable/servable-config-error.js';
import { openRunner, type OpenServableOptions } from './open-servable.js';
import { hasOwnConfig, listVersions, modelFiles, noVersion, passedOverVersions } from '../servable/servable-directory.js';

/** What a look at a servable found, without starting it. */
export interface ServableReport {
  readonly servable: string;
  /** undefined when the config could not be loaded. */
  readonly declaration: ServableDeclaration | undefined;
  /** What versions with a config of their own declare, as far as it could be loaded. */
  readonly ofVersions: ReadonlyMap<number, ServableDeclaration | undefined>;
  readonly versions: readonly number[];
  /** Why it could not be served. */
  readonly problems: readonly ServableConfigError[];
  /** What an author should know, but nothing that keeps it from being served. */
  readonly remarks: readonly string[];
}

/** Checks a servable as far as that goes without loading its models, and collects everything that is wrong. Never rejects for what is wrong with it. */
export async function checkServable(directory: string, name: string, options: OpenServableOptions = {}): Promise<ServableReport> {
  const root = resolve(directory);
  const problems: ServableConfigError[] = [];
  const remarks: string[] = [];
  const log = (_level: string, text: string): void => void remarks.push(text);
  const { declaration, broken } = await declared(root, name, { ...options, numParallelWorkers: 1, log }, problems);
  const versions = readVersions(root, name, problems);
  const ofVersions = new Map<number, ServableDeclaration | undefined>();
  for (const version of versions.filter((one) => hasOwnConfig(root, name, one))) {
    const own = await declared(root, name, { ...options, version, numParallelWorkers: 1, log }, problems);
    const known = own.declaration ?? own.broken;
    ofVersions.set(version, own.declaration);
    if (known !== undefined)
      collect(name, problems, () => modelFiles(root, name, version, known, { problems, linkRoot: options.linkRoot }));
  }
  // What is right in a broken config has its files looked at all the same.
  const looked = declaration ?? broken;
  const files = looked?.models.flatMap((model) => model.files) ?? [];
  for (const { distributed } of looked?.models ?? [])
    if (distributed !== undefined) remarks.push(`the files of its ${distributed.rankSize} ranks are looked at when its agents are started`);
  if (looked !== undefined && files.length > 0) {
    if (versions.length === 0) problems.push(noVersion(root, name, files));
    else remarks.push(...passedOverVersions(root, name, files));
    for (const version of versions.filter((one) => !ofVersions.has(one)))
      collect(name, problems, () => modelFiles(root, name, version, looked, { problems, linkRoot: options.linkRoot }));
  }
  if (declaration !== undefined) remarks.push(...unusedModels(declaration));
  return { servable: name, declaration, ofVersions, versions, problems, remarks };
}

interface Declared {
  readonly declaration?: ServableDeclaration;
  /** What a config with problems declares besides, as far as it came. */
  readonly broken?: ServableDeclaration | undefined;
}

async function declared(root: string, name: string, options: OpenServableOptions, problems: ServableConfigError[]): Promise<Declared> {
  try {
    const runner = await openRunner(root, name, options);
    await runner.close();
    return { declaration: runner.declaration };
  } catch (thrown) {
    const error = asServableConfigError(name, thrown);
    problems.push(...error.problems);
    return { broken: error.declared };
  }
}

function readVersions(root: string, name: string, problems: ServableConfigError[]): number[] {
  if (problems.some((problem) => problem instanceof ServableDirectoryError)) return [];
  const found = collect(name, problems, () => listVersions(root, name));
  return found ?? [];
}

/** A model that no stage uses may still be called by functions (Model.call), so it is no problem. */
function unusedModels({ models, methods }: ServableDeclaration): string[] {
  const used = new Set(methods.flatMap(({ stages }) => stages.filter(({ kind }) => kind === 'model').map(({ index }) => index)));
  return models.filter((_, index) => !used.has(index)).map(({ key }) => `model '${key}' is no stage of any method`);
}

function collect<T>(name: string, problems: ServableConfigError[], act: () => T): T | undefined {
  try {
    return act();
  } catch (thrown) {
    problems.push(...asServableConfigError(name, thrown).problems);
    return undefined;
  }
}

function asServableConfigError(name: string, thrown: unknown): ServableConfigError {
  return thrown instanceof ServableConfigError
    ? thrown
    : new ServableConfigError(name, thrown instanceof Error ? thrown.message : String(thrown));
}
