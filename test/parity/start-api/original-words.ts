/** The original's error texts name Python's parameters and types. Everything else of them is the same here, letter by letter. */

const words: readonly (readonly [RegExp, string])[] = [
  [/<class 'str'>/g, 'string'],
  [/<class 'int'>/g, 'number'],
  [/<class 'NoneType'>/g, 'undefined'],
  [/<class 'list'>/g, 'Array'],
  [/, list or tuple of /g, ' or array of '],
  [/\btuple\/list of /g, 'array of '],
  [/\bstr\b/g, 'string'],
  [/\bint\b/g, 'integer'],
  [/\bbytes\b/g, 'Uint8Array'],
  [/\bservable_config\.py\b/g, 'servable_config.ts'],
  [/\bssl_config\b/g, 'sslConfig'],
];

const inCamelCase = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A text of the original with the names that a TypeScript program has for the same: `'servableDirectory'`, `string`, `array of integer`. */
export function inTypeScript(text: string): string {
  const renamed = text.replace(/(?<=[Pp]arameter )'([a-z_]+)'/g, (_, name: string) => `'${inCamelCase(name)}'`);
  return words.reduce((result, [from, to]) => result.replace(from, to), renamed);
}
