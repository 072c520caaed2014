import { reportToParent, type AppFacts, type AppLog } from '@mserve/app';
import { MetricRegistry } from '@mserve/metrics';
import { ServingError } from '@mserve/wire';
import { OpsPort } from './ops-port.js';
import type { MetricsCompat } from './prometheus-text.js';
import { showReloads } from './reload-metrics.js';

/** Where `mserve serve` has its operations port when none is asked for. */
export const defaultOpsAddress = '127.0.0.1:1501';

/** The settings of an operations port, which every app has. */
export interface OpsSettings {
  readonly ops: string | undefined;
  /** Names of hosts with commas between them. */
  readonly opsHosts: string | undefined;
  readonly metricsCompat: MetricsCompat;
}

/** What a process counts in, and its operations port, if it has one. */
export class Operations {
  /** Undefined: nobody can ask. */
  port: OpsPort | undefined;
  /** Whether the process should get work now; false until somebody says otherwise. */
  isReady = (): boolean => false;
  /** What else the process tells the one that started it. */
  facts = (): AppFacts => ({});

  constructor(readonly metrics: MetricRegistry = new MetricRegistry()) {}

  /** Address bound, `host:port`; undefined when there is no port. */
  get address(): string | undefined {
    return this.port?.address;
  }

  /**
   * Opens the port at the address of the setting `ops`; '' is none. Rejects as {@link OpsPort.open} does. `hasDefault`: without the setting the port is at
   * {@link defaultOpsAddress}, if that is free: a second server on a machine is not to fail for it.
   */
  async open({ ops: address, opsHosts, metricsCompat }: OpsSettings, log: AppLog, hasDefault = false): Promise<void> {
    if (address === '' || (address === undefined && !hasDefault)) return;
    try {
      this.port = await OpsPort.open({
        address: address ?? defaultOpsAddress,
        hosts: opsHosts?.split(','),
        metrics: this.metrics,
        compat: metricsCompat,
        isReady: () => this.isReady(),
        log,
      });
    } catch (thrown) {
      if (address !== undefined || !(thrown instanceof ServingError)) throw thrown;
      log.warn({ address: defaultOpsAddress }, 'there is no operations port: its usual address is taken, and --ops names no other');
    }
  }

  async close(): Promise<void> {
    await this.port?.close();
  }
}

/**
 * Does an app's work with the operations port open that the setting `ops` names, if it names one: alive from the beginning, ready when `work` says so. The
 * process that started this one may ask for the same (mserve fleet). `live`: whose refusals of settings are counted.
 */
export async function withOperations<T>(
  settings: OpsSettings,
  log: AppLog,
  live: { readonly failures: number },
  work: (operations: Operations) => Promise<T>,
): Promise<T> {
  const operations = new Operations();
  showReloads(operations.metrics, live);
  await operations.open(settings, log);
  reportToParent(() => ({ ready: operations.isReady(), ops: operations.address, ...operations.facts() }));
  try {
    return await work(operations);
  } finally {
    await operations.close();
  }
}
