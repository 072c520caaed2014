/** Empties a list that is short as a rule, for the next turn. To set its length is a call into V8's runtime, as dear as ten pops. */
export function emptyList(list: unknown[]): void {
  while (list.length > 0) list.pop();
}
