/**
 * What a span is about, from the outside in:
 *
 * - request: in the gateway, from the arrival of a request to its answer
 * - queue: in the scheduler, from the arrival of instances to their assignment to a replica
 * - batch: in the worker, the instances of an assignment from their arrival to their results
 * - stage: in the worker, a stage of a method: from when instances wait for it to their results
 * - run: in the worker, one run of a model: several requests may have a part in it
 */
export type SpanKind = 'request' | 'queue' | 'batch' | 'stage' | 'run';

/** What is known of a span when it begins. */
export interface SpanFacts {
  readonly servable?: string | undefined;
  readonly version?: number | undefined;
  readonly method?: string | undefined;
  readonly model?: string | undefined;
  readonly replica?: string | undefined;
  readonly instances?: number | undefined;
  readonly attempt?: number | undefined;
  /** Number of a stage in its method, from 1. */
  readonly stage?: number | undefined;
}

/** Where a trace goes on: what https://www.w3.org/TR/trace-context calls so. */
export interface TraceContext {
  /** '' for none. */
  readonly traceparent: string;
  /** What the tracing systems on the way have noted; '' for nothing. Of no worth without a traceparent. */
  readonly tracestate: string;
}

/** One step of the way of a request; as a context, what its children are given. */
export interface Span extends TraceContext {
  /** Something worth a note happened now, for example a second attempt. */
  event(name: string): void;
  /** It is over. `error`: code or reason of the failure. Once. */
  end(error?: string): void;
}

/**
 * Where spans go. Rooms have a `Tracer | undefined`: undefined when tracing is off, and then nothing is allocated, asked or measured for it:
 * `const span = tracer?.begin('request', parent, facts)`, with facts that are objects already or made behind the question mark.
 */
export interface Tracer {
  /**
   * A span that begins now, below that of `parent`, as it came: what is no traceparent, or no tracestate, is dropped. undefined: this trace is not sampled, and is
   * not looked at further. `links`: other spans that it is about.
   */
  begin(kind: SpanKind, parent: TraceContext, facts: SpanFacts, links?: readonly TraceContext[]): Span | undefined;
}
