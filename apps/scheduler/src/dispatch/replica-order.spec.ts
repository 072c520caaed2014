import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { creditLimit } from './credit-limit.js';
import { type LimitRule, Place, ReplicaOrder } from './replica-order.js';

interface Fake {
  inHand: number;
  readonly name: string;
}

const fake = (name: string, inHand = 0): Place<Fake> => new Place<Fake>({ name, inHand });

/** An order, and what is done to it, in short. */
class OrderRig {
  readonly order = new ReplicaOrder<Fake>();

  add(name: string, rule: LimitRule, inHand = 0): Place<Fake> {
    const place = fake(name, inHand);
    this.order.add(place, rule);
    return place;
  }

  set(place: Place<Fake>, inHand: number): void {
    place.holder.inHand = inHand;
    this.order.moved(place);
  }

  /** Names of those that get one instance each, one after the other. */
  give(times: number): string {
    return Array.from({ length: times }, () => {
      const chosen = this.order.choose(1, undefined);
      const place = [...this.places].find(({ holder }) => holder === chosen);
      if (place === undefined) return '-';
      this.set(place, place.holder.inHand + 1);
      return place.holder.name;
    }).join('');
  }

  readonly places = new Set<Place<Fake>>();
}

function rigOf(...rules: readonly LimitRule[]): OrderRig {
  const rig = new OrderRig();
  rules.forEach((rule, n) => rig.places.add(rig.add(String.fromCharCode(97 + n), rule)));
  return rig;
}

describe('the limit of a replica', () => {
  it('is never more than its credits, whatever it says that it needs at least', () => {
    expect([undefined, 1, 100].map((ms) => creditLimit(4, 9, ms))).toEqual([4, 4, 4]);
    expect([undefined, 1, 10, 100].map((ms) => creditLimit(16, 2, ms))).toEqual([2, 16, 3, 2]);
  });
});

describe('the order of replicas', () => {
  it('gives each of equals its turn, also where their limits differ', () => {
    expect(rigOf(3, 3, 3).give(10)).toBe('abcabcabc-');
    expect(rigOf(2, 4, 2).give(9)).toBe('acbbacbb-');
  });

  it('begins with the idle one that was used last, and ends with the one that came last', () => {
    const rig = rigOf(2, 2, 2);
    const [a, b] = [...rig.places] as [Place<Fake>, Place<Fake>];
    for (const place of [a, b, a]) rig.set(place, 1);
    for (const place of [a, b]) rig.set(place, 0);
    expect(rig.give(4)).toBe('bacb');
  });

  it('prefers one that can take all of it', () => {
    const rig = rigOf(2, 8);
    const [, b] = [...rig.places] as [Place<Fake>, Place<Fake>];
    rig.set(b, 5);
    expect([1, 2, 3, 4].map((want) => rig.order.choose(want, undefined)?.name)).toEqual(['a', 'a', 'b', 'a']);
  });

  it('reckons with the time of the others where a replica has none', () => {
    const rig = new OrderRig();
    const place = rig.add('a', { credits: 16, leastCredits: 2 }, 2);
    expect([undefined, 30, 10, 1].map((ms) => rig.order.choose(1, ms)?.name)).toEqual([undefined, undefined, 'a', 'a']);
    rig.order.limited(place, 2);
    expect(rig.order.choose(1, 1)).toBeUndefined();
  });

  it('is that of a search through all of them, whatever happens', () => {
    const rule: fc.Arbitrary<LimitRule> = fc.oneof(
      fc.integer({ min: 1, max: 6 }),
      fc.record({ credits: fc.integer({ min: 1, max: 3 }), leastCredits: fc.integer({ min: 1, max: 3 }) }),
    );
    const step = fc.record({
      act: fc.constantFrom('add', 'remove', 'move', 'move', 'move', 'limit'),
      which: fc.nat(),
      inHand: fc.nat(6),
      rule,
    });
    const question = fc.record({ want: fc.integer({ min: 1, max: 4 }), othersMs: fc.constantFrom(undefined, 5, 12, 40) });
    fc.assert(
      fc.property(fc.array(fc.tuple(step, question), { maxLength: 80 }), (steps) => {
        const order = new ReplicaOrder<Fake>();
        const all = new Map<Place<Fake>, LimitRule>();
        for (const [{ act, which, inHand, rule }, { want, othersMs }] of steps) {
          const place = [...all.keys()][which % Math.max(1, all.size)];
          if (act === 'add') {
            const added = fake('', inHand);
            all.set(added, rule);
            order.add(added, rule);
          } else if (place !== undefined && act === 'remove') {
            all.delete(place);
            order.remove(place);
            order.remove(place);
          } else if (place !== undefined && act === 'move') {
            place.holder.inHand = inHand;
            order.moved(place);
          } else if (place !== undefined) {
            all.set(place, rule);
            order.limited(place, rule);
          }
          const scores = [...all].map(([{ holder }, of]): [Fake, number] => {
            const limit = typeof of === 'number' ? of : creditLimit(of.credits, of.leastCredits, othersMs);
            const free = limit - holder.inHand;
            return [holder, free <= 0 ? 0 : free / limit + (free >= want ? 1 : 0)];
          });
          const chosen = order.choose(want, othersMs);
          const best = Math.max(0, ...scores.map(([, score]) => score));
          expect(scores.find(([holder]) => holder === chosen)?.[1] ?? 0).toBe(best);
          expect(order.idle).toBe(scores.filter(([holder]) => holder.inHand === 0).length);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
