import { randomBytes } from 'node:crypto';

/** Tells the requests of this process from those of others. */
const processId = randomBytes(6).toString('hex');

/** What may be sent back as it came: visible ASCII, so that it fits into a header and into one word of a log line. */
const wellFormed = /^[\x21-\x7e]{1,256}$/;

/**
 * What names a request in its answer and in the log: the client's header (gRPC: metadata) `x-request-id`, or one that is made here when there is none or
 * it is not 1 to 256 visible ASCII characters. `token` is unique in the process.
 */
export function requestIdOf(given: string | undefined, token: number): string {
  return given !== undefined && wellFormed.test(given) ? given : `${processId}-${token}`;
}
