import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog, type AppLog } from '@mserve/app';
import { Arrivals } from '../../../../test/support/arrivals.js';
import { ServableFolder } from '../servable/servable-folder.fixture.js';
import { listServables } from '../servable/servable-directory.js';
import { chosenVersions, versionPolicyOf } from './chosen-versions.js';
import { DirectoryWatch, type ServedVersion, type VersionHolder } from './directory-watch.js';
import { versionFiles } from './version-files.js';

let folder: ServableFolder;
let watch: DirectoryWatch | undefined;
beforeEach(() => {
  folder = new ServableFolder();
  for (const version of [1, 2]) folder.write(`sums/${version}/m.onnx`, `version ${version}`);
  folder.config('sums', '// a config');
});
afterEach(async () => {
  await watch?.close();
  watch = undefined;
  folder.remove();
});

/** Serves what it is told to, except for the versions in `broken`. */
class FakeHolder implements VersionHolder {
  readonly done = new Arrivals<string>();
  readonly broken = new Set<number>();
  private readonly listed = new Set<number>();
  private readonly serving = new Map<string, Map<number, string | undefined>>();

  async put(servable: string, version: number): Promise<void> {
    const versions = this.serving.get(servable) ?? new Map<number, string | undefined>();
    this.serving.set(servable, versions.set(version, (await versionFiles(folder.path, servable)).get(version)));
  }

  served(servable: string): ServedVersion[] {
    return [...(this.serving.get(servable) ?? [])].map(([version, files]) => ({ version, files }));
  }

  failed(): number[] {
    return [...this.listed];
  }

  async bring(servable: string, version: number): Promise<boolean> {
    const isBroken = this.broken.has(version);
    if (isBroken) this.listed.add(version);
    else await this.put(servable, version);
    this.done.take([`${servable}:${version} ${isBroken ? 'broken' : 'brought'}`]);
    return !isBroken;
  }

  take(servable: string, version: number): Promise<void> {
    this.serving.get(servable)?.delete(version);
    this.listed.delete(version);
    this.done.take([`${servable}:${version} taken`]);
    return Promise.resolve();
  }
}

async function watched(policy = 'latest', list = () => listServables(folder.path), log: AppLog = silentLog): Promise<FakeHolder> {
  const holder = new FakeHolder();
  for (const { version = 0 } of chosenVersions<{ name: string; version?: number }>(
    folder.path,
    [{ name: 'sums' }],
    versionPolicyOf(policy),
  ))
    await holder.put('sums', version || 2);
  watch = new DirectoryWatch(holder, { directory: folder.path, list, policyOf: () => versionPolicyOf(policy), intervalMs: 20 }, log);
  await watch.start();
  return holder;
}

/** What was done, as soon as it is so many steps. */
const steps = (holder: FakeHolder, count: number): Promise<readonly string[]> => holder.done.until((all) => all.length >= count);

