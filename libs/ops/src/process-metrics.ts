import { monitorEventLoopDelay, PerformanceObserver, performance, type IntervalHistogram } from 'node:perf_hooks';
import type { AppLog } from '@mserve/app';
import type { MetricDeclaration, MetricRegistry } from '@mserve/metrics';

/** What every process tells of itself. */
export const processMetrics = {
  started: { name: 'mserve_process_start_time_seconds', help: 'When the process started, as Unix time.' },
  cpu: { name: 'mserve_process_cpu_seconds_total', help: 'CPU time of the process, all threads, user and system.' },
  resident: { name: 'mserve_process_resident_memory_bytes', help: 'Memory of the process that is in RAM.' },
  heapUsed: { name: 'mserve_process_heap_used_bytes', help: "JavaScript objects of the main thread's heap." },
  heapTotal: { name: 'mserve_process_heap_size_bytes', help: "Size of the main thread's JavaScript heap." },
  external: {
    name: 'mserve_process_external_memory_bytes',
    help: 'Memory outside of the heap that JavaScript objects keep: buffers of bodies and tensors.',
  },
  loopDelay: {
    name: 'mserve_process_event_loop_delay_seconds',
    help: 'How late the event loop was since the last reading, by percentile; 100 is the longest delay.',
    labels: [{ name: 'percentile', values: ['50', '99', '100'] }],
  },
  loopBusy: {
    name: 'mserve_process_event_loop_busy_ratio',
    help: 'Share of the time since the last reading in which the event loop was busy.',
  },
  writeFailures: {
    name: 'mserve_process_write_failures_total',
    help: 'How often the log, or else stdout or stderr, could not be written: a closed pipe, a full disk. What it was is dropped.',
  },
  gc: { name: 'mserve_process_gc_seconds_total', help: 'Time that the main thread stood still for garbage collection.' },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Resolution of the event loop's delay. */
const resolutionMs = 20;
const nanosecond = 1e-9;

/** Watches this process for a registry, until {@link close}. */
export class ProcessMetrics {
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs });
  private readonly observer: PerformanceObserver;
  private lastUse = performance.eventLoopUtilization();
  private lastCpu = 0;

  constructor(registry: MetricRegistry, log: AppLog) {
    const failures = registry.counter(processMetrics.writeFailures).of([]);
    let counted = 0;
    registry.beforeRead(() => {
      const count = log.writeFailures?.() ?? 0;
      failures.add(count - counted);
      counted = count;
    });
    const gc = registry.counter(processMetrics.gc).of([]);
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) gc.add(entry.duration / 1000);
    });
    this.observer.observe({ entryTypes: ['gc'] });
    this.delay.enable();
    registry
      .gauge(processMetrics.started)
      .of([])
      .set(performance.timeOrigin / 1000);
    const cpu = registry.counter(processMetrics.cpu).of([]);
    const level = (declaration: MetricDeclaration) => registry.gauge(declaration).of([]);
    const [resident, heapUsed, heapTotal, external, busy] = [
      level(processMetrics.resident),
      level(processMetrics.heapUsed),
      level(processMetrics.heapTotal),
      level(processMetrics.external),
      level(processMetrics.loopBusy),
    ];
    const delays = registry.gauge(processMetrics.loopDelay);
    registry.beforeRead(() => {
      const { rss, heapUsed: used, heapTotal: total, external: outside } = process.memoryUsage();
      resident.set(rss);
      heapUsed.set(used);
      heapTotal.set(total);
      external.set(outside);
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      cpu.add(seconds - this.lastCpu);
      this.lastCpu = seconds;
      busy.set(performance.eventLoopUtilization(this.lastUse).utilization);
      this.lastUse = performance.eventLoopUtilization();
      for (const [percentile, value] of this.delays()) delays.of([percentile]).set(value);
      this.delay.reset();
    });
  }

  close(): void {
    this.delay.disable();
    this.observer.disconnect();
  }

  /** Beyond the resolution: that much the timer of the measurement waits by itself. */
  private delays(): readonly (readonly [string, number])[] {
    const { delay } = this;
    const late = (value: number): number => (Number.isFinite(value) ? Math.max(0, value * nanosecond - resolutionMs / 1000) : 0);
    return [
      ['50', late(delay.percentile(50))],
      ['99', late(delay.percentile(99))],
      ['100', late(delay.max)],
    ];
  }
}
