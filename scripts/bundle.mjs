/**
 * Bundles the compiled JavaScript of the `mserve` command, of function threads and of function processes into one file each, in
 * apps/server/dist/bundle, and keeps what V8 compiled of them beside (ADR 22). `npm run build` runs it after tsc.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'apps/server/dist/bundle');
/** Where it is made: a server that runs from the old one may still start threads meanwhile. */
const making = `${folder}-making`;
const parts = join(root, 'scripts/bundle');

/** The programs, by the name of their file in the bundle. */
const programs = {
  command: 'apps/server/dist/cli/command.js',
  'thread-main': 'apps/device-worker/dist/functions/thread-main.js',
  'process-main': 'apps/device-worker/dist/functions/process-main.js',
};

/** Packages that stay outside: they read files that lie beside their own, or are loaded by calls that a start does not make. */
export const outside = ['@grpc/grpc-js', '@grpc/proto-loader', '@grpc/reflection', 'grpc-health-check', 'protobufjs'];

/** Loaded only where OTEL_ variables ask for traces: who wants those installs them. */
export const forTraces = ['api', 'exporter-trace-otlp-http', 'exporter-trace-otlp-proto', 'resources', 'sdk-trace-base'].map(
  (name) => `@opentelemetry/${name}`,
);

/** What Nest and Fastify would load if it were asked for: none of it is installed. */
export const never = [
  '@fastify/multipart',
  '@fastify/static',
  '@fastify/view',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  'amqp-connection-manager',
  'amqplib',
  'ioredis',
  'kafkajs',
  'mqtt',
];

/** The files whose change makes the bundle stale, from the bundle's folder: one per package that tsc compiles. */
function stamps() {
  const rooms = ['libs', 'apps'].flatMap((parent) => readdirSync(join(root, parent)).map((name) => join(root, parent, name)));
  const files = rooms.map((room) => join(room, 'dist/.tsbuildinfo')).filter(existsSync);
  return Object.fromEntries(files.map((file) => [relative(folder, file), statSync(file).mtimeMs]));
}

/** What the bundle was made of and by: in the repository, packages of others change with the lock file only. */
function madeOf() {
  const own = [...readdirSync(parts).map((name) => join(parts, name)), fileURLToPath(import.meta.url), join(root, 'package-lock.json')];
  return JSON.stringify([process.version, process.arch, stamps(), own.map((file) => statSync(file).mtimeMs)]);
}

/**
 * Modules of ours ask for files that lie beside them: `import.meta.url` is where they lie unbundled, which their package's main file tells, in the
 * repository and in an installed mserve. `import.meta.resolve` of a file beside is a program of the bundle.
 */
const places = {
  name: 'places',
  setup(build) {
    build.onLoad({ filter: /[/\\](libs|apps)[/\\][^/\\]+[/\\]dist[/\\].*\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!text.includes('import.meta')) return undefined;
      const dist = path.slice(0, path.lastIndexOf('/dist/') + '/dist'.length);
      const { name } = JSON.parse(await readFile(join(dist, '../package.json'), 'utf8'));
      const home = name === '@mserve/server' ? 'undefined' : `'${name}'`;
      const contents = text
        .replaceAll('import.meta.url', `__place(${home}, '${relative(dist, path)}')`)
        .replaceAll('import.meta.resolve(', '__resolve(');
      return { contents, loader: 'js' };
    });
  },
};

/** jiti imports what an author's config imports: by the importer that load.cjs gives, because code that V8 compiled before has none of its own. */
const imports = {
  name: 'imports',
  setup(build) {
    build.onLoad({ filter: /[/\\]jiti[/\\]lib[/\\]jiti\.cjs$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!text.includes('=> import(id)')) throw new Error(`${path} imports in another way than it did`);
      return { contents: text.replace('=> import(id)', '=> __import(id)'), loader: 'js' };
    });
  },
};

