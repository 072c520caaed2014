import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { NativeError } from './native-error.js';

let found: string | undefined;

/**
 * Path of ONNX Runtime's shared library in the npm package onnxruntime-node, for this platform and architecture.
 * Throws a NativeError of kind 'library' when the package or its library is missing.
 */
export function defaultLibraryPath(): string {
  found ??= findLibrary();
  return found;
}

function findLibrary(): string {
  let packageFolder: string;
  try {
    packageFolder = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  } catch (error) {
    throw new NativeError('library', 'the npm package onnxruntime-node is not installed; install it or pass libraryPath', { cause: error });
  }
  const bin = join(packageFolder, 'bin');
  const names =
    process.platform === 'darwin' ? ['libonnxruntime.1.dylib', 'libonnxruntime.dylib'] : ['libonnxruntime.so.1', 'libonnxruntime.so'];
  const versions = existsSync(bin)
    ? readdirSync(bin)
        .filter((name) => name.startsWith('napi-v'))
        .sort()
    : [];
  for (const version of versions.reverse()) {
    for (const name of names) {
      const path = join(bin, version, process.platform, process.arch, name);
      if (existsSync(path)) return path;
    }
  }
  throw new NativeError('library', `onnxruntime-node has no library for ${process.platform}-${process.arch}; pass libraryPath`);
}
