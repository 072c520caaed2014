import { wantedVersions } from '@mserve/config';
import { isRecord, maxVersion, ServingError } from '@mserve/wire';

/** Which versions a load of the Open Inference Protocol asks for, of those that are there. */
export type WantedVersions = (found: readonly number[]) => readonly number[];

function wrong(text: string): ServingError {
  return new ServingError('INVALID_ARGUMENT', text);
}

/**
 * Reads the `parameters` of a load request: `config`, a JSON text of which `version_policy` is taken, as Triton has it:
 * `{"latest":{"num_versions":2}}`, `{"all":{}}` or `{"specific":{"versions":[1,"3"]}}`. Undefined when none is given: the server's policy holds.
 * Throws ServingError INVALID_ARGUMENT for anything else. Models in the request itself (`file:...`) are refused: what is served lies in the directory.
 */
export function wantedOfParameters(parameters: Readonly<Record<string, unknown>>): WantedVersions | undefined {
  for (const name of Object.keys(parameters)) {
    if (name.startsWith('file:'))
      throw wrong(`parameter '${name.slice(0, 100)}' is not supported: models are loaded from the server's directory only`);
    if (name !== 'config') throw wrong(`parameter '${name.slice(0, 100)}' is not known; config is`);
  }
  const { config } = parameters;
  if (config === undefined) return undefined;
  if (typeof config !== 'string') throw wrong("parameter 'config' must be a text with a JSON object");
  const parsed = parsedConfig(config);
  for (const name of Object.keys(parsed)) {
    if (name !== 'version_policy' && name !== 'name')
      throw wrong(`config: '${name.slice(0, 100)}' cannot be set by a load: it is declared in servable_config; version_policy can be`);
  }
  return parsed['version_policy'] === undefined ? undefined : wantedOfPolicy(parsed['version_policy']);
}

function parsedConfig(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw wrong("parameter 'config' is not JSON");
  }
  if (!isRecord(parsed)) throw wrong("parameter 'config' must be a JSON object");
  return parsed;
}

const policyRule = 'config: version_policy must be {"latest":{"num_versions":N}}, {"all":{}} or {"specific":{"versions":[V]}}';

function wantedOfPolicy(policy: unknown): WantedVersions {
  if (!isRecord(policy) || Object.keys(policy).length !== 1) throw wrong(policyRule);
  const { latest, all, specific } = policy;
  if (isRecord(all)) return (found) => wantedVersions({ kind: 'all' }, found);
  if (isRecord(latest)) {
    const count = versionOf(latest['num_versions'] ?? 1);
    return (found) => wantedVersions({ kind: 'latest', count }, found);
  }
  if (!isRecord(specific) || !Array.isArray(specific['versions']) || specific['versions'].length === 0) throw wrong(policyRule);
  const versions = specific['versions'].map(versionOf);
  // Those that are not there fail to load, and the answer says so
  return () => [...new Set(versions)].sort((a, b) => a - b);
}

/** Protobuf's JSON writes 64-bit integers as texts. */
function versionOf(value: unknown): number {
  const version = typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1 || version > maxVersion) throw wrong(policyRule);
  return version;
}
