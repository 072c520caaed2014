import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { hasSetting, settingEntries, settings } from '@mserve/config';
import { fileSchema, generated, withTables } from '../scripts/settings-docs.mjs';
import { root } from './support/running-process.js';

describe('what is written about settings', () => {
  it.each(Object.entries(generated))('in %s is what is declared (else: npm run build, node scripts/settings-docs.mjs)', (file, textOf) => {
    const text = readFileSync(join(root, file), 'utf8');
    expect(text).toBe(textOf(text));
  });

  it('names every setting of the server in docs/cli.md', () => {
    const text = readFileSync(join(root, 'docs/cli.md'), 'utf8');
    expect(
      settingEntries
        .filter(([, one]) => hasSetting('server', one))
        .map(([key]) => key)
        .filter((key) => !text.includes(`| \`${key}\` |`)),
    ).toEqual([]);
  });

  it('refuses a marker without a table', () => {
    expect(() => withTables('<!-- settings: nothing -->\n<!-- end -->')).toThrow("there is no table of settings 'nothing'");
  });

  it('is, in the schema, every key and every alias with bounds', () => {
    const { properties } = JSON.parse(fileSchema()) as { properties: Record<string, { anyOf: unknown[] }> };
    const aliases = settingEntries.flatMap(([, { aliases: others }]) => others ?? []);
    expect(Object.keys(properties).sort()).toEqual(['$schema', ...Object.keys(settings), ...aliases].sort());
    expect(properties['maxMsgMbSize']?.anyOf).toEqual([{ type: 'integer', minimum: 1, maximum: 512 }, { type: 'null' }]);
    expect(properties['maxMsgMb']?.anyOf).toEqual(properties['maxMsgMbSize']?.anyOf);
  });
});
