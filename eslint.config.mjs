import tseslint from 'typescript-eslint';
import { circlesRule, roomsRule } from './scripts/eslint-rooms.mjs';

/** Nest's own patterns: classes that only carry decorators. */
const nestFiles = ['apps/**/*.ts', 'libs/bus/src/nest/**/*.ts', 'libs/bus/src/control/**/*.ts'];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/build/**',
      '**/node_modules/**',
      'libs/wire/src/gen/**',
      '**/*.mjs',
      '**/*.cjs',
      '**/*.js',
      'tmp/**',
      '.nx/**',
      'bench/**/results*/**',
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx', '**/*.mts'],
    plugins: { mserve: { rules: { rooms: roomsRule, circles: circlesRule } } },
    rules: {
      'mserve/rooms': 'error',
      'mserve/circles': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': 'off',
      eqeqeq: 'error',
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
        { selector: "ExportSpecifier[exported.name='default']", message: 'No default exports.' },
      ],
    },
  },
  { files: nestFiles, rules: { '@typescript-eslint/no-extraneous-class': 'off' } },
  { files: ['**/*.spec.ts', '**/*.contract.ts', 'test/**/*.ts'], rules: { 'max-lines-per-function': 'off' } },
);