/** In front of each program. `performance` is a getter of globalThis otherwise, which every look at the clock calls. */
const banner = `const { performance } = require('node:perf_hooks');
const __path = require('node:path'), __fileUrl = require('node:url').pathToFileURL;
const __place = (name, file) => __fileUrl(__path.join(name === undefined ? __path.dirname(__dirname) : __path.dirname(require.resolve(name)), file)).href;
const __resolve = (name) => __fileUrl(name.startsWith('./') ? __path.join(__dirname, 'start-' + name.slice(2, -3) + '.cjs') : require.resolve(name)).href;
const __url = __fileUrl(__filename).href, __import = module.importer ?? ((name) => import(name));`;

async function bundlePrograms() {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries(programs).map(([name, file]) => [name, join(root, file)])),
    outdir: making,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // Read as Latin 1, which V8 does not have to decode
    charset: 'ascii',
    // Nest goes by the names of classes
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    // Half the text to read; lines stay short enough to be found by their number
    minifyWhitespace: true,
    lineLimit: 160,
    legalComments: 'external',
    logLevel: 'error',
    banner: { js: banner },
    define: { 'import.meta.url': '__url' },
    // Programs that V8 compiled before cannot import(): packages outside are required
    supported: { 'dynamic-import': false },
    external: [...outside, ...never, ...forTraces].flatMap((name) => [name, `${name}/*`]),
    // Its module for ES modules loads Babel from a file beside its own
    alias: { jiti: join(root, 'node_modules/jiti/lib/jiti.cjs') },
    plugins: [places, imports],
  });
}

/** Starts a server as its users do, so that V8 has compiled what a start needs. */
async function keepCacheOfCommand() {
  const args = ['serve', 'examples', '--servable', 'digits', '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'];
  const env = { ...process.env, BUNDLE_FOLDER: making };
  const child = spawn(process.execPath, [join(parts, 'keep-cache.cjs'), ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] });
  createInterface({ input: child.stdout }).once('line', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('the bundled server does not start');
}

/** Loads a config as a function thread does, twice: as most threads do, the second finds the config transformed. */
async function keepCacheOfThread() {
  const sources = mkdtempSync(join(tmpdir(), 'mserve-bundle-'));
  try {
    for (const message of [{ kind: 'end' }, { kind: 'keep' }]) await loadInThread(sources, message);
  } finally {
    rmSync(sources, { recursive: true });
  }
}

async function loadInThread(cacheDirectory, message) {
  const configFile = join(root, 'examples/digits/servable_config.ts');
  const control = new SharedArrayBuffer(64);
  const workerData = { servable: 'digits', configFile, cacheDirectory, environment: {}, isolation: 'thread', control };
  const worker = new Worker(join(parts, 'keep-cache.cjs'), { workerData, execArgv: [], env: { ...process.env, BUNDLE_FOLDER: making } });
  worker.once('message', () => worker.postMessage(message));
  const [code] = await once(worker, 'exit');
  if (code !== 0) throw new Error('the bundled function thread does not start');
}

/** Makes the bundle, unless it is there and nothing has changed. */
export async function bundle() {
  const stamp = join(folder, 'made-of.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === madeOf()) return;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  await bundlePrograms();
  copyFileSync(join(parts, 'load.cjs'), join(making, 'load.cjs'));
  for (const name of ['thread-main', 'process-main'])
    writeFileSync(join(making, `start-${name}.cjs`), `require('./load.cjs').load('${name}');\n`);
  writeFileSync(join(making, 'stamps.json'), JSON.stringify(stamps()));
  await Promise.all([keepCacheOfCommand(), keepCacheOfThread()]);
  writeFileSync(join(making, 'made-of.json'), madeOf());
  rmSync(`${folder}-old`, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, `${folder}-old`);
  renameSync(making, folder);
  rmSync(`${folder}-old`, { recursive: true, force: true });
}

/** The bundle as it is in a package: nothing there says that it is stale, and the sources that maps name are not there. */
export function copyBundle(target) {
  const notPacked = /\.map$|made-of\.json$|compile-cache/;
  cpSync(folder, target, { recursive: true, filter: (file) => !notPacked.test(relative(folder, file)) });
  writeFileSync(join(target, 'stamps.json'), '{}');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await bundle();
