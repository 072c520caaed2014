/**
 * Counts which public exports have a docstring, by TypeScript's own parser: what each room's `index.ts` gives to others, and every exported
 * declaration of its files.
 *
 *   node scripts/documented-exports.mjs      # the share per room, then what lacks a docstring
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import typescript from 'typescript';
import { sourceFiles, sourceFolders } from './import-graph.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Whether a node has a comment of the form that editors show. */
function hasDocstring(node, text) {
  const comments = typescript.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
  return comments.some(({ pos, end }) => text.startsWith('/**', pos) && end - pos > '/***/'.length);
}

function isExported(statement) {
  return statement.modifiers?.some(({ kind }) => kind === typescript.SyntaxKind.ExportKeyword) ?? false;
}

/** The names that a declaration statement gives. */
function namesOf(statement) {
  if (typescript.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.getText());
  return statement.name === undefined ? [] : [statement.name.text];
}

/** The exported declarations of one file, as [{ name, line, isDocumented }]. Of overloads one docstring is enough. */
export function exportsOf(text) {
  const source = typescript.createSourceFile('file.ts', text, typescript.ScriptTarget.Latest, true);
  const found = new Map();
  for (const statement of source.statements) {
    if (!isExported(statement)) continue;
    for (const name of namesOf(statement)) {
      const isDocumented = hasDocstring(statement, text) || (found.get(name)?.isDocumented ?? false);
      const line = source.getLineAndCharacterOfPosition(statement.getStart()).line + 1;
      found.set(name, { name, line, isDocumented });
    }
  }
  return [...found.values()];
}

/** All exports of all rooms, as [{ room, path, name, line, isDocumented }]. */
export function allExports() {
  return sourceFolders().flatMap((folder) =>
    sourceFiles(folder).flatMap((path) =>
      exportsOf(readFileSync(join(root, path), 'utf8')).map((one) => ({ ...one, path, room: folder.split('/')[1] })),
    ),
  );
}

/** The names that a room's index.ts gives to others, `undefined` for every name (`export *`), by the file they come from. */
function publicNames(folder) {
  const index = `${folder}/index.ts`;
  const files = sourceFiles(folder);
  const seen = new Map();
  const visit = (path) => {
    const source = typescript.createSourceFile(path, readFileSync(join(root, path), 'utf8'), typescript.ScriptTarget.Latest, true);
    for (const statement of source.statements) {
      const specifier = typescript.isExportDeclaration(statement) ? statement.moduleSpecifier?.text : undefined;
      if (specifier === undefined) continue;
      const target = join(dirname(path), specifier).replace(/\.js$/, '.ts');
      if (!files.includes(target)) continue;
      const names = statement.exportClause?.elements?.map((element) => (element.propertyName ?? element.name).text);
      const before = seen.get(target);
      seen.set(target, names === undefined || before === null ? null : [...(before ?? []), ...names]);
      if (names === undefined) visit(target);
    }
  };
  if (files.includes(index)) visit(index);
  return seen;
}

/** The exports that a room's index.ts gives to others. */
export function publicExports() {
  const names = new Map(sourceFolders().flatMap((folder) => [...publicNames(folder)]));
  return allExports().filter(({ path, name }) => names.has(path) && (names.get(path) === null || names.get(path).includes(name)));
}

/** The share of documented exports, 0 to 1. */
export function documentedShare(exports) {
  return exports.filter(({ isDocumented }) => isDocumented).length / exports.length;
}

function percent(exports) {
  const documented = exports.filter(({ isDocumented }) => isDocumented).length;
  return `${((100 * documented) / exports.length).toFixed(1)} % (${documented} of ${exports.length})`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const everything = allExports();
  for (const room of new Set(everything.map((one) => one.room)))
    console.log(`${room.padEnd(14)} ${percent(everything.filter((one) => one.room === room))}`);
  console.log(`${'all'.padEnd(14)} ${percent(everything)}`);
  console.log(`${'index.ts'.padEnd(14)} ${percent(publicExports())}`);
  for (const { path, line, name } of everything.filter((one) => !one.isDocumented)) console.log(`${path}:${line} ${name}`);
}
