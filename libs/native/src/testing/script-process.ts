import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..', '..', '..', '..');
const libraryUrl = pathToFileURL(join(root, 'libs', 'native', 'dist', 'index.js')).href;

/** How a script's process ended. `ended` is its exit code, or the signal that ended it. */
export interface ScriptEnd {
  readonly ended: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs scripts in processes of their own, for what concerns the whole process. They use the compiled library, which is brought up to date
 * first, and find `Session`, what node:worker_threads has, and the path of each model file by its name.
 */
export class ScriptProcess {
  readonly #folder: string;
  readonly #prelude: string;
  #count = 0;

  constructor(models: Readonly<Record<string, Uint8Array>>, more = '') {
    execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', join(root, 'libs', 'native')]);
    this.#folder = mkdtempSync(join(tmpdir(), 'mserve-script-'));
    const paths = Object.entries(models).map(([name, model]) => {
      const path = join(this.#folder, `${name}.onnx`);
      writeFileSync(path, model);
      return `const ${name} = ${JSON.stringify(path)};`;
    });
    this.#prelude = [
      `import { Session } from ${JSON.stringify(libraryUrl)};`,
      `import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';`,
      ...paths,
      more,
    ].join('\n');
  }

  run(body: string, ...flags: string[]): Promise<ScriptEnd> {
    const file = join(this.#folder, `script-${++this.#count}.mjs`);
    writeFileSync(file, `${this.#prelude}\n${body}`);
    return new Promise((resolve) => {
      execFile(process.execPath, [...flags, file], { timeout: 25_000 }, (error, stdout, stderr) => {
        resolve({ ended: error === null ? 0 : (error.signal ?? error.code ?? 'unknown'), stdout: stdout.trim(), stderr: stderr.trim() });
      });
    });
  }
}
