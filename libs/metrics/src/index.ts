export { otherValue, type HistogramDeclaration, type Label, type MetricDeclaration } from './declaration.js';
export { Count, Distribution, Level, MetricRegistry, type MetricSnapshot, type Sample } from './metrics.js';
export { Series } from './series.js';
export type { Span, SpanFacts, SpanKind, Tracer } from './tracer.js';
