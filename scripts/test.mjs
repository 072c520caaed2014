/**
 * `npm test`: sets a fresh clone up, gets a nats-server, then format, lint, types of the specs and every test.
 * Arguments are passed to Jest (`npm test -- libs/bus`). The last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fail, root, setUp } from './setup.mjs';

const environment = { ...process.env, NX_DAEMON: 'false' };

/** What needs packages and no build. Their caches (node_modules/.cache) serve a second run. ESLint has none: its rules look at several files. */
const checks = [
  ['Format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '--cache', '**/*.{ts,mts,mjs}']],
  ['Lint (import rules among others)', ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0']],
  [
    'Types of the specs',
    [
      'node_modules/typescript/bin/tsc',
      '-p',
      'tsconfig.spec.json',
      '--noEmit',
      '--incremental',
      '--tsBuildInfoFile',
      'node_modules/.cache/specs.tsbuildinfo',
    ],
  ],
];

/** Runs a check; its output is shown at its end, in one piece. Gives whether it passed. */
function check(label, args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) =>
    child.once('close', (code) => {
      process.stdout.write(`▸ ${label}: ${code === 0 ? 'passed' : 'failed'}\n${output}`);
      resolve(code === 0);
    }),
  );
}

/** Runs all checks, one after the other. Gives for each whether it passed. */
async function runChecks() {
  const results = [];
  for (const [label, args] of checks) results.push(await check(label, args));
  return results;
}

/** How long Jest may take to end after its report is written. */
const longestEndMs = 30_000;

/** Runs Jest, which writes its results to `report`. Gives false when it had to be ended because it did not end after that. */
function runJest(report, args) {
  process.stdout.write('▸ Tests\n');
  const jest = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  // Orders that specs draw depend on the seed: `npm test -- --seed N` repeats them
  const jestArgs = [...jest, '--showSeed', '--json', `--outputFile=${report}`, ...args];
  const child = spawn(process.execPath, jestArgs, { cwd: root, stdio: 'inherit', env: environment });
  let endsByItself = true;
  let timer;
  const watcher = watch(dirname(report), () => {
    timer ??= setTimeout(() => {
      endsByItself = false;
      child.kill('SIGKILL');
    }, longestEndMs);
  });
  return new Promise((resolve) =>
    child.once('close', () => {
      clearTimeout(timer);
      watcher.close();
      resolve(endsByItself);
    }),
  );
}

try {
  const jestArgs = process.argv.slice(2);
  const results = await setUp(jestArgs.length === 0 ? runChecks : async () => []);
  const { ensureNatsServer } = await import('./nats-server.mjs');
  environment.NATS_SERVER = await ensureNatsServer();

  let passed = results.filter((isPassed) => isPassed).length;
  let failed = results.length - passed;
  const report = join(mkdtempSync(join(tmpdir(), 'mserve-test-')), 'jest.json');
  if (!(await runJest(report, jestArgs))) {
    process.stderr.write(
      'Jest did not end by itself: a spec left something open. Run one spec at a time: npm run jest -- -i PATH --detectOpenHandles\n',
    );
    failed += 1;
  }
  const result = JSON.parse(readFileSync(report, 'utf8'));
  passed += result.numPassedTests;
  failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
} catch (error) {
  fail(`${error.message}\n\n0 passed, 1 failed`);
}
