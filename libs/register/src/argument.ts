import { nearest } from '@mserve/wire';
import { RegisterError, typeName } from './register-error.js';

/** Argument checks, in words of TypeScript: authors read them. All throw RegisterError. */

export function checkString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new RegisterError(`'${name}' must be a string, not ${typeName(value)}`);
  if (value === '') throw new RegisterError(`'${name}' must not be an empty string`);
  return value;
}

/** The value when it is a boolean. Throws RegisterError. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new RegisterError(`'${name}' must be true or false, not ${typeName(value)}`);
  return value;
}

/** An integer, at least `min` and at most `max` (both included). */
export function checkInteger(name: string, value: unknown, min?: number, max?: number): number {
  if (typeof value !== 'number') throw new RegisterError(`'${name}' must be an integer, not ${typeName(value)}`);
  if (!Number.isSafeInteger(value)) throw new RegisterError(`'${name}' must be an integer, not ${value}`);
  if (min !== undefined && max !== undefined && (value < min || value > max))
    throw new RegisterError(`'${name}' must be from ${min} to ${max}, not ${value}`);
  if (min !== undefined && value < min) throw new RegisterError(`'${name}' must be at least ${min}, not ${value}`);
  return value;
}

/** One non-empty string or a non-empty list of them; always gives a list. Throws for repeated ones when `unique`. */
export function checkStringOrList(name: string, value: unknown, unique: boolean): string[] {
  if (typeof value === 'string') return [checkString(name, value)];
  if (!Array.isArray(value)) throw new RegisterError(`'${name}' must be a string or an array of strings, not ${typeName(value)}`);
  if (value.length === 0) throw new RegisterError(`'${name}' must not be an empty array`);
  const list = value.map((entry: unknown) => {
    if (typeof entry !== 'string') throw new RegisterError(`'${name}' must have strings in its array, not ${typeName(entry)}`);
    if (entry === '') throw new RegisterError(`'${name}' must not have an empty string in its array`);
    return entry;
  });
  if (unique) refuseRepeated(name, list);
  return list;
}

/** One integer >= 0 or a list of different ones; always gives a list. */
export function checkIntegerOrList(name: string, value: unknown): number[] {
  if (typeof value === 'number') return [checkInteger(name, value, 0)];
  if (!Array.isArray(value)) throw new RegisterError(`'${name}' must be an integer or an array of integers, not ${typeName(value)}`);
  const list = value.map((entry: unknown) => {
    if (typeof entry !== 'number' || !Number.isSafeInteger(entry)) {
      throw new RegisterError(`'${name}' must have integers in its array, not ${typeof entry === 'number' ? entry : typeName(entry)}`);
    }
    if (entry < 0) throw new RegisterError(`'${name}' must have integers of at least 0 in its array, not ${entry}`);
    return entry;
  });
  refuseRepeated(name, list);
  return list;
}

/** One of a closed set of words. */
export function checkWord<Word extends string>(name: string, value: unknown, words: readonly Word[]): Word {
  const text = checkString(name, value);
  if (!words.includes(text as Word))
    throw new RegisterError(`'${name}' must be ${listed(words.map((word) => `'${word}'`))}, not '${text}'`);
  return text as Word;
}

/**
 * Refuses members of an object that nobody knows: a misspelt one would be left out without a word. Throws RegisterError `<refusal> <name>` with the known
 * name that is closest, or with all known ones when none is close.
 */
export function refuseUnknown(refusal: string, given: object, known: readonly string[]): void {
  const name = Object.keys(given).find((member) => !known.includes(member));
  if (name !== undefined) throw new RegisterError(`${refusal} ${name}${hintOf(name, known)}`);
}

/** `, did you mean 'dtype'?` or, where no known name is close, `, it can be dtype, shape or doc`. */
export function hintOf(name: string, known: readonly string[]): string {
  const close = nearest(name, known);
  if (close !== undefined) return `, did you mean '${close}'?`;
  return known.length === 0 ? '' : `, it can be ${listed(known)}`;
}

/** `a, b or c`. */
function listed(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}

function refuseRepeated(name: string, list: readonly (string | number)[]): void {
  const repeated = list.find((entry, index) => list.indexOf(entry) !== index);
  if (repeated !== undefined) throw new RegisterError(`'${name}' has '${repeated}' twice`);
}

/** true for `{...}` and Object.create(null): what is taken for options, as opposed to instances of a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}
