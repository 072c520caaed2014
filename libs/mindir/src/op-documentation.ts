import { opFamilies } from './ops/index.js';

/** Start and end of the generated part of docs/mindir.md. */
export const generatedMarks = ['<!-- generated from the op table: begin -->', '<!-- generated from the op table: end -->'] as const;

/** All operators by family, as Markdown. */
export function opTableMarkdown(): string {
  const total = opFamilies.reduce((sum, { entries }) => sum + entries.length, 0);
  const sections = opFamilies.map(
    ({ family, entries }) => `**${family}** (${entries.length}): ${entries.map(({ name }) => `\`${name}\``).join(', ')}.`,
  );
  return [`${total} primitives have a translation.`, ...sections].join('\n\n');
}

/** The page with its generated part brought up to date. Throws when the marks are missing. */
export function withOpTable(page: string): string {
  const [begin, end] = generatedMarks;
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no generated part');
  return `${page.slice(0, from + begin.length)}\n\n${opTableMarkdown()}\n\n${page.slice(to)}`;
}
