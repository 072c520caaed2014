import {
  grpcStatusOfCode,
  httpStatusOfCode,
  refusal,
  type Failure,
  type Reason,
  type ServingError,
  type ServingErrorCode,
} from '@mserve/wire';

/** The original's error_code numbers: 1 FAILED, 2 INVALID_INPUTS, 3 SYSTEM_ERROR, 5 SERVABLE_UNAVAILABLE. */
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
  UNAUTHENTICATED: 1,
  PERMISSION_DENIED: 1,
};

/** Reasons for which HTTP has a more exact status than for their code. */
const httpStatusOfReason: Partial<Readonly<Record<Reason, number>>> = {
  'verb-not-allowed': 405,
  'content-unsupported': 415,
  'request-too-large': 413,
  'request-too-slow': 408,
  'call-malformed': 400,
  'call-unsupported': 400,
};

/** Reasons to which the original gives another error_code than to their code. */
const msCodeOfReason: Partial<Readonly<Record<Reason, number>>> = { 'servable-unavailable': 2 };

/** What MSService says with a gRPC status: the original never gets to see it. Everything else is data in a reply with status OK. */
const msGrpcStatusReasons: ReadonlySet<Reason | undefined> = new Set<Reason>([
  'verb-not-allowed',
  'content-unsupported',
  'protobuf-malformed',
  'call-malformed',
  'call-unsupported',
  'header-malformed',
  'request-too-large',
  'request-too-slow',
  'too-many-bytes',
]);
const msGrpcStatusCodes: ReadonlySet<ServingErrorCode> = new Set<ServingErrorCode>([
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
]);

/** What the statuses of an error depend on. */
export type Refused = Pick<Failure, 'code' | 'reason'>;

/** HTTP status, 4xx or 5xx. */
export function httpStatusOf({ code, reason }: Refused): number {
  return (reason && httpStatusOfReason[reason]) ?? httpStatusOfCode[code];
}

/** gRPC status number, never 0. */
export function grpcStatusOf({ code }: Refused): number {
  return grpcStatusOfCode[code];
}

/** The original's error_code in a PredictReply; undefined for what MSService says with a gRPC status. */
export function msCodeOf({ code, reason }: Refused): number | undefined {
  if (msGrpcStatusCodes.has(code) || msGrpcStatusReasons.has(reason)) return undefined;
  return (reason && msCodeOfReason[reason]) ?? msCode[code];
}

/** The refusal of a message, a count or a tensor over a limit. */
export function tooLarge(detail: string): ServingError {
  return refusal('request-too-large', { detail });
}

const jsonHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json' };
const postOnlyHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json', allow: 'POST' };
const authenticateHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json', 'www-authenticate': 'Bearer' };
const retryHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json', 'retry-after': '1' };

/** Headers of a JSON answer; with Retry-After for 429 and 503, with Allow for 405, with WWW-Authenticate for 401. */
export function jsonAnswerHeaders(status: number): Readonly<Record<string, string>> {
  if (status === 200) return jsonHeaders;
  if (status === 429 || status === 503) return retryHeaders;
  if (status === 401) return authenticateHeaders;
  return status === 405 ? postOnlyHeaders : jsonHeaders;
}
