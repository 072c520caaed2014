import type { Tracer } from '@mserve/metrics';

/** Variables of the environment, those of OpenTelemetry among them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Traces that are being exported. */
export interface RunningTracing {
  readonly tracer: Tracer;
  /** Exports what has ended; spans that end later are lost. Never rejects. */
  close(): Promise<void>;
}
