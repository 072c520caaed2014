import { refusal, type ServingError } from '@mserve/wire';
import { clip } from '../../edge/clip.js';

/** What an infer URL of the Open Inference Protocol names. */
export interface OipModel {
  readonly model: string;
  /** '' = the highest running. */
  readonly version: string;
}

const prefix = '/v2/models/';
const suffix = '/infer';
const versions = '/versions/';

/** `/v2/models/{model}[/versions/{version}]/infer`, names percent-decoded, the query and a slash at the end cut. Throws ServingError NOT_FOUND for any other path. */
export function parseInferUrl(url: string): OipModel {
  const query = url.indexOf('?');
  const whole = query === -1 ? url : url.slice(0, query);
  const path = whole.endsWith('/') ? whole.slice(0, -1) : whole;
  if (!path.startsWith(prefix) || !path.endsWith(suffix)) throw noSuchPath(path);
  const names = path.slice(prefix.length, -suffix.length);
  const slash = names.indexOf('/');
  if (slash === -1) return { model: decoded(names, path), version: '' };
  if (!names.startsWith(versions, slash)) throw noSuchPath(path);
  const version = names.slice(slash + versions.length);
  if (version === '' || version.includes('/')) throw noSuchPath(path);
  return { model: decoded(names.slice(0, slash), path), version: decoded(version, path) };
}

function noSuchPath(path: string): ServingError {
  return refusal('path-not-found', { given: clip(path), expected: '/v2/models/{model}[/versions/{version}]/infer' });
}

function decoded(name: string, path: string): string {
  if (name === '') throw noSuchPath(path);
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    throw refusal('url-malformed', { detail: `'${clip(name)}' is not percent-encoded UTF-8` });
  }
}
