import { parseVersionPolicy, wantedVersions, type VersionPolicy } from '@mserve/config';
import { listVersions } from '../servable/servable-directory.js';

/** A servable to load, and which version of it. */
interface Chosen {
  readonly name: string;
  readonly directory?: string | undefined;
  /** 0 or absent: the policy decides. */
  readonly version?: number | undefined;
}

/** The policy that a text of the setting stands for. Throws TypeError for any other text: settings are checked before. */
export function versionPolicyOf(text: string): VersionPolicy {
  const policy = parseVersionPolicy(text);
  if (policy === undefined) throw new TypeError(`'${text}' is not a version policy`);
  return policy;
}

/**
 * The versions to load at the start, one entry each. An entry stays as it is where it names its version, and where there is nothing to choose from:
 * loading it says what is wrong with it.
 */
export function chosenVersions<S extends Chosen>(directory: string, servables: readonly S[], policy: VersionPolicy): S[] {
  return servables.flatMap((servable) => {
    if ((servable.version ?? 0) !== 0 || (policy.kind === 'latest' && policy.count === 1)) return [servable];
    const wanted = wantedVersions(policy, versionsThere(servable.directory ?? directory, servable.name));
    if (wanted.length > 0) return wanted.map((version) => ({ ...servable, version }));
    return policy.kind === 'specific' ? policy.versions.map((version) => ({ ...servable, version })) : [servable];
  });
}

function versionsThere(directory: string, name: string): number[] {
  try {
    return listVersions(directory, name);
  } catch {
    return [];
  }
}
