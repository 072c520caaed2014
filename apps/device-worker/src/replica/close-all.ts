/** Waits for all of them; rejects afterwards with the error of the one that failed, or with an AggregateError of all that did. */
export async function closeAll(closing: readonly Promise<unknown>[]): Promise<void> {
  const errors = (await Promise.allSettled(closing)).flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join('; '));
}
