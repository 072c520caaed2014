import { describe, expect, it } from '@jest/globals';
import { allExports, documentedShare, exportsOf, publicExports } from '../scripts/documented-exports.mjs';

const undocumented = (exports: ReturnType<typeof allExports>): string[] =>
  exports.filter(({ isDocumented }) => !isDocumented).map(({ path, line, name }) => `${path}:${line} ${name}`);

describe('documented exports (node scripts/documented-exports.mjs lists what lacks a docstring)', () => {
  it('counts declarations, one docstring for all overloads, and no plain comments', () => {
    const text = [
      '/** First. */',
      'export function a(x: number): number;',
      'export function a(x: string): string;',
      '// plain',
      'export const b = 1, c = 2;',
      'const hidden = 3;',
      '/** Decorated. */',
      '@D() export class E {}',
      '/***/',
      'export type F = 1;',
    ].join('\n');
    expect(exportsOf(text).map(({ name, line, isDocumented }) => [name, line, isDocumented])).toEqual([
      ['a', 3, true],
      ['b', 5, false],
      ['c', 5, false],
      ['E', 8, true],
      ['F', 10, false],
    ]);
  });

  it('are at least 95 % of all', () => {
    const exports = allExports();
    expect(exports.length).toBeGreaterThan(1000);
    expect(documentedShare(exports) >= 0.95 ? [] : undocumented(exports)).toEqual([]);
  });

  it("are at least 95 % of what the rooms' index files give to others", () => {
    const exports = publicExports();
    expect(exports.length).toBeGreaterThan(300);
    expect(documentedShare(exports) >= 0.95 ? [] : undocumented(exports)).toEqual([]);
  });
});
