import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import typescript from 'typescript';
import { never } from '../../scripts/bundle.mjs';
import { pack } from '../../scripts/pack.mjs';
import { root } from '../support/running-process.js';

/** `npm run pack:install` sets it: npm installs the tarballs and all that they need, from a registry or its cache. Otherwise they are only unpacked, beside this clone's packages. */
const isInstalledByNpm = process.env['PACK_INSTALL'] === 'npm';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

const folder = mkdtempSync(join(tmpdir(), 'mserve-packages-'));
const project = join(folder, 'project');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The packages as they are in the project, by name. */
const packages = new Map<string, { manifest: Manifest; at: string; files: readonly string[] }>();

function unpacked(tarball: string): string {
  const at = mkdtempSync(join(folder, 'unpacked-'));
  execFileSync('tar', ['-xzf', tarball, '-C', at, '--strip-components=1']);
  return at;
}

function install(tarballs: readonly string[]): void {
  mkdirSync(join(project, 'node_modules/@mserve'), { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
  for (const tarball of tarballs) {
    const at = unpacked(tarball);
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest;
    const files = readdirSync(at, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1));
    packages.set(manifest.name, { manifest, at, files });
    if (!isInstalledByNpm) execFileSync('cp', ['-r', at, join(project, 'node_modules', manifest.name)]);
  }
  if (isInstalledByNpm) {
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...tarballs];
    execFileSync('npm', args, { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] });
    return;
  }
  mkdirSync(join(project, 'node_modules/.bin'));
  symlinkSync('../mserve/bin/mserve.mjs', join(project, 'node_modules/.bin/mserve'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
}

function runIn(at: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: at, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** The packages that a compiled file imports. */
function importsOf(path: string): string[] {
  return typescript
    .preProcessFile(readFileSync(path, 'utf8'), true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => /^@?[a-z]/.test(name) && !name.startsWith('node:') && !builtinModules.includes(name))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
}

beforeAll(async () => install(await pack(join(folder, 'tarballs'))), 300_000);

describe('the tarballs', () => {
  it('are mserve, @mserve/register and what they need, one of each', () => {
    const needed = [...packages.values()].flatMap(({ manifest }) => Object.keys(manifest.dependencies ?? {}));
    const own = needed.filter((name) => name.startsWith('@mserve/'));
    expect([...packages.keys()].sort()).toEqual([...new Set(['mserve', '@mserve/register', ...own])].sort());
  });

  it('hold every file that their package.json names, compiled code without sources of TypeScript, and no specs', () => {
    for (const { manifest, files } of packages.values()) {
      const named = Object.values(manifest.exports ?? {}).flatMap((one) => (typeof one === 'string' ? [one] : Object.values(one)));
      expect(files).toEqual(expect.arrayContaining(named.map((path) => posix.normalize(path))));
      expect(files.filter((path) => path.startsWith('dist/') && /((?<!\.d)\.ts|\.spec\.js|\.tsbuildinfo)$/.test(path))).toEqual([]);
    }
    expect(packages.get('mserve')?.files).toEqual(
      expect.arrayContaining([
        'dist/bundle/command.cjs',
        'dist/bundle/start-thread-main.cjs',
        'bin/mserve.mjs',
        'templates/servable/servable_config.ts',
        'LICENSE',
      ]),
    );
    expect(packages.get('@mserve/gateway')?.files).toEqual(expect.arrayContaining(['proto/inference/grpc_service.proto']));
  });

  it('hold the addon built for this platform, and its source', () => {
    const files = packages.get('@mserve/native')?.files ?? [];
    expect(files).toContain(`prebuilt/${process.platform}-${process.arch}/mserve_native.node`);
    const { targets } = new Function(`return ${readFileSync(join(root, 'libs/native/binding.gyp'), 'utf8')}`)() as {
      targets: readonly { readonly sources: readonly string[] }[];
    };
    expect(files).toEqual(expect.arrayContaining(targets.flatMap(({ sources }) => sources)));
  });

  it('name every package that their code imports as a dependency', () => {
    const missing = [...packages.values()].flatMap(({ manifest, at, files }) =>
      files
        .filter((path) => path.startsWith('dist/'))
        .flatMap((path) => importsOf(join(at, path)).map((name) => `${manifest.name}: ${name}`))
        .filter((text) => {
          const name = text.slice(manifest.name.length + 2);
          const named = { ...manifest.dependencies, ...manifest.peerDependencies };
          return name !== manifest.name && !never.includes(name) && named[name] === undefined;
        }),
    );
    expect([...new Set(missing)]).toEqual([]);
  });

  it('have the files of the dashboard', () => {
    const { at, files } = packages.get('@mserve/dashboard') ?? { at: '', files: [] };
    for (const name of ['index.html', 'page.js', 'page.css', 'icon.svg']) expect(files).toContain(`dist/assets/${name}`);
    expect(readFileSync(join(at, 'dist/assets/page.js'), 'utf8')).toContain('/state/events');
  });

  it('need nothing whose install script wants the internet', () => {
    expect([...packages.values()].filter(({ manifest }) => manifest.dependencies?.['onnxruntime-node'] !== undefined)).toEqual([]);
    const scripts = [...packages.values()].flatMap(({ manifest }) => Object.entries(manifest.scripts ?? {}));
    expect(scripts).toEqual([['install', 'node install.mjs']]);
  });
});

describe('a project with the tarballs', () => {
  const mserve = join(project, 'node_modules/.bin/mserve');
  beforeAll(() => void runIn(project, mserve, 'init', 'doubled', '--dir', 'models'), 60_000);

  it('takes the addon that came with them', () => {
    runIn(join(project, 'node_modules/@mserve/native'), process.execPath, 'install.mjs');
    expect(readdirSync(join(project, 'node_modules/@mserve/native'))).not.toContain('build');
  }, 60_000);

  it('checks the servable that it made', () => {
    expect(runIn(project, mserve, 'check', 'models')).toContain('✓ doubled, version 1: predict, predict_text');
  }, 60_000);

  it('passes the types of the servable and of a program, strictly', () => {
    const text =
      "import { ServableStartConfig, startServables, startServer } from 'mserve';\nvoid [ServableStartConfig, startServables, startServer];\n";
    writeFileSync(join(project, 'program.ts'), text);
    const flags = ['--noEmit', '--strict', '--module', 'NodeNext', '--target', 'ES2022', ...(isInstalledByNpm ? [] : ['--skipLibCheck'])];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    runIn(project, process.execPath, tsc, ...flags, 'program.ts', 'models/doubled/servable_config.ts');
  }, 120_000);

  it('serves from the command line: the test that came with the servable passes', () => {
    runIn(project, process.execPath, '--test', 'models/doubled/doubled.test.mjs');
  }, 60_000);

  it('serves from a program, with the page of the API', () => {
    const program = `
      import { startServer } from 'mserve';
      import { Client } from '@mserve/client';
      const server = await startServer({ directory: 'models', rest: '127.0.0.1:0', grpc: '127.0.0.1:0', docs: true, logLevel: 'error' });
      const body = JSON.stringify({ instances: [{ x: [1.5, 2.5, 3.5] }] });
      const response = await fetch('http://' + server.rest + '/model/doubled:predict', { method: 'POST', body });
      const page = await fetch(server.docs);
      const called = [];
      for (const address of ['http://' + server.rest, 'grpc://' + server.grpc]) {
        const client = new Client(address);
        const { y } = await client.infer('doubled', 'predict', { x: [1.5, 2.5, 3.5] });
        called.push(y.toArray());
        await client.close();
      }
      console.log(JSON.stringify([await response.json(), page.status, ...called]));
      await server.close();`;
    writeFileSync(join(project, 'program.mjs'), program);
    expect(JSON.parse(runIn(project, process.execPath, 'program.mjs'))).toEqual([
      { instances: [{ y: [3, 5, 7] }] },
      200,
      [3, 5, 7],
      [3, 5, 7],
    ]);
  }, 60_000);
});
