import type { AppLog } from '@mserve/app';
import type { Span, SpanFacts, SpanKind, TraceContext, Tracer } from '@mserve/metrics';
import {
  ROOT_CONTEXT,
  SpanKind as OtelSpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  type Attributes,
  type Span as OtelSpan,
  type SpanContext,
  type Tracer as ApiTracer,
} from '@opentelemetry/api';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { headSamplingOf, type HeadSampling } from './head-sampling.js';
import type { Environment, RunningTracing } from './running-tracing.js';
import { Tracestate, tracestateOf } from './tracestate.js';

/** The end of a process waits so long for its last spans to be taken. */
const closeMs = 3_000;

const otelKinds: Readonly<Record<SpanKind, OtelSpanKind>> = {
  request: OtelSpanKind.SERVER,
  queue: OtelSpanKind.INTERNAL,
  batch: OtelSpanKind.INTERNAL,
  stage: OtelSpanKind.INTERNAL,
  run: OtelSpanKind.INTERNAL,
};

/** The SDK itself reads the other variables: endpoint and headers, sampler, limits, batches. */
export async function openTelemetryTracing(env: Environment, role: string, log: AppLog): Promise<RunningTracing> {
  const exporter = await exporterOf(env);
  const named = resourceFromAttributes({ 'service.name': `mserve-${role}`, 'process.pid': process.pid });
  const resource = named.merge(detectResources({ detectors: [envDetector] }));
  const head = headSamplingOf(env);
  // Of requests that begin a trace, those that come to the SDK are chosen already
  const chosen = head.share === undefined ? {} : { sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }) };
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)], ...chosen });
  return {
    tracer: new OtelTracer(provider.getTracer('mserve'), head),
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeMs)));
      await Promise.race([
        provider.shutdown().catch((thrown: unknown) => log.warn({ err: thrown }, 'the last spans were not exported')),
        late,
      ]);
      clearTimeout(timer);
    },
  };
}

async function exporterOf(env: Environment): Promise<SpanExporter> {
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? env['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? 'http/protobuf';
  if (protocol === 'http/protobuf') return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter();
  if (protocol === 'http/json') return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter();
  throw new TypeError(`OTEL_EXPORTER_OTLP_PROTOCOL is '${protocol}': http/protobuf and http/json are known`);
}

/** Spans by the API of OpenTelemetry. Only requests begin traces: what belongs to a request that is not sampled is not looked at further. */
export class OtelTracer implements Tracer {
  constructor(
    private readonly tracer: ApiTracer,
    private readonly head: HeadSampling,
  ) {}

  begin(kind: SpanKind, parent: TraceContext, facts: SpanFacts, links: readonly TraceContext[] = []): Span | undefined {
    const above = spanContextOf(parent);
    if (above === undefined) {
      const { share } = this.head;
      if (kind !== 'request' || (share !== undefined && Math.random() >= share)) return undefined;
    } else if (this.head.followsParent && above.traceFlags === TraceFlags.NONE) return undefined;
    const context = above === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, above);
    const span = this.tracer.startSpan(
      `mserve.${kind}`,
      {
        kind: otelKinds[kind],
        attributes: attributesOf(facts),
        links: links.map(spanContextOf).flatMap((linked) => (linked === undefined ? [] : [{ context: linked }])),
      },
      context,
    );
    return span.isRecording() ? new RecordingSpan(span) : undefined;
  }
}

class RecordingSpan implements Span {
  readonly traceparent: string;
  readonly tracestate: string;
  /** The same as the two texts. */
  readonly context: SpanContext;

  constructor(private readonly span: OtelSpan) {
    this.context = span.spanContext();
    const { traceId, spanId, traceFlags, traceState } = this.context;
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
    this.tracestate = traceState?.serialize() ?? '';
  }

  event(name: string): void {
    this.span.addEvent(name);
  }

  end(error?: string): void {
    if (error !== undefined) {
      this.span.setAttribute('error.type', error);
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.span.end();
  }
}

const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** undefined for what is no traceparent (https://www.w3.org/TR/trace-context): then a trace begins here, and nothing is taken of the tracestate. */
function spanContextOf(of: TraceContext): SpanContext | undefined {
  // Within a process most parents, and all links, are spans themselves
  if (of instanceof RecordingSpan) return of.context;
  const { traceparent, tracestate } = of;
  if (traceparent === '') return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = traceparentForm.exec(traceparent) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const known = { traceId, spanId, traceFlags: parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  const members = tracestate === '' ? undefined : tracestateOf(tracestate);
  return members === undefined ? known : { ...known, traceState: new Tracestate(members) };
}

function attributesOf({ servable, version, method, model, replica, instances, attempt, stage }: SpanFacts): Attributes {
  return {
    'mserve.servable': servable,
    'mserve.version': version,
    'mserve.method': method,
    'mserve.model': model,
    'mserve.replica': replica,
    'mserve.instances': instances,
    'mserve.attempt': attempt,
    'mserve.stage': stage,
  };
}
