/**
 * The imports between our own files, and the circles among them. Specs, contract suites and what stands in `testing` or `*.fixture.ts`
 * are left out: they may look at everything.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import typescript from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Whether the file at `path` is only there for tests. */
export function isForTests(path) {
  return /\.(spec|contract|fixture)\.ts$/.test(path) || path.includes('/testing/');
}

/** The source folders of all rooms, from the root of the workspace: `libs/wire/src`, `apps/gateway/src`, ... */
export function sourceFolders() {
  return ['libs', 'apps'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${parent}/${entry.name}/src`),
  );
}

/** The TypeScript files under `folder` (both from the root, with forward slashes), without those for tests and generated ones. */
export function sourceFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).split('\\').join('/').replace(/^\//, ''))
    .filter((path) => !isForTests(path) && !path.includes('/src/gen/'));
}

/** file -> files of the same room that it imports; everything by path from the root. */
export function importGraph(files, read = (path) => readFileSync(join(root, path), 'utf8')) {
  const known = new Set(files);
  return new Map(
    files.map((path) => {
      const specifiers = typescript.preProcessFile(read(path), true, true).importedFiles.map((found) => found.fileName);
      const targets = specifiers
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => join(dirname(path), specifier).split('\\').join('/').replace(/\.js$/, '.ts'));
      return [path, [...new Set(targets)].filter((target) => known.has(target))];
    }),
  );
}

/** The child, file or folder, that holds `path` in the lowest folder that holds `other` too. */
export function sibling(path, other) {
  const [a, b] = [path.split('/'), other.split('/')];
  let depth = 0;
  while (a[depth] === b[depth]) depth += 1;
  return a.slice(0, depth + 1).join('/');
}

/**
 * The circles of a graph of files. In every folder its children (files and folders) are looked at as one graph, with an edge from one child
 * to another where a file in the one imports a file in the other. So neither files nor folders import each other in a circle.
 * One circle is a sorted list of all children that can reach each other.
 */
export function circles(graph) {
  const floors = new Map();
  for (const [from, targets] of graph) {
    for (const target of targets) {
      const [a, b] = [sibling(from, target), sibling(target, from)];
      if (!floors.has(a)) floors.set(a, new Set());
      floors.get(a).add(b);
    }
  }
  return stronglyConnected(floors);
}

/** Tarjan's strongly connected components of two nodes or more, each sorted. */
function stronglyConnected(edges) {
  const found = [];
  const order = new Map();
  const low = new Map();
  const stack = [];
  const visit = (node) => {
    order.set(node, order.size);
    low.set(node, order.get(node));
    stack.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!order.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node), low.get(next)));
      } else if (stack.includes(next)) low.set(node, Math.min(low.get(node), order.get(next)));
    }
    if (low.get(node) !== order.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of edges.keys()) if (!order.has(node)) visit(node);
  return found;
}
