import type { MetricRegistry, MetricSnapshot } from '@mserve/metrics';
import { tritonText } from './triton-text.js';

/** Names of metrics beside mserve's own: the setting `metricsCompat`. */
export type MetricsCompat = 'none' | 'triton';

/** The content type of {@link prometheusText}. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * All metrics of a registry in the text format of Prometheus, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats). A metric
 * without a sample has its HELP and TYPE lines only.
 */
export function prometheusText(registry: Pick<MetricRegistry, 'snapshot'>, compat: MetricsCompat = 'none'): string {
  const lines: string[] = [];
  const metrics = registry.snapshot();
  for (const metric of metrics) writeMetric(lines, metric);
  return `${lines.join('\n')}\n${compat === 'triton' ? tritonText(metrics) : ''}`;
}

function writeMetric(lines: string[], metric: MetricSnapshot): void {
  const { name, help, labels = [] } = metric.declaration;
  lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${metric.type}`);
  const names = labels.map((label) => label.name);
  if (metric.type !== 'histogram') {
    for (const sample of metric.samples) lines.push(`${name}${labelText(names, sample.labels)} ${numberText(sample.value)}`);
    return;
  }
  const bounds = [...metric.declaration.buckets.map(String), '+Inf'];
  for (const { labels: values, value } of metric.samples) {
    let count = 0;
    for (const [i, bound] of bounds.entries()) {
      count += value.counts[i] ?? 0;
      lines.push(`${name}_bucket${labelText([...names, 'le'], [...values, bound])} ${count}`);
    }
    const text = labelText(names, values);
    lines.push(`${name}_sum${text} ${numberText(value.sum)}`, `${name}_count${text} ${count}`);
  }
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, i) => `${name}="${escaped(values[i] ?? '')}"`).join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}
