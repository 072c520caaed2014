import type { TraceContext } from '@mserve/metrics';

/** HTTP headers, or gRPC metadata, of an answer to a traced request. */
export function traceHeaders({ traceparent, tracestate }: TraceContext): Readonly<Record<string, string>> {
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

/** undefined for what is no traceparent. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent === undefined ? undefined : /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent)?.[1];
}
