import { hostname } from 'node:os';
import { monitorEventLoopDelay, performance, type IntervalHistogram } from 'node:perf_hooks';
import type { ProcessReport } from '@mserve/bus';

/** Resolution of the event loop's delay: that much its timer waits by itself. */
const resolutionMs = 20;
/** A report is this old at most; who asks more often gets the same one again. */
const freshMs = 900;
/** Nobody has asked for so long: nothing is measured any more. */
const idleMs = 15_000;

/** Reports on this process for who asks every few seconds. While nobody asks, nothing is measured. */
export class ProcessWatch {
  private delay: IntervalHistogram | undefined;
  private idle: NodeJS.Timeout | undefined;
  private lastAt = 0;
  private lastCpu = process.cpuUsage();
  private lastUse = performance.eventLoopUtilization();
  private last: ProcessReport | undefined;

  report(): ProcessReport {
    const now = performance.now();
    if (this.delay === undefined) {
      this.delay = monitorEventLoopDelay({ resolution: resolutionMs });
      this.delay.enable();
    }
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.close(), idleMs);
    this.idle.unref();
    if (this.last === undefined || now - this.lastAt > freshMs) this.last = this.measure(now, this.delay);
    return this.last;
  }

  close(): void {
    clearTimeout(this.idle);
    this.delay?.disable();
    this.delay = undefined;
    this.last = undefined;
  }

  private measure(now: number, delay: IntervalHistogram): ProcessReport {
    const { rss, heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage(this.lastCpu);
    const seconds = Math.max((now - this.lastAt) / 1000, 0.001);
    const { utilization } = performance.eventLoopUtilization(this.lastUse);
    this.lastAt = now;
    this.lastCpu = process.cpuUsage();
    this.lastUse = performance.eventLoopUtilization();
    const lateMs = (nanoseconds: number): number =>
      Number.isFinite(nanoseconds) && nanoseconds < 1e15 ? round(Math.max(0, nanoseconds / 1e6 - resolutionMs)) : 0;
    const loopDelayMs = { p50: lateMs(delay.percentile(50)), p99: lateMs(delay.percentile(99)), max: lateMs(delay.max) };
    delay.reset();
    return {
      host: hostname(),
      pid: process.pid,
      node: process.version,
      startedAt: Math.round(performance.timeOrigin),
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      externalBytes: external,
      cpuCores: round((user + system) / 1e6 / seconds),
      loopBusy: round(utilization),
      loopDelayMs,
    };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
