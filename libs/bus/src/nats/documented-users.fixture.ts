import { readFile } from 'node:fs/promises';

/** The authorization block of docs/bus.md, with `{role}-secret` for the passwords. */
export async function documentedUsers(): Promise<string> {
  const page = await readFile(new URL('../../../../docs/bus.md', import.meta.url), 'utf8');
  const block = /\nauthorization \{[\s\S]*?\n\}\n/.exec(page)?.[0];
  if (block === undefined) throw new Error('docs/bus.md has no authorization block');
  return block.replace(/\$([A-Z]+)_PASSWORD/g, (_, role: string) => `${role.toLowerCase()}-secret`);
}
