import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { root } from './support/running-process.js';

const docs = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...['docs/adr', 'docs/how-to'].flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)),
];

/** Text between backticks, without the fenced blocks. */
function quoted(text: string): string[] {
  return [...text.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] as string);
}

const isPath = (text: string): boolean =>
  /^(apps|libs|docs|proto|scripts|test|bench|examples)\/[\w./-]+\.(ts|mjs|md|cc|h|sh|proto|py|json)$/.test(text);

describe('docs', () => {
  it.each(docs)('%s names only files that exist', (doc) => {
    const missing = quoted(readFileSync(join(root, doc), 'utf8')).filter(
      (text) => isPath(text) && !existsSync(join(root, text)) && !existsSync(join(root, dirname(doc), text)),
    );
    expect(missing).toEqual([]);
  });

  it.each(docs)('%s links only to files that exist', (doc) => {
    const links = [...readFileSync(join(root, doc), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => match[1] as string);
    expect(links.filter((link) => !existsSync(join(root, dirname(doc), link)))).toEqual([]);
  });

  it('life-of-a-request names, after a file, only what is in that file', () => {
    const text = readFileSync(join(root, 'docs/life-of-a-request.md'), 'utf8').replace(/```[\s\S]*?```/g, '');
    const wrong: string[] = [];
    for (const [, first, second] of text.matchAll(/`([^`\n]+)`\)? `(\w+)`/g)) {
      const [path, name] = [first as string, second as string];
      if (isPath(path) && !readFileSync(join(root, path), 'utf8').includes(name)) wrong.push(`${name} is not in ${path}`);
    }
    for (const [, second, first] of text.matchAll(/`(\w+)`\s+\(`([^`\n]+)`/g)) {
      const [path, name] = [first as string, second as string];
      if (isPath(path) && !readFileSync(join(root, path), 'utf8').includes(name)) wrong.push(`${name} is not in ${path}`);
    }
    expect(wrong).toEqual([]);
  });
});
