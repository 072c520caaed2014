/**
 * `npm run watch`: compiles every change of TypeScript and starts the server anew after each compilation without errors. Serves
 * `examples` (servable digits) or what the arguments say: they go on to `mserve serve` (`npm run watch -- models --rest 127.0.0.1:8080`).
 * C++ is not watched: `node libs/native/build.mjs` builds the addon.
 */
import { spawn } from 'node:child_process';
import { fail, root, setUp } from './setup.mjs';

const given = process.argv.slice(2);
const serveArgs = given.length > 0 ? given : ['examples', '--servable', 'digits'];

/** The server that runs or is to run; restarts come one after the other. */
class Served {
  #process;
  #restarts = Promise.resolve();
  #isLast = false;

  restart() {
    this.#restarts = this.#restarts.then(() => this.#stop()).then(() => this.#start());
  }

  /** Stops the server for good. */
  async end() {
    this.#isLast = true;
    await this.#restarts;
    await this.#stop();
  }

  #start() {
    if (this.#isLast) return;
    const args = ['--enable-source-maps', '--inspect=127.0.0.1:0', 'apps/server/dist/main.js', 'serve', ...serveArgs];
    const server = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    this.#process = server;
    server.once('exit', (code) => {
      if (this.#process !== server) return;
      this.#process = undefined;
      process.stdout.write(`The server ended with exit code ${code}. It is started again after the next change.\n`);
    });
  }

  #stop() {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return undefined;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    return ended;
  }
}

try {
  await setUp();
} catch (error) {
  fail(error.message);
}

// Only now: before setUp() there may be no node_modules.
const { default: typescript } = await import('typescript');
process.chdir(root);
const served = new Served();
/** TypeScript's code for `Found N errors. Watching for file changes.`, N other than 1. */
const compilationEnded = 6194;
let errors = 0;
const formatHost = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => '\n' };
const host = typescript.createSolutionBuilderWithWatchHost(
  typescript.sys,
  undefined,
  (diagnostic) => {
    errors += 1;
    process.stderr.write(`${typescript.formatDiagnostic(diagnostic, formatHost)}\n`);
  },
  undefined,
  (diagnostic, newLine) => {
    process.stdout.write(`▸ ${typescript.flattenDiagnosticMessageText(diagnostic.messageText, newLine)}\n`);
    if (diagnostic.code !== compilationEnded) return;
    if (errors === 0) served.restart();
    errors = 0;
  },
);
typescript.createSolutionBuilderWithWatch(host, [root], {}).build();

let isEnding = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    if (isEnding) return;
    isEnding = true;
    await served.end();
    process.exit(0);
  });
}
