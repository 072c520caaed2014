import { describe, expect, it } from '@jest/globals';
import { MetricRegistry } from '@mserve/metrics';
import { RecordingTracer } from '../../../../test/support/recording-tracer.js';
import { DispatchRig, ticket } from './dispatch.fixture.js';

describe('observers of a dispatcher', () => {
  it('see each wait in a queue as a span below the request, whatever ends it', () => {
    const tracer = new RecordingTracer();
    const rig = new DispatchRig({}, { tracer });
    rig.ready('w1', 1);
    rig.submit(ticket(1, 1, { watch: { traceparent: 'a', tracestate: '', isTimed: false } }));
    rig.submit(
      ticket(2, 1, { watch: { traceparent: 'b', tracestate: '', isTimed: false } }),
      ticket(3, 1, { watch: { traceparent: 'c', tracestate: '', isTimed: false }, deadlineAt: rig.now + 5 }),
    );
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
    rig.submit(ticket(1, 3, { watch: { traceparent: 'a', tracestate: '', isTimed: false } }));
    expect(tracer.outline).toEqual(['queue < a: open']);
    rig.receipt('w1', 1, 0, 2);
    expect(tracer.outline).toEqual(['queue < a: ok']);
  });

  it('tell how long instances waited for their replica, where that is asked for', () => {
    const rig = new DispatchRig();
    const watch = { traceparent: '', tracestate: '', isTimed: true };
    rig.ready('w1', 1);
    rig.submit(ticket(1, 1, { watch }), ticket(2, 1, { watch }), ticket(3, 1));
    for (const id of [1, 2]) {
      rig.now += 7;
      rig.receipt('w1', id, 0, 1);
    }
    expect(rig.outlet.assignments.map(({ assignment }) => assignment.queuedUs)).toEqual([0, 7000, 0]);
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
