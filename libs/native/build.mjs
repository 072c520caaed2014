// Builds the native addon with node-gyp. Plain Node, built-ins only: it runs before anything else of the workspace is built.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const addon = join(here, 'build', 'Release', 'mserve_native.node');
const stampFile = join(here, 'build', 'built-for.json');

/** What the addon was built for: another Node ABI, platform or architecture needs another build. */
const stamp = JSON.stringify({ modules: process.versions.modules, platform: process.platform, arch: process.arch });

function newestOf(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestOf(join(path, name))));
}

function isUpToDate() {
  if (!existsSync(addon) || !existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) return false;
  const sources = [join(here, 'src', 'native'), join(here, 'binding.gyp'), join(here, 'build.mjs')];
  return statSync(addon).mtimeMs >= Math.max(...sources.map(newestOf));
}

function hasCompiler() {
  const candidates = [process.env.CXX, 'c++', 'g++', 'clang++'].filter((name) => name);
  return candidates.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore', shell: name.includes(' ') }).status === 0);
}

/** Headers installed beside this Node: with them node-gyp needs no network. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** node-gyp: the workspace's own; of an installed package, npm's. */
function nodeGyp() {
  const { npm_config_node_gyp: ofNpm } = process.env;
  const places = [
    import.meta.url,
    ...(ofNpm ? [ofNpm] : []),
    join(dirname(dirname(process.execPath)), 'lib/node_modules/npm/package.json'),
  ];
  for (const place of places) {
    try {
      return join(dirname(createRequire(place).resolve('node-gyp/package.json')), 'bin', 'node-gyp.js');
    } catch {
      // look at the next place
    }
  }
  return undefined;
}

function build() {
  if (isUpToDate()) {
    console.log('native: the addon is up to date');
    return 0;
  }
  if (!hasCompiler()) {
    console.error('native: no C++ compiler found: install g++ or clang++ (C++20) and run this again.');
    return 1;
  }
  const gyp = nodeGyp();
  if (gyp === undefined) {
    console.error('native: node-gyp is not found: install it (npm install node-gyp) and run this again.');
    return 1;
  }
  console.log(`native: building the addon for Node ABI ${process.versions.modules} (${process.platform}-${process.arch}) ...`);
  const startedMs = Date.now();
  const verb = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp ? ['configure', 'build'] : ['rebuild'];
  const args = [gyp, ...verb, '--loglevel=error', '--jobs=2', ...nodeHeaders()];
  const result = spawnSync(process.execPath, args, { cwd: here, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.status !== 0) {
    console.error(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    console.error('native: building the addon failed; the compiler output is above.');
    return 1;
  }
  if (result.stderr) console.error(result.stderr.trimEnd());
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
  console.log(`native: built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  return 0;
}

process.exitCode = build();
