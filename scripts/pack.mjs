/**
 * `npm run pack [-- --all-platforms] [FOLDER]`: one tarball per package, in FOLDER (default build/packages), that `npm install FOLDER/*.tgz` installs
 * into any project: `mserve` (apps/server under its public name), `@mserve/register`, and the packages that they need. docs/packages.md says what is
 * in them.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle, copyBundle, outside } from './bundle.mjs';
import { bundleDashboard } from './dashboard.mjs';
import { fail, root, setUp } from './setup.mjs';

const publicNames = new Map([['@mserve/server', 'mserve']]);
const descriptions = {
  mserve: 'An inference server in TypeScript for ONNX, MindIR and Ascend OM models',
  '@mserve/client': 'Calls an mserve server over REST, gRPC or NATS',
  '@mserve/register': 'What the servable_config.ts of a servable of mserve imports',
};

/** Files beside the compiled code that a package needs, from the root of the workspace to their place in the package. */
const furtherFiles = {
  '@mserve/dashboard': ['index.html', 'page.js', 'page.css', 'icon.svg'].map((name) => [
    `libs/dashboard/dist/assets/${name}`,
    `dist/assets/${name}`,
  ]),
  '@mserve/gateway': [
    ['proto/inference', 'proto/inference'],
    ['proto/mindspore_serving', 'proto/mindspore_serving'],
  ],
  '@mserve/native': [
    ['libs/native/binding.gyp', 'binding.gyp'],
    ['libs/native/build.mjs', 'build.mjs'],
    ['libs/native/install.mjs', 'install.mjs'],
    ['libs/native/src/native', 'src/native'],
    ['libs/native/build/Release/mserve_native.node', `prebuilt/${process.platform}-${process.arch}/mserve_native.node`],
  ],
  mserve: [
    ['apps/server/bin', 'bin'],
    ['apps/server/templates', 'templates'],
    ['docs/mserve.schema.json', 'mserve.schema.json'],
    ['README.md', 'README.md'],
  ],
};

/** The packages of the workspace that make up the product, as [folder, package.json]. */
function rooms() {
  return ['libs', 'apps'].flatMap((parent) =>
    readdirSync(join(root, parent))
      .map((name) => join(root, parent, name))
      .filter((folder) => existsSync(join(folder, 'package.json')))
      .map((folder) => [folder, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))]),
  );
}

/** The compiled code whose source is still there: dist/ may hold what older sources left. */
function copyCompiled(folder, stage) {
  const dist = join(folder, 'dist');
  // What runs in the browser is packed as the bundle that it is part of
  const sources = readdirSync(join(folder, 'src'), { recursive: true }).filter(
    (name) => /(?<!\.(spec|fixture|contract))\.ts$/.test(name) && !/^page[/\\]/.test(name),
  );
  for (const name of sources) {
    const stem = name.slice(0, -'.ts'.length);
    for (const file of [`${stem}.js`, `${stem}.d.ts`])
      if (existsSync(join(dist, file))) cpSync(join(dist, file), join(stage, 'dist', file));
  }
  if (!existsSync(join(stage, 'dist'))) throw new Error(`${relative(root, folder)} is not compiled: run npm run build`);
}

/** The package.json that users get: no link to sources, and no dependency whose install script wants the internet. */
function published(manifest, versions, others) {
  const name = publicNames.get(manifest.name) ?? manifest.name;
  const { 'onnxruntime-node': runtime, ...dependencies } = manifest.dependencies ?? {};
  if (runtime !== undefined) dependencies['@mserve/onnxruntime'] = versions.onnxruntime;
  // The bundle asks for them from where it lies
  if (name === 'mserve') Object.assign(dependencies, Object.fromEntries(outside.map((one) => [one, others[one]])));
  const exported = Object.entries(manifest.exports).map(([path, { types, default: code }]) => [path, { types, default: code }]);
  return {
    name,
    version: manifest.version,
    description: descriptions[name] ?? `A part of mserve: ${name.split('/')[1]}`,
    license: versions.license,
    type: 'module',
    engines: versions.engines,
    exports: { ...Object.fromEntries(exported), './package.json': './package.json' },
    ...(manifest.bin && { bin: manifest.bin }),
    dependencies,
    ...optionalPeers(name === 'mserve' ? others.tracing : manifest),
    ...(name === '@mserve/native' && { scripts: { install: 'node install.mjs' }, gypfile: false }),
  };
}

