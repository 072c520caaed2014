import { ServingError } from '@mserve/wire';
import type { ClientOptions } from './options.js';

/** The server's own default (docs/protocols.md). */
const defaultTimeoutMs = 100_000;
const defaultRetries = 3;
/** The longest that a timer of Node may be. */
const maxTimeoutMs = 2 ** 31 - 1;

/** Options with their defaults. ServingError INVALID_ARGUMENT for a value that is none. */
export function readOptions({ timeoutMs = defaultTimeoutMs, retries = defaultRetries }: ClientOptions): {
  readonly timeoutMs: number;
  readonly retries: number;
} {
  if (!(timeoutMs > 0 && timeoutMs <= maxTimeoutMs))
    throw new ServingError('INVALID_ARGUMENT', `timeoutMs is ${timeoutMs}, a number above 0 and up to ${maxTimeoutMs} is expected`);
  if (!Number.isSafeInteger(retries) || retries < 0)
    throw new ServingError('INVALID_ARGUMENT', `retries is ${retries}, a whole number from 0 is expected`);
  return { timeoutMs, retries };
}
