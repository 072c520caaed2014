import type { MetricDeclaration, MetricRegistry } from '@mserve/metrics';

/** What every process tells of what it reads again while it runs. */
export const reloadMetrics = {
  failed: {
    name: 'mserve_process_config_reload_failed_total',
    help: 'Times that settings (SIGHUP), the file of clients or TLS files were refused when they were read again. What was in force stays.',
    labels: [{ name: 'what', values: ['settings', 'clients', 'tls'] }],
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Shows the settings' refusals whenever the registry is read. To be called once. */
export function showReloads(registry: MetricRegistry, live: { readonly failures: number }): void {
  const failed = registry.counter(reloadMetrics.failed).of(['settings']);
  let counted = 0;
  registry.beforeRead(() => {
    failed.add(live.failures - counted);
    counted = live.failures;
  });
}
