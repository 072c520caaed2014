/** One parameter of a function, as its source text says. `name` is '' for a destructured one, also for one with a default value. */
export interface Parameter {
  readonly name: string;
  readonly kind: 'plain' | 'default' | 'rest' | 'destructured';
}

const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const identifier = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;

/**
 * The parameters of a function, read from its source text: JavaScript keeps no other record of their names.
 * Understands arrow functions, functions, methods, async ones and generators, with comments, defaults and destructuring.
 * undefined when there is no source (native and bound functions, classes).
 */
export function parametersOf(fn: (...args: never[]) => unknown): Parameter[] | undefined {
  const source = Function.prototype.toString.call(fn);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source) || /^class\b/.test(source)) return undefined;
  const head = parameterList(source);
  if (head === undefined) return undefined;
  return splitTopLevel(head).map(parameterOf);
}

/** The text between the parentheses of the parameter list; the identifier itself for `x => ...`. */
function parameterList(source: string): string | undefined {
  let lastWord = '';
  for (let at = 0; at < source.length;) {
    const next = skipBlank(source, at);
    if (next !== at) {
      at = next;
      continue;
    }
    const char = source[at] as string;
    if (char === '(') return source.slice(at + 1, skipNested(source, at) - 1);
    if (source.startsWith('=>', at)) return lastWord;
    identifier.lastIndex = at;
    const word = identifier.exec(source)?.[0];
    if (word !== undefined) {
      lastWord = word;
      at += word.length;
    } else if (char === '[')
      at = skipNested(source, at); // a computed method name
    else at = skipLiteral(source, at) ?? at + 1;
  }
  return undefined;
}

/** Splits at commas that are not inside brackets, strings, comments or regular expressions; drops comments and empty parts. */
function splitTopLevel(list: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < list.length;) {
    const next = skipBlank(list, at);
    if (next !== at) {
      part += ' ';
      at = next;
      continue;
    }
    const char = list[at] as string;
    if (char === ',') {
      parts.push(part);
      part = '';
      at++;
      continue;
    }
    const end = char in closers ? skipNested(list, at) : (skipLiteral(list, at, part) ?? at + 1);
    part += list.slice(at, end);
    at = end;
  }
  parts.push(part);
  return parts.map((text) => text.trim()).filter((text) => text !== '');
}

function parameterOf(text: string): Parameter {
  if (text.startsWith('...')) return { name: text.slice(3).trim(), kind: 'rest' };
  if (text.startsWith('{') || text.startsWith('[')) {
    const behind = text.slice(skipNested(text, 0)).trim();
    return { name: '', kind: behind.startsWith('=') ? 'default' : 'destructured' };
  }
  const equals = text.indexOf('=');
  return equals === -1 ? { name: text, kind: 'plain' } : { name: text.slice(0, equals).trim(), kind: 'default' };
}

/** Behind white space and comments that start at `at`; `at` itself when there are none. */
function skipBlank(text: string, at: number): number {
  if (/\s/.test(text[at] as string)) return at + 1;
  if (text.startsWith('//', at)) {
    const end = text.indexOf('\n', at);
    return end === -1 ? text.length : end;
  }
  if (text.startsWith('/*', at)) {
    const end = text.indexOf('*/', at + 2);
    return end === -1 ? text.length : end + 2;
  }
  return at;
}

/** Behind the bracket that closes the one at `at`. */
function skipNested(text: string, at: number): number {
  const closer = closers[text[at] as string];
  let before = '(';
  for (let i = at + 1; i < text.length;) {
    const blank = skipBlank(text, i);
    if (blank !== i) {
      i = blank;
      continue;
    }
    const char = text[i] as string;
    if (char === closer) return i + 1;
    i = char in closers ? skipNested(text, i) : (skipLiteral(text, i, before) ?? i + 1);
    before = char;
  }
  return text.length;
}

/** Behind a string, template or regular expression that starts at `at`; undefined when none does. `before` decides whether `/` can start one. */
function skipLiteral(text: string, at: number, before = ''): number | undefined {
  const quote = text[at] as string;
  const isRegExp = quote === '/' && /(^|[=(,:[!&|?{};+\-*%~^<>])\s*$/.test(before);
  if (quote !== "'" && quote !== '"' && quote !== '`' && !isRegExp) return undefined;
  let inClass = false;
  for (let i = at + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (quote === '`' && char === '$' && text[i + 1] === '{') i = skipNested(text, i + 1) - 1;
    else if (isRegExp && char === '[') inClass = true;
    else if (isRegExp && char === ']') inClass = false;
    else if (char === quote && !inClass) return i + 1;
  }
  return text.length;
}
