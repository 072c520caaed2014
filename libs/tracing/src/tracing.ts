import type { AppLog } from '@mserve/app';
import type { Tracer } from '@mserve/metrics';
import type { Environment, RunningTracing } from './running-tracing.js';

/**
 * Whether the usual variables ask for traces: `OTEL_TRACES_EXPORTER` is `otlp`, or it is not set and there is an OTLP endpoint; `OTEL_SDK_DISABLED=true`
 * switches all off. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables
 */
export function tracesAreWanted(env: Environment): boolean {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return false;
  const exporter = env['OTEL_TRACES_EXPORTER'] ?? '';
  if (exporter !== '') return exporter === 'otlp';
  return [env['OTEL_EXPORTER_OTLP_ENDPOINT'], env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']].some((endpoint) => (endpoint ?? '') !== '');
}

/**
 * Traces as the usual variables say (see {@link tracesAreWanted}); undefined when they ask for none. The packages of OpenTelemetry are loaded only then; where they are not
 * installed a warning says so, and there are no traces. `role`: the service is called `mserve-{role}` unless `OTEL_SERVICE_NAME` says otherwise. Never rejects.
 */
export async function startTracing(env: Environment, role: string, log: AppLog): Promise<RunningTracing | undefined> {
  if (!tracesAreWanted(env)) return undefined;
  try {
    const { openTelemetryTracing } = await import('./otel-tracer.js');
    const running = await openTelemetryTracing(env, role, log);
    log.info({}, 'traces are exported by OTLP');
    return running;
  } catch (thrown) {
    log.warn(
      { err: thrown },
      `there are no traces: OTEL_ variables ask for them, but OpenTelemetry cannot be used (npm install ${packages.join(' ')})`,
    );
    return undefined;
  }
}

/** As in package.json. */
const packages = [
  '@opentelemetry/api@1.9.1',
  '@opentelemetry/sdk-trace-base@2.12.1',
  '@opentelemetry/resources@2.12.1',
  '@opentelemetry/exporter-trace-otlp-proto@0.223.1',
];

/** Does a process' work with traces as {@link startTracing} makes them. */
export async function withTracing<T>(
  env: Environment,
  role: string,
  log: AppLog,
  work: (tracer: Tracer | undefined) => Promise<T>,
): Promise<T> {
  const running = await startTracing(env, role, log);
  try {
    return await work(running?.tracer);
  } finally {
    await running?.close();
  }
}
