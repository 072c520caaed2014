/**
 * `npm test`: sets a fresh clone up, gets a nats-server, then lint, types of the specs and every test.
 * Arguments are passed to Jest (`npm test -- libs/bus`). The last line is `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, root, setUp } from './setup.mjs';

function run(label, args) {
  process.stdout.write(`▸ ${label}\n`);
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, NX_DAEMON: 'false' } }).status === 0;
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
  run('Tests', [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    // A failed test may leave a socket or a process behind: that must not keep the run from ending
    '--forceExit',
    '--json',
    `--outputFile=${report}`,
    ...jestArgs,
  ]);
  const result = JSON.parse(readFileSync(report, 'utf8'));
  passed += result.numPassedTests;
  failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
} catch (error) {
  fail(`${error.message}\n\n0 passed, 1 failed`);
}
