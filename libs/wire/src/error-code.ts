/** All codes of a ServingError. */
export const servingErrorCodes = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNAVAILABLE',
  'UNIMPLEMENTED',
  'ABORTED',
  'INTERNAL',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
] as const;

/**
 * The closed set of error codes: those of gRPC that mserve uses. Their HTTP and gRPC statuses are here, for the gateway and for clients; the original's
 * error_code, and what depends on the reason too, is the gateway's.
 *
 * - INVALID_ARGUMENT the request is wrong · NOT_FOUND no such servable, version or method
 * - RESOURCE_EXHAUSTED a limit was passed (message size, queue bound) · DEADLINE_EXCEEDED · CANCELLED by the client
 * - UNAVAILABLE nobody can serve this now, ask again · UNIMPLEMENTED
 * - ABORTED a function written by the servable's author failed for this instance
 * - UNAUTHENTICATED nobody knows who asks · PERMISSION_DENIED who asks may not
 * - INTERNAL the model run failed, or a bug of ours
 */
export type ServingErrorCode = (typeof servingErrorCodes)[number];

/** HTTP status of a code, 4xx or 5xx. */
export const httpStatusOfCode: Readonly<Record<ServingErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499,
  ABORTED: 500,
  INTERNAL: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

/** gRPC status number of a code, never 0. No two codes have the same. */
export const grpcStatusOfCode: Readonly<Record<ServingErrorCode, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
};
