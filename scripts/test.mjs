/**
 * `npm test`: sets a fresh clone up, gets a nats-server, then format, lint, types of the specs and every test.
 * Arguments are passed to Jest (`npm test -- libs/bus`). The last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
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
  const jest = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  // Orders that specs draw depend on the seed: `npm test -- --seed N` repeats them
  const jestArgs = [...jest, '--showSeed', '--json', `--outputFile=${report}`, ...args];
  const child = spawn(process.execPath, jestArgs, { cwd: root, stdio: 'inherit', env: environment });
  let endsByItself = true;
  let timer;
  const watcher = watch(dirname(report), (_, name) => {
    if (name !== basename(report)) return;
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

/**
 * Specs that failed are run once more, one at a time: a test of many processes may fail only because the machine was full. What passes then counts as passed
 * and is told as UNSTEADY; what fails again counts as failed. With more files than this something is wrong that no second run mends.
 */
const mostFilesAgain = 6;

/** Runs Jest and gives its report; `endsByItself` is false when a spec left something open. */
async function tests(report, args) {
  const endsByItself = await runJest(report, args);
  if (!endsByItself) {
    process.stderr.write(
      'Jest did not end by itself: a spec left something open. Run one spec at a time: npm run jest -- -i PATH --detectOpenHandles\n',
    );
  }
  return { ...JSON.parse(readFileSync(report, 'utf8')), endsByItself };
}

/** The files of which a test, or the whole file, failed. */
function failedFiles({ testResults }) {
  return testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
}

/** Tests that passed and failed. A file that could not be run counts as one that failed. */
function countsOf({ testResults, endsByItself }) {
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const inTests = results.filter(({ status }) => status === 'failed').length;
  const files = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: results.filter(({ status }) => status === 'passed').length,
    failed: inTests + files.length + (endsByItself ? 0 : 1),
  };
}

/** Names of the tests that failed in the first run and passed in the second. */
function unsteadyTests(first, second) {
  const key = (file, test) => `${relative(root, file.name)}: ${test.fullName}`;
  const withStatus = ({ testResults }, wanted) =>
    testResults.flatMap((file) => file.assertionResults.filter(({ status }) => status === wanted).map((test) => key(file, test)));
  const passed = new Set(withStatus(second, 'passed'));
  return withStatus(first, 'failed').filter((name) => passed.has(name));
}

try {
  const jestArgs = process.argv.slice(2);
  const results = await setUp(jestArgs.length === 0 ? runChecks : async () => []);
  const { ensureNatsServer } = await import('./nats-server.mjs');
  environment.NATS_SERVER = await ensureNatsServer();

  let passed = results.filter((isPassed) => isPassed).length;
  let failed = results.length - passed;
  const folder = mkdtempSync(join(tmpdir(), 'mserve-test-'));
  process.stdout.write('▸ Tests\n');
  const first = await tests(join(folder, 'jest.json'), jestArgs);
  const again = jestArgs.length === 0 ? failedFiles(first) : [];
  let counts = countsOf(first);
  if (again.length > 0 && again.length <= mostFilesAgain) {
    process.stdout.write(`▸ Once more, one at a time: ${again.map((file) => relative(root, file)).join(', ')}\n`);
    const second = await tests(join(folder, 'again.json'), ['-i', '--runTestsByPath', ...again]);
    const endsByItself = first.endsByItself && second.endsByItself;
    counts = countsOf({
      endsByItself,
      testResults: [...first.testResults.filter(({ name }) => !again.includes(name)), ...second.testResults],
    });
    for (const name of unsteadyTests(first, second)) process.stdout.write(`UNSTEADY: failed beside others, passed alone: ${name}\n`);
  }
  passed += counts.passed;
  failed += counts.failed;
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
} catch (error) {
  fail(`${error.message}\n\n0 passed, 1 failed`);
}
