import { ServingError } from '@mserve/wire';
import type { ClassConstructor } from 'class-transformer';
import { validateControl } from './parse-control.js';

/**
 * Checks the lists of one sender, which come again at each of its changes with most of their entries as they were: what was checked for the list before is
 * not checked again. Entries are values of JSON.
 */
export class CheckedList<T extends object> {
  /** Those of the last list, by their text. */
  private known = new Map<string, T>();

  constructor(private readonly type: ClassConstructor<T>) {}

  /** The valid entries, in order; `onWrong` is called for each of the others, with the reason, and may throw. Entries that did not change are the same objects. */
  read(entries: readonly unknown[], onWrong: (index: number, reason: string) => void): T[] {
    const found = new Map<string, T>();
    const valid: T[] = [];
    for (const [index, entry] of entries.entries()) {
      const text = JSON.stringify(entry);
      try {
        const checked = found.get(text) ?? this.known.get(text) ?? validateControl(this.type, entry);
        found.set(text, checked);
        valid.push(checked);
      } catch (error) {
        onWrong(index, ServingError.from(error).message);
      }
    }
    this.known = found;
    return valid;
  }
}

/**
 * A message of JSON whose list under `key` is checked entry by entry, with a CheckedList: here its entries only count. Throws ServingError INVALID_ARGUMENT for
 * what else is wrong with the message.
 */
export function splitList<T extends object>(
  type: ClassConstructor<T>,
  plain: unknown,
  key: string,
): { readonly head: T; readonly entries: readonly unknown[] } {
  const list: unknown = typeof plain === 'object' && plain !== null ? (plain as Readonly<Record<string, unknown>>)[key] : undefined;
  const entries: readonly unknown[] = Array.isArray(list) ? list : [];
  const head = validateControl(type, entries.length === 0 ? plain : { ...(plain as object), [key]: entries.map(() => 0) });
  return { head, entries };
}
