// Runs when the package is installed: takes the addon that came with it, or builds it from its source where that one does not load here (another
// platform, an older C library). Node-API keeps one build good for every Node. Built-ins only.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const prebuilt = join(here, 'prebuilt', `${process.platform}-${process.arch}`, 'mserve_native.node');

/** In a process of its own: what does not fit may end it. */
function loads(path) {
  return spawnSync(process.execPath, ['-e', `require(${JSON.stringify(path)})`], { stdio: 'ignore' }).status === 0;
}

if (!loads(prebuilt)) process.exitCode = spawnSync(process.execPath, [join(here, 'build.mjs')], { stdio: 'inherit' }).status ?? 1;
