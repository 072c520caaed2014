import { maxVersion } from '@mserve/wire';

/** Which versions of a servable are to be served, of those that are there. */
export type VersionPolicy =
  /** The `count` highest. */
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly number[] };

/** What is allowed, in words that follow "must be". */
export const versionPolicyRule = 'latest, latest:N, all or specific:VERSION,VERSION';
/** Digits that always fit a version. */
const number = '[1-9][0-9]{0,15}';
/** The same as a pattern. */
export const versionPolicyPattern = `^(?:latest(?::[1-9][0-9]{0,5})?|all|specific:${number}(?:,${number})*)$`;

/** Reads a version policy. Undefined for a text that is none. */
export function parseVersionPolicy(text: string): VersionPolicy | undefined {
  if (!new RegExp(versionPolicyPattern).test(text)) return undefined;
  const [kind, rest] = text.split(':') as [string, string | undefined];
  if (kind === 'all') return { kind };
  if (kind === 'latest') return { kind, count: Number(rest ?? 1) };
  const versions = (rest ?? '').split(',').map(Number);
  return versions.every((version) => version <= maxVersion) ? { kind: 'specific', versions } : undefined;
}

/** The versions that a policy asks for, ascending. `found`: those that are there. */
export function wantedVersions(policy: VersionPolicy, found: readonly number[]): number[] {
  const ascending = [...found].sort((a, b) => a - b);
  switch (policy.kind) {
    case 'all':
      return ascending;
    case 'latest':
      return ascending.slice(-policy.count);
    case 'specific':
      return ascending.filter((version) => policy.versions.includes(version));
  }
}
