/** The largest number that a version can have: 2^53 - 1. Unix times and dates such as 20240131120000 fit. */
export const maxVersion = Number.MAX_SAFE_INTEGER;

/** What {@link isServableName} allows, for error texts. */
export const servableNameRule =
  "1 to 64 letters, digits, '_', '-', and inside the name also '.' and blanks (letters of any language, in Unicode's composed form NFC)";

/** Characters of a servable's name, at most. */
export const longestServableName = 64;

const pattern = /^(?![ .\p{M}])[\p{L}\p{M}\p{N}_. -]+(?<![ .])$/u;

/** Whether a servable can have this name. It can then be in a path, in `NAME:VERSION` and, percent-encoded, in a URL. */
export function isServableName(name: string): boolean {
  return name.length <= longestServableName && pattern.test(name) && name === name.normalize('NFC');
}

/**
 * A name of a servable, method, input or output in the form in which names are compared: Unicode's NFC. Some file systems and
 * clients write a letter and its accent apart (NFD); the name is the same.
 */
export function comparableName(name: string): string {
  return name.normalize('NFC');
}
