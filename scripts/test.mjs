/**
 * `npm test`: sets a fresh clone up, gets a nats-server, then lint, types of the specs and every test.
 * Arguments are passed to Jest (`npm test -- libs/bus`). The last line is `N passed, N failed`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fail, root, setUp } from './setup.mjs';

function run(label, args) {
  process.stdout.write(`▸ ${label}\n`);
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, NX_DAEMON: 'false' } }).status === 0;
}

/** How long Jest may take to end after its report is written. */
const longestEndMs = 30_000;

/** Runs Jest, which writes its results to `report`. Gives false when it had to be ended because it did not end after that. */
function runJest(report, args) {
  process.stdout.write('▸ Tests\n');
  const jest = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  // Orders that specs draw hang on the seed: `npm test -- --seed N` repeats them
  const jestArgs = [...jest, '--showSeed', '--json', `--outputFile=${report}`, ...args];
  const child = spawn(process.execPath, jestArgs, { cwd: root, stdio: 'inherit', env: { ...process.env, NX_DAEMON: 'false' } });
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
  await setUp();
  const { ensureNatsServer } = await import('./nats-server.mjs');
  process.env.NATS_SERVER = await ensureNatsServer();

  const jestArgs = process.argv.slice(2);
  let passed = 0;
  let failed = 0;
  if (jestArgs.length === 0) {
    const checks = [
      ['Format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '**/*.{ts,mts,mjs}']],
      ['Lint (import rules among others)', ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0']],
      ['Types of the specs', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.spec.json', '--noEmit']],
    ];
    for (const [label, args] of checks) {
      if (run(label, args)) passed += 1;
      else failed += 1;
    }
  }
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
