import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { NativeError } from './native-error.js';

const isMac = process.platform === 'darwin';
const libraryNames = isMac ? ['libonnxruntime.1.dylib', 'libonnxruntime.dylib'] : ['libonnxruntime.so.1', 'libonnxruntime.so'];

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** ONNX Runtime's library in a folder, e.g. libonnxruntime.so.1 or, in a Python package, libonnxruntime.so.1.24.4. */
function libraryIn(folder: string): string | undefined {
  const names = namesIn(folder);
  const name =
    libraryNames.find((one) => names.includes(one)) ?? names.filter((one) => /^libonnxruntime\.(so\.1\.|1\..*dylib$)/.test(one)).at(-1);
  return name && join(folder, name);
}

/** @mserve/onnxruntime, which comes with the installed mserve, or npm's onnxruntime-node, whose libraries it has. */
function npmPackage(): string {
  const { resolve } = createRequire(import.meta.url);
  try {
    return dirname(resolve('@mserve/onnxruntime/package.json'));
  } catch {
    // not an installed mserve, but its repository
  }
  try {
    return dirname(resolve('onnxruntime-node/package.json'));
  } catch (error) {
    throw new NativeError('library', 'the npm package onnxruntime-node is not installed; install it or pass libraryPath', { cause: error });
  }
}

/** The folder of the npm package's libraries for this platform and architecture. Throws a NativeError of kind 'library' when there is none. */
function npmLibrary(): string {
  const bin = join(npmPackage(), 'bin');
  for (const version of namesIn(bin)
    .filter((name) => name.startsWith('napi-v'))
    .reverse()) {
    const library = libraryIn(join(bin, version, process.platform, process.arch));
    if (library !== undefined) return library;
  }
  throw new NativeError('library', `onnxruntime-node has no library for ${process.platform}-${process.arch}; pass libraryPath`);
}

/** Folders `…/site-packages` of the Pythons that a person would expect: the active environment's, the user's, the machine's. */
function pythonPackages(): string[] {
  const { VIRTUAL_ENV, CONDA_PREFIX } = process.env;
  const prefixes = [VIRTUAL_ENV, CONDA_PREFIX, join(homedir(), '.local'), '/usr/local', '/usr'].filter(
    (one) => one !== undefined && one !== '',
  );
  return prefixes.flatMap((prefix) => {
    const lib = join(prefix as string, 'lib');
    return namesIn(lib)
      .filter((name) => /^python3/.test(name))
      .reverse()
      .flatMap((python) => ['site-packages', 'dist-packages'].map((packages) => join(lib, python, packages)));
  });
}

/** Whether the build of ONNX Runtime that this library is of has the provider: its code is a library of its own, beside it. */
function hasProvider(library: string, provider: string): boolean {
  return provider === 'cpu' || existsSync(join(dirname(library), `libonnxruntime_providers_${provider}.so`));
}

/** Where the library for a provider was found. Searched once: installing something needs a new process anyway. */
const foundLibraries = new Map<string, string>();

/**
 * Path of ONNX Runtime's shared library for a provider ('cpu', 'cuda', 'tensorrt', 'cann'): the npm package onnxruntime-node's; for another
 * provider than 'cpu', the first that has it: the npm package's, or that of the Python package onnxruntime-gpu or onnxruntime-cann in
 * $VIRTUAL_ENV, $CONDA_PREFIX, ~/.local, /usr/local or /usr. Where none has it, the npm package's. Throws a NativeError of kind 'library' when
 * there is no library at all.
 */
export function defaultLibraryPath(provider = 'cpu'): string {
  let found = foundLibraries.get(provider);
  if (found === undefined) {
    const npm = npmLibrary();
    const candidates = provider === 'cpu' ? [] : pythonPackages().map((packages) => libraryIn(join(packages, 'onnxruntime', 'capi')));
    found = [npm, ...candidates].find((library) => library !== undefined && hasProvider(library, provider)) ?? npm;
    foundLibraries.set(provider, found);
  }
  return found;
}

/** The library that a setting names: a file, or the folder that it is in. Throws a NativeError of kind 'library' when it is neither. */
export function libraryAt(path: string): string {
  const library = libraryIn(path) ?? (existsSync(path) && basename(path).startsWith('libonnxruntime') ? path : undefined);
  if (library !== undefined) return library;
  throw new NativeError('library', `${path} is neither ONNX Runtime's library (${libraryNames[0]}) nor a folder with it`);
}
