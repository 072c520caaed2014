import { ServingError, type ServingErrorCode } from '@mserve/wire';

const httpStatus: Readonly<Record<ServingErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499,
  ABORTED: 500,
  INTERNAL: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

const grpcStatus: Readonly<Record<ServingErrorCode, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
};

/** The original's error_code numbers (SPEC 1.4): 1 FAILED, 2 INVALID_INPUTS, 3 SYSTEM_ERROR, 5 SERVABLE_UNAVAILABLE. */
const msCode: Readonly<Record<ServingErrorCode, number>> = {
  INVALID_ARGUMENT: 2,
  NOT_FOUND: 2,
  ABORTED: 3,
  UNAVAILABLE: 5,
  INTERNAL: 1,
  RESOURCE_EXHAUSTED: 1,
  DEADLINE_EXCEEDED: 1,
  CANCELLED: 1,
  UNIMPLEMENTED: 1,
};

/** HTTP status of a code. RESOURCE_EXHAUSTED is 429 (a queue bound); a message over a size or count limit is an {@link EdgeError} with 413. */
export function httpStatusOf(code: ServingErrorCode): number {
  return httpStatus[code];
}

/** gRPC status number of a code, never 0. */
export function grpcStatusOf(code: ServingErrorCode): number {
  return grpcStatus[code];
}

/** The original's error_code of a failure. Workers that went away while a request was in hand answer 2, as the original does. */
export function msCodeOf(error: { readonly code: ServingErrorCode; readonly message: string }): number {
  if (error.code === 'UNAVAILABLE' && error.message.endsWith('servable is not available')) return 2;
  return msCode[error.code];
}

/** A refusal for which HTTP has a more exact status than its code has: 405, 413, 415. Over gRPC the code counts. */
export class EdgeError extends ServingError {
  /** HTTP status, 4xx. */
  readonly status: number;

  constructor(code: ServingErrorCode, status: number, message: string) {
    super(code, message);
    this.status = status;
  }
}

/** The refusal of a message or a tensor count over a limit: 413 over HTTP, RESOURCE_EXHAUSTED over gRPC. */
export function tooLarge(message: string): EdgeError {
  return new EdgeError('RESOURCE_EXHAUSTED', 413, message);
}

/** The refusal of a request whose bytes would be too many beside those of all others. */
export function tooManyBytes(): EdgeError {
  return new EdgeError('UNAVAILABLE', 503, 'the server holds too many bytes of requests, try again later');
}

/** HTTP status of any error: its own when it has one, else that of its code. */
export function httpStatusOfError(error: ServingError): number {
  return error instanceof EdgeError ? error.status : httpStatus[error.code];
}

const jsonHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json' };
const postOnlyHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json', allow: 'POST' };
const retryHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json', 'retry-after': '1' };

/** Headers of a JSON answer; with Retry-After for 429 and 503, with Allow for 405. */
export function jsonAnswerHeaders(status: number): Readonly<Record<string, string>> {
  if (status === 200) return jsonHeaders;
  if (status === 429 || status === 503) return retryHeaders;
  return status === 405 ? postOnlyHeaders : jsonHeaders;
}
