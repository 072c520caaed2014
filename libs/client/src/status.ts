import { grpcStatusOfCode, httpStatusOfCode, ServingError, servingErrorCodes, type ServingErrorCode } from '@mserve/wire';

/** Beside the statuses of the codes: of several codes, and those that a reason or a proxy gives. */
const codeOfHttp: ReadonlyMap<number, ServingErrorCode> = new Map<number, ServingErrorCode>([
  ...codesByStatus(httpStatusOfCode),
  [405, 'INVALID_ARGUMENT'],
  [408, 'DEADLINE_EXCEEDED'],
  [413, 'RESOURCE_EXHAUSTED'],
  [415, 'INVALID_ARGUMENT'],
  [500, 'INTERNAL'],
  [502, 'UNAVAILABLE'],
]);

const codeOfGrpc: ReadonlyMap<number, ServingErrorCode> = new Map(codesByStatus(grpcStatusOfCode));

function codesByStatus(statuses: Readonly<Record<ServingErrorCode, number>>): (readonly [number, ServingErrorCode])[] {
  return servingErrorCodes.map((code) => [statuses[code], code]);
}

/** The code of an HTTP status that is no success (docs/protocols.md). */
export function codeOfHttpStatus(status: number): ServingErrorCode {
  return codeOfHttp.get(status) ?? (status >= 400 && status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL');
}

/** The code of a gRPC status that is not OK (docs/protocols.md). */
export function codeOfGrpcStatus(status: number): ServingErrorCode {
  return codeOfGrpc.get(status) ?? 'INTERNAL';
}

/** Why a call ended whose signal is aborted: its time is over (the reason is a TimeoutError), or its caller left. */
export function abortedError(signal: AbortSignal): ServingError {
  const reason: unknown = signal.reason;
  if (reason instanceof ServingError) return reason;
  const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
  return isTimeout
    ? new ServingError('DEADLINE_EXCEEDED', 'the deadline passed before there was an answer', { cause: reason })
    : new ServingError('CANCELLED', 'the call was cancelled', { cause: reason });
}
