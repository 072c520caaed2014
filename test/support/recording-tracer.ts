import type { Span, SpanFacts, SpanKind, TraceContext, Tracer } from '@mserve/metrics';

export interface RecordedSpan {
  readonly kind: SpanKind;
  readonly traceparent: string;
  readonly parent: string;
  readonly facts: SpanFacts;
  readonly links: readonly string[];
  readonly events: string[];
  /** Calls of `end`: one, with the error or ''. */
  readonly ends: string[];
}

/** Keeps all spans in the order in which they began. Their traceparents are their numbers. */
export class RecordingTracer implements Tracer {
  readonly spans: RecordedSpan[] = [];

  begin(kind: SpanKind, { traceparent: parent, tracestate }: TraceContext, facts: SpanFacts, linked: readonly TraceContext[] = []): Span {
    const links = linked.map(({ traceparent }) => traceparent);
    const span: RecordedSpan = { kind, traceparent: `${kind}-${this.spans.length}`, parent, facts, links, events: [], ends: [] };
    this.spans.push(span);
    return {
      traceparent: span.traceparent,
      tracestate,
      event: (name) => void span.events.push(name),
      end: (error = '') => void span.ends.push(error),
    };
  }

  /** `kind < parent: how it ended`, in the order in which they began. */
  get outline(): string[] {
    return this.spans.map(({ kind, parent, ends }) => `${kind} < ${parent}: ${ends.map((error) => error || 'ok').join(' ') || 'open'}`);
  }
}
