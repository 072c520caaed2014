import { describe, expect, it } from '@jest/globals';
import { silentLog, type AppLog } from '@mserve/app';
import type { TraceContext } from '@mserve/metrics';
import { startTracing, tracesAreWanted } from './index.js';

describe('tracesAreWanted', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };
  it.each([
    ['nothing is said', {}, false],
    ['there is an endpoint', endpoint, true],
    ['there is an endpoint for traces', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' }, true],
    ['the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
    ['the exporter is otlp', { OTEL_TRACES_EXPORTER: 'otlp' }, true],
    ['the exporter is none', { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, false],
    ['the SDK is disabled', { ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }, false],
  ])('when %s', (_what, env, wanted) => {
    expect(tracesAreWanted(env)).toBe(wanted);
  });
});

describe('startTracing', () => {
  it('goes on without traces, and warns, when the SDK cannot do what is asked', async () => {
    const warnings: unknown[] = [];
    const log: AppLog = { ...silentLog, warn: ({ err }) => void warnings.push(err) };
    const env = { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(await startTracing(env, 'gateway', log)).toBeUndefined();
    expect(warnings).toMatchObject([{ message: expect.stringContaining("'grpc': http/protobuf and http/json") }]);
  });

  it('begins traces with requests only, below a parent that is sampled', async () => {
    const running = await startTracing({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'gateway', silentLog);
    const { tracer } = running ?? {};
    const [traceId, parent] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const context = (traceparent: string, tracestate = ''): TraceContext => ({ traceparent, tracestate });
    const form = /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/;
    expect(tracer?.begin('request', context(''), {})?.traceparent).toMatch(form);
    expect(tracer?.begin('queue', context(''), {})).toBeUndefined();
    expect(tracer?.begin('queue', context(`00-${traceId}-${parent}-01`), {})?.traceparent).toMatch(new RegExp(`^00-${traceId}-`));
    expect(tracer?.begin('queue', context(`00-${traceId}-${parent}-00`), {})).toBeUndefined();
    // What is no traceparent is none
    for (const wrong of [
      `00-${'0'.repeat(32)}-${parent}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `ff-${traceId}-${parent}-01`,
      `00-${traceId}-${parent}-01-x`,
      `00-${traceId.toUpperCase()}-${parent}-01`,
    ])
      expect([wrong, tracer?.begin('queue', context(wrong), {})]).toEqual([wrong, undefined]);
    // What others noted goes on, as far as it is well formed
    const parentContext = `00-${traceId}-${parent}-01`;
    expect(tracer?.begin('queue', context(parentContext, 'a=1 ,\tb@c=2'), {})?.tracestate).toBe('a=1,b@c=2');
    expect(tracer?.begin('queue', context(parentContext, 'a=1,b'), {})?.tracestate).toBe('');
    expect(tracer?.begin('request', context('', 'a=1'), {})?.tracestate).toBe('');
  });

  it.each<[string, string, readonly boolean[]]>([
    // Without a parent, below one that is sampled, below one that is not
    ['parentbased_traceidratio', '0', [false, true, false]],
    ['parentbased_traceidratio', '1', [true, true, false]],
    ['parentbased_traceidratio', 'half', [true, true, false]],
    ['parentbased_always_on', '', [true, true, false]],
    ['', '', [true, true, false]],
    ['always_on', '', [true, true, true]],
    ['always_off', '', [false, false, false]],
    ['traceidratio', '0', [false, false, false]],
  ])('samples requests as OTEL_TRACES_SAMPLER=%s and OTEL_TRACES_SAMPLER_ARG=%s say', async (sampler, share, expected) => {
    // The SDK reads the process' own variables
    const variables = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share };
    const before = { ...process.env };
    Object.assign(process.env, variables);
    try {
      const env = { ...variables, OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
      const running = await startTracing(env, 'gateway', silentLog);
      const parents = ['', '01', '00'].map((flags) =>
        flags === '' ? '' : `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`,
      );
      const begun = parents.map((traceparent) => running?.tracer.begin('request', { traceparent, tracestate: '' }, {}) !== undefined);
      expect(begun).toEqual(expected);
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });

  it('begins traces for the share of requests that is asked for', async () => {
    const env = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' };
    const running = await startTracing({ ...env, OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'x', silentLog);
    const begun = Array.from({ length: 2000 }, () => running?.tracer.begin('request', { traceparent: '', tracestate: '' }, {}));
    const count = begun.filter((span) => span !== undefined).length;
    expect(count).toBeGreaterThan(800);
    expect(count).toBeLessThan(1200);
  });
});
