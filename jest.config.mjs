import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = import.meta.dirname;

/** Whether the last build of a room is newer than its sources, without what is for specs. `folder`: the part of the sources that matters. */
function isBuilt(room, folder = '') {
  const stamp = join(root, room, 'dist/.tsbuildinfo');
  if (!existsSync(stamp)) return false;
  const source = join(root, room, 'src', folder);
  const names = readdirSync(source, { recursive: true }).filter(
    (name) => name.endsWith('.ts') && !/\.(spec|fixture|contract)\.ts$/.test(name),
  );
  return names.every((name) => statSync(join(source, name)).mtimeMs <= statSync(stamp).mtimeMs);
}

/**
 * What threads and processes for functions run in specs: they live outside of Jest's module system. A build starts three times faster than the sources,
 * so it is taken when it is up to date (`npm test` builds first); else the sources, by test/support/thread-main.mjs and process-main.mjs.
 */
const isBuildCurrent = isBuilt('libs/wire') && isBuilt('libs/register') && isBuilt('apps/device-worker', 'functions');
const functionPrograms = isBuildCurrent ? 'apps/device-worker/dist/functions/$1-main.js' : 'test/support/$1-main.mjs';

/** One Jest for the whole workspace: TypeScript sources are run as ES modules, `@mserve/*` resolves to sources, not to builds. */
const config = {
  testEnvironment: '<rootDir>/test/support/closing-environment.mjs',
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  // One more than cores: many specs wait for processes, or for time to pass. Jest's own choice leaves one core idle
  maxWorkers: availableParallelism() + 1,
  extensionsToTreatAsEsm: ['.ts'],
  roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  moduleNameMapper: {
    '^@mserve/wire/gen$': '<rootDir>/libs/wire/src/generated.ts',
    '^@mserve/wire/tensors$': '<rootDir>/libs/wire/src/tensors.ts',
    '^@mserve/bus/nest$': '<rootDir>/libs/bus/src/nest/index.ts',
    '^@mserve/ops/state$': '<rootDir>/libs/ops/src/state.ts',
    '^@mserve/native/shared-memory$': '<rootDir>/libs/native/src/shared-memory.ts',
    '^@mserve/app/signals$': '<rootDir>/libs/app/src/signals.ts',
    '^@mserve/(wire|event-loop|metrics|bus|client|config|app|ops|dashboard|tracing|register|mindir|onnx|native)$':
      '<rootDir>/libs/$1/src/index.ts',
    '^@mserve/(gateway|scheduler|device-worker|agent|server)$': '<rootDir>/apps/$1/src/index.ts',
    '^\\./(thread|process)-main\\.js$': `<rootDir>/${functionPrograms}`,
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testTimeout: 30_000,
};

export default config;
