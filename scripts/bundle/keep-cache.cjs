/** Run by scripts/bundle.mjs in a process, or a thread, of each program of the bundle: keeps what V8 has compiled of it until it is ready. */
'use strict';
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { isMainThread, parentPort, workerData } = require('node:worker_threads');

const folder = process.env.BUNDLE_FOLDER;
const { load, scripts } = require(join(folder, 'load.cjs'));

function keep() {
  for (const [name, script] of scripts) writeFileSync(join(folder, `${name}.cjs.cache`), script.createCachedData());
}

if (isMainThread) {
  process.on('exit', keep);
  void load('command', true).runCommand();
} else {
  load('thread-main', true);
  // Its owner sends one when the config of the thread is loaded
  parentPort.on('message', (message) => {
    if (message.kind === 'keep') keep();
    if (message.kind === 'keep' || message.kind === 'end') process.exit(0);
  });
  if (workerData === undefined) throw new Error('a function thread is told what to load');
}
