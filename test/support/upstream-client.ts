import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pythonWith } from './python.js';

/** The original's own Python client, version 2.0.2, unpacked from its PyPI wheel. */
export interface UpstreamClient {
  /** A python that has what the client needs. */
  readonly python: string;
  /** Folder for PYTHONPATH: holds the package mindspore_serving, client and proto only. */
  readonly path: string;
}

const wheel = 'mindspore-serving==2.0.2';
/** The wheel is built for one Python on Linux; its client is pure Python and runs on any. */
const platforms = ['any', 'linux_x86_64', 'manylinux1_x86_64', 'manylinux2014_x86_64'].flatMap((platform) => ['--platform', platform]);
const unpack = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for name in archive.namelist():
    if name == 'mindspore_serving/__init__.py' or name.startswith(('mindspore_serving/client/', 'mindspore_serving/proto/')):
        archive.extract(name, sys.argv[2])
`;

function runPython(python: string, args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync(python, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${python} ${args.slice(0, 4).join(' ')} failed:\n${stdout}\n${stderr}`);
}

/** The client, fetched once and kept in the cache folder (XDG_CACHE_HOME). Needs python3 (see hasPython); throws with pip's own words when it cannot be had. */
export function upstreamClient(): UpstreamClient {
  // The client's generated stubs work with no later protobuf
  const python = pythonWith(['requests', 'grpcio', 'protobuf==3.20.3', 'numpy']);
  const cache = dirname(dirname(dirname(python)));
  const path = join(cache, 'upstream-client-2.0.2');
  if (existsSync(path)) return { python, path };
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'upstream-'));
  try {
    const download = [
      '-m',
      'pip',
      'download',
      '-q',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary=:all:',
      '--python-version',
      '3.9',
      '--implementation',
      'cp',
      '--abi',
      'cp39',
    ];
    runPython(python, [...download, ...platforms, '-d', folder, wheel]);
    const file = readdirSync(folder).find((name) => name.endsWith('.whl')) as string;
    runPython(python, ['-c', unpack, join(folder, file), join(folder, 'client')]);
    // In one step, so that nobody finds half of it; another test may have been first
    try {
      renameSync(join(folder, 'client'), path);
    } catch (error) {
      if (!existsSync(path)) throw error;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { python, path };
}
