import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { withOpTable } from './op-documentation.js';
import { opFamilies, opTable } from './ops/index.js';

describe('the op table', () => {
  it('is what docs/mindir.md says (node libs/mindir/write-docs.mjs writes it)', () => {
    const page = readFileSync(new URL('../../../docs/mindir.md', import.meta.url), 'utf8');
    expect(withOpTable(page)).toBe(page);
  });

  it('has every primitive once', () => {
    const names = opFamilies.flatMap(({ entries }) => entries.map(({ name }) => name));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(opTable.size).toBe(names.length);
  });
});
