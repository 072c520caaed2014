import { maxVersion, refusal } from '@mserve/wire';
import { clip } from '../../edge/clip.js';

/** What a URL of the original's REST API names. */
export interface MsTarget {
  readonly servable: string;
  /** 0 = the highest running. */
  readonly version: number;
  readonly method: string;
}

const prefix = '/model/';

/**
 * `/model/{servable}:{method}`, `/model/{servable}/:{method}` or either with `/version/{n}` before the colon. The query is cut,
 * the names are percent-decoded once. Throws ServingError INVALID_ARGUMENT with the original's texts.
 */
export function parseMsUrl(url: string): MsTarget {
  const query = url.indexOf('?');
  const whole = query === -1 ? url : url.slice(0, query);
  // A slash at the end changes nothing; no method has one in its name
  const path = whole.endsWith('/') && whole.length > prefix.length && whole.includes(':') ? whole.slice(0, -1) : whole;
  const colon = path.indexOf(':');
  const names = colon === -1 ? path : path.slice(0, colon);
  const slash = names.indexOf('/', prefix.length);
  const servable = names.startsWith(prefix) ? names.slice(prefix.length, slash === -1 ? undefined : slash) : '';
  if (servable === '') throw refusal('url-malformed', { detail: `please check url, the keyword:[model] must contain.${meantPath(path)}` });
  const rest = slash === -1 || slash === names.length - 1 ? '' : names.slice(slash);
  const version = rest.includes('version') ? parseVersion(path.slice(path.indexOf('version', slash) + 8)) : 0;
  const method = colon === -1 ? '' : path.slice(colon + 1);
  if (method === '') throw refusal('url-malformed', { detail: 'please check url, the keyword:[service method] must contain.' });
  if (rest !== '' && !/^\/version\/[^/]+\/?$/.test(rest))
    throw refusal('url-malformed', { detail: `please check url, '${clip(path)}' is not /model/{servable}[/version/{n}]:{method}` });
  return { servable: decoded(servable), version, method: decoded(method) };
}

/** For a path with doubled slashes (a base URL that ends with one) or capitals: what was meant. */
function meantPath(path: string): string {
  const plain = path.replace(/\/{2,}/g, '/').replace(/^\/model\//i, prefix);
  return plain !== path && plain.startsWith(prefix) && plain.length > prefix.length && plain[prefix.length] !== ':'
    ? ` The path is ${clip(plain)}`
    : '';
}

/** A name percent-decoded once; one that is not percent-encoded UTF-8 stays as it came. */
function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/**
 * The version in what comes after `version` and one more character, up to the next `/` or `:`: there the original looks for it, wherever the word
 * stands. All decimal digits (the original takes what C strtol takes: `1abc` is 1 there).
 */
function parseVersion(rest: string): number {
  const text = rest.split(/[/:]/, 1)[0] as string;
  const digits = text.startsWith('-') ? text.slice(1) : text;
  if (!/^[0-9]+$/.test(digits))
    throw refusal('url-malformed', {
      detail: `please check url, the keyword:[version] value invalid, request version number ${clip(text)}`,
    });
  const version = Number(digits);
  if ((digits !== text && version !== 0) || version > maxVersion)
    throw refusal('url-malformed', { detail: `please check url, version number range failed, request version number ${clip(text)}` });
  return version;
}
