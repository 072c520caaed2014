import { describe, expect, it, jest } from '@jest/globals';
import { idealLatencies, percentile, Simulation, type Outcome, type Plan, type Replicas } from './simulation.fixture.js';

/** The dispatcher in simulated time. `npm run jest -- apps/scheduler/src/dispatch/simulation.spec.ts --seed N` draws other arrivals; SIMULATED_SECONDS makes it longer. */
const forMs = Number(process.env['SIMULATED_SECONDS'] ?? '10') * 1000;
const seed = jest.getSeed();

/** A function of 10 ms in one thread each, as workers say it: 200 per second. */
const sleeps: Replicas = { servable: 'a', count: 2, parallel: 1, credits: 16, leastCredits: 2, serviceMs: 10, spreadMs: 4 };

function run(title: string, plan: Omit<Plan, 'seed' | 'forMs'>): Outcome {
  const whole = { seed, forMs, ...plan };
  const outcome = new Simulation(whole).run();
  const lines = outcome.streams.map(({ sent, good, late, refused, refusedSlowly, latencies }, at) => {
    const { servable, deadlineMs } = plan.streams[at] as Plan['streams'][number];
    const ideal = percentile(idealLatencies(whole, servable), 0.99);
    const times = `p99 ${percentile(latencies, 0.99).toFixed(1)} ms, ideal queue ${ideal.toFixed(1)} ms`;
    const counts = `good ${good}, late ${late}, refused ${refused} (${refusedSlowly} after 50 ms)`;
    return `  ${servable}, ${deadlineMs} ms: sent ${sent}, ${counts}; ${times}; busy ${(100 * (outcome.utilisation[servable] ?? 0)).toFixed(1)} %`;
  });
  process.stdout.write(`${title} (--seed ${seed}):\n${lines.join('\n')}\n`);
  expect(outcome.broken).toBe(0);
  return outcome;
}

/** Instances that these replicas do in the time of a run. */
const capacityOf = ({ count, parallel, serviceMs }: Replicas): number => (forMs * count * parallel) / serviceMs;

describe('three times as much as can be done', () => {
  it.each([100, 200, 2_000])('with deadlines of %i ms: what is done is done in time, and what is not is refused at once', (deadlineMs) => {
    const { streams, mostQueued } = run('overload', { streams: [{ servable: 'a', perSecond: 600, deadlineMs }], replicas: [sleeps] });
    const [{ sent, good, late, refused, refusedSlowly }] = streams as [Outcome['streams'][number]];
    expect(good).toBeGreaterThan(0.95 * capacityOf(sleeps));
    expect(late).toBeLessThan(0.04 * good);
    expect(sent).toBe(good + late + refused);
    expect(refusedSlowly).toBeLessThan(0.06 * refused);
    expect(mostQueued).toBeLessThan(deadlineMs / 4);
  });

  it('of requests with short and with long deadlines: both are served', () => {
    const streams = [200, 2_000].map((deadlineMs) => ({ servable: 'a', perSecond: 300, deadlineMs }));
    const [short, long] = run('two kinds of deadlines', { streams, replicas: [sleeps] }).streams as [
      Outcome['streams'][number],
      Outcome['streams'][number],
    ];
    expect(short.good + long.good).toBeGreaterThan(0.95 * capacityOf(sleeps));
    for (const { good } of [short, long]) expect(good).toBeGreaterThan(0.2 * capacityOf(sleeps));
    expect(short.refusedSlowly + long.refusedSlowly).toBeLessThan(0.04 * (short.refused + long.refused));
  });

  it('of one servable, also without deadlines: another one gets its own', () => {
    const other: Replicas = { ...sleeps, servable: 'b' };
    const streams = [
      { servable: 'a', perSecond: 600, deadlineMs: 100_000 },
      { servable: 'b', perSecond: 100, deadlineMs: 200 },
      { servable: 'b', perSecond: 50, deadlineMs: Infinity },
    ];
    const outcome = run('a second servable', { streams, replicas: [sleeps, other], options: { maxQueuedRequests: 200 } });
    for (const { sent, good } of outcome.streams.slice(1)) expect(good).toBe(sent);
    expect(outcome.mostQueued).toBeLessThanOrEqual(400);
  });
});

