import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { settings } from '@mserve/config';
import { root } from './support/running-process.js';

const text = readFileSync(join(root, 'docs/limits.md'), 'utf8');

/** The rows of the table below a heading, as cells. */
function rowsBelow(heading: string): string[][] {
  const section = text.slice(text.indexOf(`\n## ${heading}\n`)).split('\n## ')[1] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const quoted = (cell: string | undefined): string[] => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);

/** What a constant of a source file is: a product of numbers. */
function constantIn(file: string, name: string): number | undefined {
  const found = new RegExp(`const ${name} = ([0-9a-fx_ *]+);`).exec(readFileSync(join(root, file), 'utf8'));
  return found?.[1]
    ?.replaceAll('_', '')
    .split('*')
    .reduce((product, factor) => product * Number(factor.trim()), 1);
}

describe('docs/limits.md', () => {
  it.each(rowsBelow('Settings'))('%s: %s is a setting with the default %s', (_limit, setting, value) => {
    const [name] = quoted(setting);
    const declared: unknown = Reflect.get(settings, name as string);
    expect(declared).toMatchObject({ default: Number(value?.split(' ')[0]) });
    const { unit } = declared as { unit?: string };
    expect(value?.split(' ').slice(1).join(' ')).toBe(unit ?? '');
  });

  it.each(rowsBelow('Fixed'))('%s: %s is %s', (_limit, constant, value) => {
    const [name, file] = quoted(constant);
    expect(constantIn(file as string, name as string)).toBe(Number(value));
  });

  it('has a row for each limit that a gateway has', () => {
    const named = rowsBelow('Settings').flatMap(([, setting]) => quoted(setting));
    const limits = Object.keys(settings).filter((key) =>
      /^(max(?!Attempts|Undelivered|QueueDelay|ConnectionAge)|minBody|defaultDeadline)/.test(key),
    );
    expect(limits.filter((key) => !named.includes(key))).toEqual([]);
  });
});
