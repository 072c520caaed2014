import type { Span, TraceContext, Tracer } from '@mserve/metrics';
import type { RequestWatch, ServingError } from '@mserve/wire';
import type { IngressRequest } from '../edge/ingress.js';
import type { InferRequest } from '../protocols/protocol.js';

/** Of a request that was decoded, below the client's. */
export function spanOf(tracer: Tracer, request: IngressRequest, { target, instances }: InferRequest): Span | undefined {
  const facts = { servable: target.servable, version: target.version, method: target.method.name, instances: instances.length };
  return tracer.begin('request', contextOf(request), facts);
}

/** Of a request that was refused before it was known what it is about: it is over already. */
export function spanOfRefusal(tracer: Tracer, request: IngressRequest, error: ServingError): Span | undefined {
  const span = tracer.begin('request', contextOf(request), {});
  span?.end(error.reason ?? error.code);
  return span;
}

/** That its ticket has: its span, or else what the client sent, for tracers of other processes. */
export function watchOf(span: Span | undefined, request: IngressRequest, isTimed: boolean): RequestWatch | undefined {
  if (span !== undefined) return { traceparent: span.traceparent, tracestate: span.tracestate, isTimed };
  return isTimed || request.headers['traceparent'] !== undefined ? { ...contextOf(request), isTimed } : undefined;
}

/** As the client sent it. */
function contextOf({ headers }: IngressRequest): TraceContext {
  const { traceparent = '', tracestate = '' } = headers;
  return { traceparent, tracestate };
}
