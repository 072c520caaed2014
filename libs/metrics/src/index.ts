export { batchSizeBuckets, secondsBuckets } from './buckets.js';
export { otherValue, type HistogramDeclaration, type Label, type MetricDeclaration } from './declaration.js';
export { deviceLabel, methodLabels, nameLabel, replicaLabel, versionLabels } from './labels.js';
export { Count, Distribution, Level, MetricRegistry, type MetricSnapshot, type Sample } from './metrics.js';
export { Series } from './series.js';
export type { Span, SpanFacts, SpanKind, TraceContext, Tracer } from './tracer.js';
