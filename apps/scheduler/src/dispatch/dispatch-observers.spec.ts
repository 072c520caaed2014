import { describe, expect, it } from '@jest/globals';
import { MetricRegistry } from '@mserve/metrics';
import { RecordingTracer } from '../../../../test/support/recording-tracer.js';
import { DispatchRig, ticket } from './dispatch.fixture.js';

describe('observers of a dispatcher', () => {
  it('see each wait in a queue as a span below the request, whatever ends it', () => {
    const tracer = new RecordingTracer();
    const rig = new DispatchRig({}, { tracer });
    rig.ready('w1', 1);
    rig.submit(ticket(1, 1, { traceparent: 'a' }));
    rig.submit(ticket(2, 1, { traceparent: 'b' }), ticket(3, 1, { traceparent: 'c', deadlineAt: rig.now + 5 }));
    expect(tracer.outline).toEqual(['queue < a: ok', 'queue < b: open', 'queue < c: open']);
    rig.dispatcher.cancel([{ gateway: 'gateway-a', id: 2 }]);
    rig.dispatcher.wake(rig.now + 5);
    expect(tracer.outline).toEqual(['queue < a: ok', 'queue < b: CANCELLED', 'queue < c: DEADLINE_EXCEEDED']);
    // Lost and given again: a second wait, of the next attempt.
    rig.ready('w2', 1);
    rig.lose('w1');
    expect(tracer.outline.slice(3)).toEqual(['queue < a: ok']);
    expect(tracer.spans[3]?.facts).toMatchObject({ servable: 'digits', attempt: 2, instances: 1 });
  });

  it('see a wait in parts as one that ends with the last part', () => {
    const tracer = new RecordingTracer();
    const rig = new DispatchRig({}, { tracer });
    rig.ready('w1', 2);
    rig.submit(ticket(1, 3, { traceparent: 'a' }));
    expect(tracer.outline).toEqual(['queue < a: open']);
    rig.receipt('w1', 1, 0, 2);
    expect(tracer.outline).toEqual(['queue < a: ok']);
  });

  it('find refusals in the registry by code and reason', () => {
    const metrics = new MetricRegistry();
    const rig = new DispatchRig({}, { metrics });
    rig.submit(ticket(1, 2));
    const refused = metrics.snapshot().find(({ declaration }) => declaration.name === 'mserve_scheduler_refused_instances_total');
    expect(refused?.samples).toEqual([{ labels: ['UNAVAILABLE', 'servable-unavailable'], value: 2 }]);
    expect(rig.dispatcher.stats().refused).toEqual({ UNAVAILABLE: 2 });
  });
});
