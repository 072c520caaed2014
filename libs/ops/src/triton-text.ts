import type { MetricSnapshot } from '@mserve/metrics';

type Samples = ReadonlyMap<string, number>;

interface TritonMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  /** Metrics of ours that it is the sum of: counters and gauges by their value, histograms by their sum. */
  readonly sources: readonly string[];
  readonly scale?: number;
  /** Labels beside model and version. */
  readonly more?: string;
}

const us = 1e6;

/** As Triton names and describes them (docs/user_guide/metrics.md of its server), as far as ours say the same. */
const tritonMetrics: readonly TritonMetric[] = [
  {
    name: 'nv_inference_request_success',
    help: 'Number of successful inference requests, all batch sizes',
    type: 'counter',
    sources: ['mserve_gateway_method_succeeded_requests_total'],
  },
  {
    name: 'nv_inference_request_failure',
    help: 'Number of failed inference requests, all batch sizes',
    type: 'counter',
    sources: ['mserve_gateway_method_failed_requests_total'],
    more: ',reason="OTHER"',
  },
  {
    name: 'nv_inference_count',
    help: 'Number of inferences performed',
    type: 'counter',
    sources: ['mserve_gateway_method_succeeded_instances_total'],
  },
  {
    name: 'nv_inference_exec_count',
    help: 'Number of model executions performed',
    type: 'counter',
    sources: ['mserve_worker_method_runs_total'],
  },
  {
    name: 'nv_inference_request_duration_us',
    help: 'Cumulative inference request duration in microseconds',
    type: 'counter',
    sources: ['mserve_gateway_method_succeeded_requests_seconds_total'],
    scale: us,
  },
  {
    name: 'nv_inference_queue_duration_us',
    help: 'Cumulative inference queuing duration in microseconds',
    type: 'counter',
    sources: ['mserve_scheduler_method_queue_seconds', 'mserve_worker_method_wait_seconds'],
    scale: us,
  },
  {
    name: 'nv_inference_compute_input_duration_us',
    help: 'Cumulative compute input duration in microseconds',
    type: 'counter',
    sources: ['mserve_worker_method_input_seconds'],
    scale: us,
  },
  {
    name: 'nv_inference_compute_infer_duration_us',
    help: 'Cumulative compute inference duration in microseconds',
    type: 'counter',
    sources: ['mserve_worker_method_compute_seconds'],
    scale: us,
  },
  {
    name: 'nv_inference_compute_output_duration_us',
    help: 'Cumulative inference compute output duration in microseconds',
    type: 'counter',
    sources: ['mserve_worker_method_output_seconds'],
    scale: us,
  },
  {
    name: 'nv_inference_pending_request_count',
    help: 'Instantaneous number of pending requests awaiting execution per-model.',
    type: 'gauge',
    sources: ['mserve_scheduler_method_queued_requests'],
  },
];

/**
 * The metrics of a registry under Triton's names, in the text format of Prometheus: a method is the model `servable.method`. A process of a fleet has those whose
 * parts it counts; durations that several processes have a part in are the sum over them.
 */
export function tritonText(metrics: readonly MetricSnapshot[]): string {
  const byName = new Map(metrics.map((metric) => [metric.declaration.name, metric]));
  const lines: string[] = [];
  for (const { name, help, type, sources, scale = 1, more = '' } of tritonMetrics) {
    const found = sources.map((source) => byName.get(source)).filter((metric) => metric !== undefined);
    if (found.length === 0) continue;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value] of added(found)) lines.push(`${name}{${labels}${more}} ${Math.round(value * scale)}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** By Triton's labels. */
function added(metrics: readonly MetricSnapshot[]): Samples {
  const sums = new Map<string, number>();
  for (const { samples } of metrics) {
    for (const { labels, value } of samples) {
      const [servable = '', version = '', method = ''] = labels;
      const key = `model="${servable}.${method}",version="${version}"`;
      sums.set(key, (sums.get(key) ?? 0) + (typeof value === 'number' ? value : value.sum));
    }
  }
  return sums;
}
