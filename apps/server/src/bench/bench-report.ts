import type { LatencyBucket, LatencyHistogram, LatencySummary } from './latency-histogram.js';
import type { LoadPlan, LoadResult } from './load.js';

/** What was asked for, and of whom. */
export interface BenchSubject {
  readonly servable: string;
  readonly method: string;
  /** undefined = the latest. */
  readonly version: number | undefined;
  readonly protocol: string;
  readonly address: string;
  /** Instances of each request. */
  readonly instances: number;
  /** `name dtype [dims]` of each input, and where its values are from. */
  readonly inputs: readonly string[];
}

const jsonSteps = 16;
const mostTextLines = 16;
const barWidth = 40;

/** Times in seconds. */
interface LatencyFigures extends LatencySummary {
  readonly histogram: readonly LatencyBucket[];
}

/** What `--json` prints: times in seconds, throughputs a second. */
export interface BenchFigures extends BenchSubject {
  readonly loop: 'open' | 'closed';
  readonly concurrency: number;
  readonly rate: number | undefined;
  readonly seconds: number;
  readonly requests: number;
  readonly failed: number;
  readonly failures: LoadResult['failures'];
  readonly unsent: number;
  readonly unfinished: number;
  readonly interrupted: boolean;
  readonly requestsPerSecond: number;
  readonly instancesPerSecond: number;
  readonly latency: LatencyFigures;
  readonly service: LatencyFigures;
}

function figuresOf(histogram: LatencyHistogram): LatencyFigures {
  return { ...histogram.summary(), histogram: histogram.buckets(jsonSteps) };
}

/** The figures of a load, for programs. Throughputs are those of requests that succeeded. */
export function benchFigures(subject: BenchSubject, plan: LoadPlan, result: LoadResult, interrupted: boolean): BenchFigures {
  const { latency, service, ...counts } = result;
  const perSecond = result.seconds === 0 ? 0 : (result.requests - result.failed) / result.seconds;
  return {
    ...subject,
    loop: plan.rate === undefined ? 'closed' : 'open',
    concurrency: plan.concurrency,
    rate: plan.rate,
    ...counts,
    interrupted,
    requestsPerSecond: perSecond,
    instancesPerSecond: perSecond * subject.instances,
    latency: figuresOf(latency),
    service: figuresOf(service),
  };
}

/** `1.23 ms`, with three digits that count. */
export function timeText(seconds: number): string {
  const [value, unit] = seconds >= 1 ? [seconds, 's'] : seconds >= 1e-3 ? [seconds * 1e3, 'ms'] : [seconds * 1e6, 'us'];
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}

function rateText(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(3);
}

function latencyLine(label: string, { min, mean, p50, p90, p95, p99, p999, max }: LatencySummary): string {
  const values = { min, mean, p50, p90, p95, p99, 'p99.9': p999, max };
  return `${label}${Object.entries(values)
    .map(([name, seconds]) => `${name} ${timeText(seconds)}`)
    .join('  ')}`;
}

function histogramLines(histogram: LatencyHistogram): string[] {
  const fine = [4, 2, 1].map((steps) => histogram.buckets(steps));
  const buckets = fine.find(({ length }) => length <= mostTextLines) ?? histogram.buckets(1);
  const most = Math.max(...buckets.map(({ count }) => count));
  let below = 0;
  return buckets.map(({ seconds, count }) => {
    below += count;
    const bar = '█'.repeat(Math.round((count / most) * barWidth)) || '▏';
    const share = `${((100 * below) / histogram.count).toFixed(2)} %`;
    return `  ${`<= ${timeText(seconds)}`.padStart(12)}  ${String(count).padStart(9)}  ${share.padStart(9)}  ${bar}`;
  });
}

/** What is printed for people when a load is over. */
export function benchText(subject: BenchSubject, plan: LoadPlan, result: LoadResult, interrupted: boolean): string {
  const figures = benchFigures(subject, plan, result, interrupted);
  const isOpen = plan.rate !== undefined;
  const { requests, failed, failures, unsent, unfinished, seconds } = result;
  const loop = isOpen
    ? `open loop, ${rateText(plan.rate ?? 0)} requests/s, at most ${plan.concurrency} at a time`
    : `closed loop, ${plan.concurrency} at a time`;
  return [
    `${subject.servable} ${subject.method}${subject.version === undefined ? '' : ` version ${subject.version}`}: ${subject.protocol} at ${subject.address}`,
    `  ${loop}; ${seconds.toFixed(1)} s${interrupted ? ', interrupted' : ''}; instances per request: ${subject.instances}`,
    ...subject.inputs.map((input) => `  ${input}`),
    '',
    `  ${requests} requests, ${rateText(figures.requestsPerSecond)}/s${subject.instances > 1 ? `, ${rateText(figures.instancesPerSecond)} instances/s` : ''}; ${failed} failed`,
    ...failures.map(({ status, count, text }) => `    ${count} x ${status}: ${text}`),
    ...(unsent > 0
      ? [
          `  ${unsent} requests were due and never sent: ${plan.concurrency} were on their way already. The server does not keep up with this rate.`,
        ]
      : []),
    ...(unfinished > 0 ? [`  ${unfinished} requests were on their way at the end, and are not counted`] : []),
    ...(result.latency.count === 0
      ? []
      : [
          '',
          latencyLine(isOpen ? '  latency, from when each request was due: ' : '  latency: ', figures.latency),
          ...(isOpen ? [latencyLine('  from when it was sent: ', figures.service)] : []),
          '',
          ...histogramLines(result.latency),
        ]),
    ...(isOpen || result.latency.count === 0
      ? []
      : ['', '  A closed loop asks less while the server is slow: for latencies at the rate of your users give --rate.']),
  ].join('\n');
}
