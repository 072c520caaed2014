import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { allowedRooms, importCircles, importProblem } from '../scripts/eslint-rooms.mjs';
import { circles, importGraph, isForTests, sibling, sourceFiles, sourceFolders } from '../scripts/import-graph.mjs';
import { root } from './support/running-process.js';

describe('import rules', () => {
  it.each([
    ['apps/gateway/src/gateway.ts', '@mserve/register', /gateway may import .*, not register/],
    ['apps/scheduler/src/main.ts', '@mserve/native', /scheduler may import .*, not native/],
    ['libs/wire/src/tensor.ts', '@mserve/bus', /wire may import nothing of ours, not bus/],
    ['libs/bus/src/bus.ts', '@mserve/wire/src/tensor.js', /deep import/],
    ['libs/bus/src/bus.ts', '../../wire/src/tensor.js', /leaves the room bus/],
    ['libs/bus/src/bus.ts', '@nestjs/common', /Nest is used in apps/],
    ['apps/gateway/src/gateway.ts', '@nats-io/transport-node', /libs\/bus\/src\/nats only/],
    ['libs/native/src/session.ts', '../build/Release/mserve_native.node', /binding\.ts only/],
    ['apps/gateway/src/gateway.ts', '@mserve/gateway', /itself by name/],
    ['apps/gateway/src/gateway.ts', './testing/gateway-rig.js', /for tests only/],
    ['apps/gateway/src/gateway.ts', './gateway.fixture.js', /for tests only/],
  ])('%s may not import %s', (path, specifier, text) => {
    expect(importProblem(path, specifier)).toMatch(text);
  });

  it.each([
    ['apps/gateway/src/gateway.ts', '@mserve/bus/nest'],
    ['apps/device-worker/src/replica/model-loader.ts', '@mserve/native'],
    ['libs/bus/src/nats/connect.ts', '@nats-io/transport-node'],
    ['libs/bus/src/bus.ts', './channel.js'],
    ['apps/server/src/server.ts', '@mserve/gateway'],
  ])('%s may import %s', (path, specifier) => {
    expect(importProblem(path, specifier)).toBeUndefined();
  });

  it('has no cycle', () => {
    const visit = (room: string, above: readonly string[]): string | undefined => {
      if (above.includes(room)) return [...above, room].join(' > ');
      for (const next of (allowedRooms as Record<string, string[]>)[room] ?? []) {
        const cycle = visit(next, [...above, room]);
        if (cycle !== undefined) return cycle;
      }
      return undefined;
    };
    expect(Object.keys(allowedRooms).map((room) => visit(room, []))).toEqual(Object.keys(allowedRooms).map(() => undefined));
  });
});

describe('circles inside rooms', () => {
  const graphOf = (sources: Record<string, string>) => importGraph(Object.keys(sources), (path) => sources[path] ?? '');

  it.each<[string, Record<string, string>, string[][]]>([
    ['two files', { 'r/a.ts': "import './b.js';", 'r/b.ts': "import type { A } from './a.js';" }, [['r/a.ts', 'r/b.ts']]],
    [
      'two folders whose files have none',
      { 'r/x/a.ts': "import '../y/b.js';", 'r/y/b.ts': '', 'r/y/c.ts': "export * from '../x/d.js';", 'r/x/d.ts': '' },
      [['r/x', 'r/y']],
    ],
    [
      'a folder and a file beside it',
      { 'r/x/a.ts': "import '../b.js';", 'r/b.ts': "await import('./x/c.js');", 'r/x/c.ts': '' },
      [['r/b.ts', 'r/x']],
    ],
    [
      'three files',
      { 'r/a.ts': "import './b.js';", 'r/b.ts': "import './c.js';", 'r/c.ts': "import './a.js';", 'r/d.ts': "import './a.js';" },
      [['r/a.ts', 'r/b.ts', 'r/c.ts']],
    ],
    ['none', { 'r/x/a.ts': "import '../y/b.js';", 'r/y/b.ts': "import './c.js';", 'r/y/c.ts': "// import '../x/a.js'" }, []],
  ])('finds %s', (_, sources, expected) => {
    expect(circles(graphOf(sources))).toEqual(expected);
  });

  it('reads every room', () => {
    const graph = importGraph(sourceFolders().flatMap(sourceFiles));
    expect(graph.get('apps/server/src/cli/serve.ts')).toContain('apps/server/src/server.ts');
    expect(graph.get('libs/bus/src/index.ts')).toContain('libs/bus/src/bus.ts');
  });

  it('has none', () => {
    expect(importCircles()).toEqual([]);
  });
});

describe('folder map', () => {
  const map = readFileSync(join(root, 'docs/architecture.md'), 'utf8').split('\n## Folders\n')[1]?.split('\n## ')[0] ?? '';
  const mapped = [...map.matchAll(/^\| `((?:libs|apps)\/[^`]+)` \| \S.* \|$/gm)].map((match) => match[1] as string);

  it('docs/architecture.md has one line for every folder with sources, and no other', () => {
    const folders = new Set<string>();
    for (const source of sourceFolders()) {
      for (const entry of readdirSync(join(root, source), { withFileTypes: true, recursive: true })) {
        const folder = relative(root, entry.parentPath).split(sep).join('/');
        if (/\.(ts|cc|h)$/.test(entry.name) && folder !== source && !isForTests(`${folder}/${entry.name}`)) folders.add(folder);
      }
    }
    const generated = /\/src\/gen(\/|$)/;
    expect(mapped.toSorted()).toEqual([...folders].filter((folder) => !generated.test(folder)).toSorted());
  });

  it('is in order: a folder imports only folders of its room that stand above it', () => {
    const wrong = new Set<string>();
    for (const [file, targets] of importGraph(sourceFolders().flatMap(sourceFiles))) {
      for (const target of targets) {
        const [from, to] = [sibling(file, target), sibling(target, file)];
        if (!mapped.includes(from) || !mapped.includes(to)) continue;
        if (mapped.indexOf(to) > mapped.indexOf(from)) wrong.add(`${from} > ${to}`);
      }
    }
    expect([...wrong]).toEqual([]);
  });
});
