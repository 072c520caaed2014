import type { TraceContext } from '@mserve/metrics';
import type { IngressAnswer, IngressRequest } from '../edge/ingress.js';
import { traceHeaders } from '../edge/trace-headers.js';

/** The answer when even the refusal cannot be shaped. */
export function lastResort({ token, route }: IngressRequest): IngressAnswer {
  if (route.endsWith('grpc')) return { token, kind: 'grpc-error', status: 13, message: 'internal error' };
  return { token, kind: 'http', status: 500, headers: { 'content-type': 'application/json' }, body: ['{"error":"internal error"}'] };
}

/** What HTTP wants of a refusal whatever the protocol: Allow for a wrong verb, Retry-After when trying again makes sense. */
export function withHttpHeaders(request: IngressRequest, answer: Extract<IngressAnswer, { kind: 'http' }>): IngressAnswer {
  const { status, headers } = answer;
  if (request.verb !== 'POST' && status !== 200) return { ...answer, status: 405, headers: { ...headers, allow: 'POST' } };
  if ((status === 429 || status === 503) && headers['retry-after'] === undefined)
    return { ...answer, headers: { ...headers, 'retry-after': '1' } };
  return answer;
}

/** The answer to a traced request tells the span of it. */
export function withTrace(answer: IngressAnswer, trace: TraceContext): IngressAnswer {
  return answer.kind === 'http' ? { ...answer, headers: { ...answer.headers, ...traceHeaders(trace) } } : { ...answer, trace };
}
