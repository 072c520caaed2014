/**
 * In specs this stands for `process-main.js`, the program of a function process: it lives outside of Jest's module system, so the sources are loaded by
 * jiti, like servables.
 */
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';

const pathOf = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const alias = { '@mserve/register': pathOf('libs/register/src/index.ts'), '@mserve/wire': pathOf('libs/wire/src/index.ts') };
const program = pathOf('apps/device-worker/src/functions/process-main.ts');
await createJiti(program, { alias, sourceMaps: true }).import(program);
