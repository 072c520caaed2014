/** The largest version of a servable that can be asked for: what the original's REST takes at most. */
export const maxVersion = 4_294_967_294;

/** A servable that somebody chose by name. */
export interface ServableChoice {
  readonly name: string;
  /** 0 = the highest version there is. */
  readonly version: number;
}

/** Reads `NAME` or `NAME:VERSION`. Undefined for anything else. */
export function parseServableChoice(text: string): ServableChoice | undefined {
  const match = /^([A-Za-z0-9_-]{1,64})(?::(0|[1-9]\d*))?$/.exec(text);
  if (match === null) return undefined;
  const version = Number(match[2] ?? 0);
  return version > maxVersion ? undefined : { name: match[1] as string, version };
}
