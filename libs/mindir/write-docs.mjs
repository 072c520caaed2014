// Brings the generated part of docs/mindir.md up to date: npx tsc -b libs/mindir && node libs/mindir/write-docs.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { withOpTable } from './dist/op-documentation.js';

const page = new URL('../../docs/mindir.md', import.meta.url);
writeFileSync(page, withOpTable(readFileSync(page, 'utf8')));