/** What a package uses where its user has it. The bundle of mserve has tracing in it. */
function optionalPeers({ peerDependencies, peerDependenciesMeta }) {
  return peerDependencies === undefined ? {} : { peerDependencies, peerDependenciesMeta };
}

/** npm pack of what is staged in a folder; gives the tarball's path. */
function packed(stage, target) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', target];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: stage, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`npm pack failed:\n${stderr}`);
  const told = JSON.parse(stdout);
  const [one] = Array.isArray(told) ? told : Object.values(told);
  return join(target, one.filename);
}

function writeManifest(stage, manifest) {
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
}

function packRoom(folder, manifest, versions, others, staging, target) {
  const publicManifest = published(manifest, versions, others);
  const stage = join(staging, publicManifest.name.replace('/', '-'));
  copyCompiled(folder, stage);
  for (const [from, to] of furtherFiles[publicManifest.name] ?? []) cpSync(join(root, from), join(stage, to), { recursive: true });
  if (publicManifest.name === 'mserve') copyBundle(join(stage, 'dist/bundle'));
  writeManifest(stage, publicManifest);
  return packed(stage, target);
}

/** ONNX Runtime's shared libraries out of npm's onnxruntime-node, without its binding and without its install script. */
function packRuntime(platforms, staging, target) {
  const folder = dirname(createRequire(join(root, 'libs/native/package.json')).resolve('onnxruntime-node/package.json'));
  const { version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const stage = join(staging, 'onnxruntime');
  const bin = join(folder, 'bin');
  const isLibrary = (name) => /libonnxruntime\.(so\.1|1\.dylib)$/.test(name);
  const libraries = readdirSync(bin, { recursive: true }).filter(
    (name) => isLibrary(name) && platforms(...name.split(/[\\/]/).slice(1, 3)),
  );
  if (libraries.length === 0) throw new Error(`onnxruntime-node has no library for ${process.platform}-${process.arch}`);
  for (const library of libraries) cpSync(join(bin, library), join(stage, 'bin', library));
  cpSync(join(folder, 'README.md'), join(stage, 'README.md'));
  const description = `The shared libraries of ONNX Runtime, as npm's onnxruntime-node ${version} has them`;
  const manifest = { name: '@mserve/onnxruntime', version, description, license, repository };
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return [packed(stage, target), version];
}

/**
 * Writes the tarballs into `target`, which is emptied of older ones, and resolves with their paths. Everything must be compiled. `isAllPlatforms`: ONNX Runtime for
 * every platform that the addon can be built on, not for this one alone.
 */
export async function pack(target, isAllPlatforms = false) {
  await bundleDashboard();
  await bundle();
  const workspace = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(target).filter((one) => one.endsWith('.tgz'))) rmSync(join(target, name));
  const staging = mkdtempSync(join(tmpdir(), 'mserve-pack-'));
  try {
    const wanted = isAllPlatforms ? () => true : (platform, arch) => platform === process.platform && arch === process.arch;
    const [runtime, onnxruntime] = packRuntime(wanted, staging, target);
    const versions = { onnxruntime, license: workspace.license, engines: workspace.engines };
    const all = rooms();
    const tracing = all.map(([, manifest]) => manifest).find(({ name }) => name === '@mserve/tracing');
    const others = { ...Object.assign({}, ...all.map(([, { dependencies }]) => dependencies)), tracing };
    return [runtime, ...all.map(([folder, manifest]) => packRoom(folder, manifest, versions, others, staging, target))];
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const given = process.argv.slice(2);
  try {
    await setUp();
    const tarballs = await pack(
      resolve(given.find((one) => !one.startsWith('-')) ?? join(root, 'build/packages')),
      given.includes('--all-platforms'),
    );
    for (const tarball of tarballs) console.log(relative(process.cwd(), tarball));
    console.log(`\nIn a project of your own: npm install ${dirname(tarballs[0])}/*.tgz`);
  } catch (error) {
    fail(error.message);
  }
}
