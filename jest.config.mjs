/** One Jest for the whole workspace: TypeScript sources are run as ES modules, `@mserve/*` resolves to sources, not to builds. */
const config = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  moduleNameMapper: {
    '^@mserve/wire/gen$': '<rootDir>/libs/wire/src/generated.ts',
    '^@mserve/bus/nest$': '<rootDir>/libs/bus/src/nest/index.ts',
    '^@mserve/app/signals$': '<rootDir>/libs/app/src/signals.ts',
    '^@mserve/(wire|event-loop|metrics|bus|config|app|register|mindir|onnx|native)$': '<rootDir>/libs/$1/src/index.ts',
    '^@mserve/(gateway|scheduler|device-worker|agent|server)$': '<rootDir>/apps/$1/src/index.ts',
    '^\\./(thread|process)-main\\.js$': '<rootDir>/test/support/$1-main.mjs',
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
