/**
 * Lies in the bundle's folder and loads its programs (scripts/bundle.mjs makes them). V8 takes what it compiled when the bundle was made
 * (NAME.cjs.cache), where this is the Node that it was made with; else Node's own compile cache is asked for, which Node 20 does not have.
 */
'use strict';
const { existsSync, readFileSync, statSync } = require('node:fs');
const nodeModule = require('node:module');
const { dirname, join } = require('node:path');
const vm = require('node:vm');

/** The compiled programs, by name: what V8 knows of them is kept by keep-cache.cjs. */
exports.scripts = new Map();

/** Whether a package of the workspace was compiled after the bundle was made. An installed mserve has no such files, and never is. */
function isStale() {
  const stamps = JSON.parse(readFileSync(join(__dirname, 'stamps.json'), 'utf8'));
  return Object.entries(stamps).some(([file, mtimeMs]) => {
    const stats = statSync(join(__dirname, file), { throwIfNoEntry: false });
    return stats !== undefined && stats.mtimeMs !== mtimeMs;
  });
}

function compiled(file, cachedData) {
  const source = nodeModule.wrap(readFileSync(file, 'latin1'));
  return new vm.Script(source, { filename: file, cachedData });
}

/** As `load`; undefined when what the bundle was made of has changed since. */
exports.loadIfCurrent = (name) => (isStale() ? undefined : exports.load(name));

/** Loads a program and gives its exports. Threads and processes of a server ask no more: they are of its bundle. `toKeep`: to be compiled for `scripts`. */
exports.load = (name, toKeep = false) => {
  const file = join(__dirname, `${name}.cjs`);
  const cache = `${file}.cache`;
  // Stacks name TypeScript files only of what Node itself has loaded
  if (process.sourceMapsEnabled || !(toKeep || existsSync(cache))) return require(file);
  const script = compiled(file, toKeep ? undefined : readFileSync(cache));
  if (script.cachedDataRejected) {
    nodeModule.enableCompileCache?.(join(__dirname, 'compile-cache'));
    return require(file);
  }
  exports.scripts.set(name, script);
  const module = { exports: {}, importer: (name) => import(name) };
  script.runInThisContext().call(module.exports, module.exports, nodeModule.createRequire(file), module, file, dirname(file));
  return module.exports;
};