describe('a gateway whose clients ask for three times what can be done', () => {
  it.each([
    [200, 200, 10_000],
    [2_000, 2_000, 10_000],
    [200, 2_000, 10_000],
    [2_000, 200, 10_000],
    [100_000, 200, 200],
    [100_000, 100_000, 200],
    [Infinity, Infinity, 200],
  ])(
    'with deadlines of %d ms leaves another one, with %d ms, its share (at most %d wait)',
    (deadlineMs, calmDeadlineMs, maxQueuedRequests) => {
      const { streams } = run('two gateways', {
        streams: [
          { servable: 'a', gateway: 'flooded', perSecond: 600, deadlineMs },
          { servable: 'a', gateway: 'calm', perSecond: 40, deadlineMs: calmDeadlineMs },
        ],
        replicas: [sleeps],
        options: { maxQueuedRequests },
      });
      const [flooded, calm] = streams as [Outcome['streams'][number], Outcome['streams'][number]];
      expect(flooded.good + calm.good).toBeGreaterThan(0.95 * capacityOf(sleeps));
      expect(calm.good).toBeGreaterThan(0.9 * calm.sent);
    },
  );

  it.each([200, 2_000, Infinity])('shares with another one like it, at deadlines of %d ms', (deadlineMs) => {
    const { streams, mostQueued } = run('two floods', {
      streams: ['one', 'other'].map((gateway) => ({ servable: 'a', gateway, perSecond: gateway === 'one' ? 600 : 300, deadlineMs })),
      replicas: [sleeps],
      options: { maxQueuedRequests: 500 },
    });
    const [one, other] = streams as [Outcome['streams'][number], Outcome['streams'][number]];
    expect(one.good + other.good).toBeGreaterThan(0.95 * capacityOf(sleeps));
    for (const { good } of [one, other]) expect(good).toBeGreaterThan(0.4 * (one.good + other.good));
    expect(mostQueued).toBeLessThanOrEqual(1_000);
  });
});

describe('less than can be done', () => {
  it.each([
    [sleeps, 0.8],
    [{ ...sleeps, count: 1, parallel: 8, leastCredits: 16 }, 0.85],
    [{ ...sleeps, count: 64, serviceMs: 20, spreadMs: 30 }, 0.9],
  ])('is all answered, nearly as soon as an ideal queue would (%j at %d)', (replicas, part) => {
    const perSecond = (part * capacityOf(replicas) * 1000) / forMs;
    const plan: Omit<Plan, 'seed' | 'forMs'> = { streams: [{ servable: 'a', perSecond, deadlineMs: 2_000 }], replicas: [replicas] };
    const [{ sent, good, latencies }] = run('enough for all', plan).streams as [Outcome['streams'][number]];
    expect(good).toBe(sent);
    const ideal = percentile(idealLatencies({ seed, forMs, ...plan }, 'a'), 0.99);
    expect(percentile(latencies, 0.99)).toBeLessThan(ideal + 1.5 * replicas.serviceMs);
  });
});

describe('service times that change', () => {
  it('are learnt again: replicas that were slow for a while get everything when they are fast again', () => {
    const { streams } = run('slow for a while', {
      streams: [{ servable: 'a', perSecond: 600, deadlineMs: 200 }],
      replicas: [{ ...sleeps, slow: { untilMs: forMs / 2, factor: 30 } }],
    });
    const [{ good }] = streams as [Outcome['streams'][number]];
    expect(good).toBeGreaterThan((0.9 * capacityOf(sleeps)) / 2);
  });
});

it('a hundred replicas', () => {
  const replicas: Replicas = { ...sleeps, count: 100 };
  const { streams, utilisation } = run('many replicas', {
    streams: [{ servable: 'a', perSecond: 9_000, deadlineMs: 1_000 }],
    replicas: [replicas],
  });
  const [{ sent, good }] = streams as [Outcome['streams'][number]];
  expect(good).toBe(sent);
  expect(utilisation['a']).toBeGreaterThan(0.8);
});
