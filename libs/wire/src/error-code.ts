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
] as const;

/**
 * The closed set of error codes: those of gRPC that mserve uses. Mapped to HTTP status, gRPC status and the original's
 * error_code in the gateway alone.
 *
 * - INVALID_ARGUMENT the request is wrong · NOT_FOUND no such servable, version or method
 * - RESOURCE_EXHAUSTED a limit was passed (message size, queue bound) · DEADLINE_EXCEEDED · CANCELLED by the client
 * - UNAVAILABLE nobody can serve this now, ask again · UNIMPLEMENTED
 * - ABORTED a function written by the servable's author failed for this instance
 * - INTERNAL the model run failed, or a bug of ours
 */
export type ServingErrorCode = (typeof servingErrorCodes)[number];
