import type { Environment } from './running-tracing.js';

/** What is known of the sampler before a span is made: the SDK makes ids and attributes first and asks then, which costs every request a microsecond or two. */
export interface HeadSampling {
  /** Of requests without a parent so many begin a trace, 0 to 1; undefined: the SDK's sampler decides. */
  readonly share: number | undefined;
  /** What is below a span that is not sampled is not sampled either. */
  readonly followsParent: boolean;
}

/** Samplers that look at each span by itself. */
const ownMind = ['always_on', 'always_off', 'traceidratio'];

/** As `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables */
export function headSamplingOf(env: Environment): HeadSampling {
  const sampler = env['OTEL_TRACES_SAMPLER']?.trim() ?? '';
  const text = env['OTEL_TRACES_SAMPLER_ARG']?.trim() ?? '';
  const share = Number(text);
  const isKnown = sampler === 'parentbased_traceidratio' && text !== '' && share >= 0 && share <= 1;
  return { share: isKnown ? share : undefined, followsParent: !ownMind.includes(sampler) };
}
