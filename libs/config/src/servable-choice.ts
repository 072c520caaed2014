import { comparableName, isServableName, maxVersion } from '@mserve/wire';

/** A servable that somebody chose by name. */
export interface ServableChoice {
  readonly name: string;
  /** 0 = the highest version there is. */
  readonly version: number;
}

/** Reads `NAME` or `NAME:VERSION`. Undefined for anything else. */
export function parseServableChoice(text: string): ServableChoice | undefined {
  const colon = text.lastIndexOf(':');
  const name = comparableName(colon === -1 ? text : text.slice(0, colon));
  const digits = colon === -1 ? '0' : text.slice(colon + 1);
  if (!isServableName(name) || !/^(0|[1-9][0-9]*)$/.test(digits)) return undefined;
  const version = Number(digits);
  return version > maxVersion ? undefined : { name, version };
}
