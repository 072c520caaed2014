import { isRecord, ServingError } from '@mserve/wire';

/** ServingError INTERNAL for an answer that mserve would not give. */
export function notUnderstood(what: string, cause?: unknown): ServingError {
  return new ServingError('INTERNAL', `the server's answer is not understood: ${what}; is it an mserve server?`, { cause });
}

function refuse(what: string): never {
  throw notUnderstood(what);
}

/** A value of a server's answer that must be an object. ServingError INTERNAL when it is not. */
export function recordOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : refuse(`${what} is no object`);
}

/** One that must be a text. */
export function textOf(value: unknown, what: string): string {
  return typeof value === 'string' ? value : refuse(`${what} is no text`);
}

/** One that must be a whole number; as text too, as gRPC's JSON form has those of 64 bits. */
export function wholeOf(value: unknown, what: string): number {
  const number = typeof value === 'string' || typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : refuse(`${what} is no whole number`);
}