describe('a directory that is watched', () => {
  it('a higher version is loaded, then the one before is unloaded; one that goes brings the one before back', async () => {
    const holder = await watched();
    folder.write('sums/3/m.onnx', 'version 3');
    expect(await steps(holder, 2)).toEqual(['sums:3 brought', 'sums:2 taken']);
    rmSync(join(folder.path, 'sums/3'), { recursive: true });
    expect((await steps(holder, 4)).slice(2)).toEqual(['sums:2 brought', 'sums:3 taken']);
  });

  it('a version that cannot be loaded leaves what serves, and is tried again when it has changed', async () => {
    const holder = await watched();
    holder.broken.add(3);
    folder.write('sums/3/m.onnx', 'version 3');
    expect(await steps(holder, 1)).toEqual(['sums:3 broken']);
    holder.broken.delete(3);
    folder.write('sums/3/m.onnx', 'version 3, mended');
    expect((await steps(holder, 3)).slice(1)).toEqual(['sums:3 brought', 'sums:2 taken']);
  });

  it('a version that could not be loaded leaves the list when it is gone', async () => {
    const holder = await watched();
    holder.broken.add(3);
    folder.write('sums/3/m.onnx', 'version 3');
    expect(await steps(holder, 1)).toEqual(['sums:3 broken']);
    rmSync(join(folder.path, 'sums/3'), { recursive: true });
    expect((await steps(holder, 2)).slice(1)).toEqual(['sums:3 taken']);
  });

  it('a version whose files have changed is loaded anew, and all of them when the config has', async () => {
    const holder = await watched('all');
    folder.write('sums/1/m.onnx', 'version one');
    expect(await steps(holder, 1)).toEqual(['sums:1 brought']);
    folder.config('sums', '// another config');
    expect((await steps(holder, 3)).slice(1)).toEqual(['sums:1 brought', 'sums:2 brought']);
  });

  it('a servable that comes is loaded, one that goes is unloaded', async () => {
    const holder = await watched('latest:2');
    folder.write('other/1/m.onnx', '1');
    folder.config('other', '// a config');
    expect(await steps(holder, 1)).toEqual(['other:1 brought']);
    rmSync(join(folder.path, 'sums'), { recursive: true });
    expect((await steps(holder, 3)).slice(1).sort()).toEqual(['sums:1 taken', 'sums:2 taken']);
  });

  it('nothing changes while it cannot be read', async () => {
    const texts = new Arrivals<string>();
    let isAway = false;
    const list = (): string[] => {
      if (isAway) throw new Error('the share is away');
      return listServables(folder.path);
    };
    const holder = await watched('latest', list, { ...silentLog, warn: (_fields, text) => texts.take([text]) });
    isAway = true;
    await texts.until((all) => all.length === 1);
    isAway = false;
    folder.write('sums/3/m.onnx', 'version 3');
    expect(await steps(holder, 2)).toEqual(['sums:3 brought', 'sums:2 taken']);
    expect(texts.messages).toHaveLength(1);
  });

  it('of a ConfigMap follows its `..data`', async () => {
    rmSync(join(folder.path, 'sums'), { recursive: true });
    const mount = (revision: string, version: number): void => {
      folder.write(`sums/..${revision}/servable_config.ts`, '// a config');
      folder.write(`sums/..${revision}/${version}/m.onnx`, revision);
      symlinkSync(`..${revision}`, join(folder.path, 'sums/..next'));
      renameSync(join(folder.path, 'sums/..next'), join(folder.path, 'sums/..data'));
    };
    mount('one', 2);
    symlinkSync('..data/servable_config.ts', join(folder.path, 'sums/servable_config.ts'));
    symlinkSync('..data/2', join(folder.path, 'sums/2'));
    const holder = await watched();
    mount('two', 2);
    expect(await steps(holder, 1)).toEqual(['sums:2 brought']);
    mount('three', 3);
    symlinkSync('..data/3', join(folder.path, 'sums/3'));
    rmSync(join(folder.path, 'sums/2'));
    expect((await steps(holder, 3)).slice(-2)).toEqual(['sums:3 brought', 'sums:2 taken']);
  });
});

describe('what versions are made of', () => {
  it('changes with their files and those beside the config, not with hidden ones and packages', async () => {
    const before = await versionFiles(folder.path, 'sums');
    folder.write('sums/.git/x', 'x');
    folder.write('sums/node_modules/x/index.js', 'x');
    expect(await versionFiles(folder.path, 'sums')).toEqual(before);
    folder.write('sums/2/m.onnx', 'another');
    const after = await versionFiles(folder.path, 'sums');
    expect([after.get(1) === before.get(1), after.get(2) === before.get(2)]).toEqual([true, false]);
    folder.write('sums/lib/words.ts', '');
    const third = await versionFiles(folder.path, 'sums');
    expect([1, 2].map((version) => third.get(version) === after.get(version))).toEqual([false, false]);
  });

  it('ends where links lead in a circle, and is nothing where there is nothing', async () => {
    mkdirSync(join(folder.path, 'loop'));
    symlinkSync('.', join(folder.path, 'loop/again'));
    expect([...(await versionFiles(folder.path, 'loop')).keys()]).toEqual([1]);
    expect((await versionFiles(folder.path, 'nope')).size).toBe(0);
    expect(readdirSync(folder.path)).toContain('loop');
  });
});

describe('versions that are chosen at the start', () => {
  it.each([
    ['latest', [undefined]],
    ['latest:2', [1, 2]],
    ['all', [1, 2]],
    ['specific:2,9', [2]],
    ['specific:8,9', [8, 9]],
  ])('by %s', (policy, versions) => {
    expect(
      chosenVersions<{ name: string; version?: number }>(folder.path, [{ name: 'sums' }], versionPolicyOf(policy)).map(
        ({ version }) => version,
      ),
    ).toEqual(versions);
    expect(chosenVersions(folder.path, [{ name: 'sums', version: 7 }], versionPolicyOf(policy))).toEqual([{ name: 'sums', version: 7 }]);
  });
});
