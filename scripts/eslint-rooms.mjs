/**
 * The import rules of docs/architecture.md as a lint rule. A room is a folder of libs/ or apps/; the table says which rooms it may import.
 * The table has no cycle, so neither have the rooms.
 */
import { dirname, relative, resolve, sep } from 'node:path';
import { circles, importGraph, isForTests, sibling, sourceFiles, sourceFolders } from './import-graph.mjs';

/** room -> rooms it may import */
export const allowedRooms = {
  wire: [],
  'event-loop': [],
  metrics: [],
  native: [],
  config: ['wire'],
  app: ['wire', 'bus', 'config'],
  ops: ['wire', 'bus', 'metrics', 'app'],
  dashboard: ['wire', 'wire/tensors', 'ops', 'ops/state'],
  tracing: ['metrics', 'app'],
  bus: ['wire', 'event-loop'],
  register: ['wire'],
  client: ['wire', 'wire/gen', 'bus', 'register'],
  mindir: ['wire'],
  onnx: ['wire'],
  gateway: ['wire', 'event-loop', 'metrics', 'bus', 'bus/nest', 'config', 'app', 'ops', 'dashboard', 'tracing', 'native/shared-memory'],
  scheduler: ['wire', 'event-loop', 'metrics', 'bus', 'bus/nest', 'config', 'app', 'ops', 'tracing', 'native/shared-memory'],
  'device-worker': [
    'wire',
    'event-loop',
    'metrics',
    'bus',
    'bus/nest',
    'config',
    'app',
    'ops',
    'tracing',
    'register',
    'mindir',
    'onnx',
    'native',
    'native/shared-memory',
  ],
  agent: ['wire', 'event-loop', 'metrics', 'bus', 'bus/nest', 'config', 'app', 'ops', 'mindir', 'native'],
  server: [
    'wire',
    'client',
    'event-loop',
    'metrics',
    'bus',
    'bus/nest',
    'app/signals',
    'config',
    'app',
    'ops',
    'ops/state',
    'tracing',
    'register',
    'mindir',
    'onnx',
    'native',
    'native/shared-memory',
    'gateway',
    'scheduler',
    'device-worker',
    'agent',
  ],
};

/** What rooms offer beside their index. The generated messages are for clients: no server process loads them; `wire/tensors` is for browsers. */
const furtherEntries = ['ops/state', 'bus/nest', 'app/signals', 'wire/gen', 'wire/tensors', 'native/shared-memory'];

/** Files (by path from the root) that may use what is restricted to one place. */
const places = [
  {
    what: /^@nestjs\//,
    where: /^(apps\/|libs\/app\/|libs\/bus\/src\/nest\/)/,
    text: 'Nest is used in apps, libs/app and libs/bus/src/nest only',
  },
  { what: /^@nats-io\//, where: /^(libs\/bus\/src\/nats\/|test\/)/, text: '@nats-io/* is used in libs/bus/src/nats only' },
  { what: /\.node$/, where: /^libs\/native\/src\/binding\.ts$/, text: 'the .node file is loaded in libs/native/src/binding.ts only' },
];

/** The programs of processes and of threads. */
const mayUseProcess =
  /^(apps\/[^/]+\/src\/(main|functions\/(thread|process)-main|functions\/function-program)\.ts|libs\/native\/src\/(examine-main|library-path)\.ts|apps\/server\/src\/cli\/|scripts\/|test\/|bench\/|examples\/)|\.spec\.ts$/;

function roomOf(path) {
  const parts = path.split('/');
  return parts[0] === 'libs' || parts[0] === 'apps' ? parts[1] : undefined;
}

/** Why `specifier` may not be imported by the file at `path` (both from the root), or undefined. */
export function importProblem(path, specifier) {
  const room = roomOf(path);
  const isSpec = isForTests(path);
  for (const { what, where, text } of places) if (what.test(specifier) && !where.test(path) && !isSpec) return text;
  if (room === undefined) return undefined;
  if (specifier.startsWith('.')) {
    const target = relative('.', resolve(dirname(path), specifier))
      .split(sep)
      .join('/');
    if (roomOf(target) !== room && !isSpec) return `'${specifier}' leaves the room ${room}: import the other room by its name`;
    if (isForTests(target.replace(/\.js$/, '.ts')) && !isSpec) return `'${specifier}' is there for tests only`;
    return undefined;
  }
  const match = /^@mserve\/(.+)$/.exec(specifier);
  if (!match || isSpec) return undefined;
  const wanted = match[1];
  if (wanted === room) return `${room} imports itself by name: use a relative path`;
  if (!(wanted in allowedRooms) && !furtherEntries.includes(wanted))
    return `'${specifier}' is a deep import: rooms are used through their index`;
  if (!allowedRooms[room]?.includes(wanted))
    return `${room} may import ${allowedRooms[room]?.join(', ') || 'nothing of ours'}, not ${wanted}`;
  return undefined;
}

/** The circles among the files and folders of all rooms (see import-graph.mjs), each a sorted list of paths. There is none. */
export function importCircles() {
  return circles(importGraph(sourceFolders().flatMap(sourceFiles)));
}

/** Reads all rooms once per run of ESLint: about 0.1 s. An editor has to restart its ESLint server to see a circle appear or go. */
let circlesOfThisRun;

/** Which circle the import of `target` by `path` belongs to, as text, or undefined. */
function circleProblem(path, target) {
  circlesOfThisRun ??= importCircles();
  const [from, to] = [sibling(path, target), sibling(target, path)];
  const circle = circlesOfThisRun.find((one) => one.includes(from) && one.includes(to));
  return circle && `files or folders import each other in a circle: ${circle.join(', ')}`;
}

export const circlesRule = {
  meta: { type: 'problem', schema: [], docs: { description: 'no circle between files or folders of a room' } },
  create(context) {
    const path = relative(context.cwd, context.filename).split(sep).join('/');
    if (roomOf(path) === undefined || isForTests(path)) return {};
    const check = (node) => {
      const specifier = node.source?.value;
      if (typeof specifier !== 'string' || !specifier.startsWith('.')) return;
      const target = relative('.', resolve(dirname(path), specifier))
        .split(sep)
        .join('/')
        .replace(/\.js$/, '.ts');
      const problem = circleProblem(path, target);
      if (problem) context.report({ node, message: problem });
    };
    return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check };
  },
};

export const roomsRule = {
  meta: { type: 'problem', schema: [], docs: { description: 'import rules between rooms' } },
  create(context) {
    const path = relative(context.cwd, context.filename).split(sep).join('/');
    const check = (node, specifier) => {
      const problem = typeof specifier === 'string' ? importProblem(path, specifier) : undefined;
      if (problem) context.report({ node, message: problem });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration: (node) => node.source && check(node, node.source.value),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ImportExpression: (node) => check(node, node.source.value),
      "MemberExpression[object.name='process'][property.name=/^(env|exit)$/]": (node) => {
        if (!mayUseProcess.test(path))
          context.report({
            node,
            message: `process.${node.property.name} is used in the programs of processes and threads (main.ts, thread-main.ts, process-main.ts) and the CLI only`,
          });
      },
    };
  },
};
