/**
 * The import rules of docs/architecture.md as a lint rule. A room is a folder of libs/ or apps/; the table says which rooms it may import.
 * The table has no cycle, so neither have the rooms.
 */
import { dirname, relative, resolve, sep } from 'node:path';

/** room -> rooms it may import */
export const allowedRooms = {
  wire: [],
  native: [],
  config: [],
  app: ['wire', 'bus', 'config'],
  bus: ['wire'],
  register: ['wire'],
  mindir: ['wire'],
  gateway: ['wire', 'bus', 'bus/nest', 'config', 'app'],
  scheduler: ['wire', 'bus', 'bus/nest', 'config', 'app'],
  'device-worker': ['wire', 'bus', 'bus/nest', 'config', 'app', 'register', 'mindir', 'native'],
  agent: ['wire', 'bus', 'bus/nest', 'config', 'app', 'mindir', 'native'],
  server: ['wire', 'bus', 'bus/nest', 'config', 'app', 'register', 'mindir', 'native', 'gateway', 'scheduler', 'device-worker', 'agent'],
};

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

const mayUseProcess = /^(apps\/[^/]+\/src\/main\.ts|apps\/server\/src\/cli\/|scripts\/|test\/|bench\/|examples\/)|\.spec\.ts$/;

function roomOf(path) {
  const parts = path.split('/');
  return parts[0] === 'libs' || parts[0] === 'apps' ? parts[1] : undefined;
}

/** Why `specifier` may not be imported by the file at `path` (both from the root), or undefined. */
export function importProblem(path, specifier) {
  const room = roomOf(path);
  const isSpec = /\.(spec|contract)\.ts$/.test(path) || path.includes('/testing/');
  for (const { what, where, text } of places) if (what.test(specifier) && !where.test(path) && !isSpec) return text;
  if (room === undefined) return undefined;
  if (specifier.startsWith('.')) {
    const target = relative('.', resolve(dirname(path), specifier))
      .split(sep)
      .join('/');
    if (roomOf(target) !== room && !isSpec) return `'${specifier}' leaves the room ${room}: import the other room by its name`;
    return undefined;
  }
  const match = /^@mserve\/(.+)$/.exec(specifier);
  if (!match || isSpec) return undefined;
  const wanted = match[1];
  if (wanted === room) return `${room} imports itself by name: use a relative path`;
  if (!(wanted in allowedRooms) && wanted !== 'bus/nest') return `'${specifier}' is a deep import: rooms are used through their index`;
  if (!allowedRooms[room]?.includes(wanted))
    return `${room} may import ${allowedRooms[room]?.join(', ') || 'nothing of ours'}, not ${wanted}`;
  return undefined;
}

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
          context.report({ node, message: `process.${node.property.name} is used in main.ts and the CLI only` });
      },
    };
  },
};
