import { describe, expect, it } from '@jest/globals';
import { Dim } from './dim.js';

const [n, s] = [Dim.rows, Dim.symbol('S')];
const of = (value: number): Dim => Dim.of(value);

describe('Dim', () => {
  it.each<[string, Dim, Dim]>([
    ['sums do not depend on their order', n.plus(s).plus(of(2)), of(2).plus(n).plus(s)],
    ['what is taken away is gone', n.plus(s).minus(n), s],
    ['products do not depend on their order', n.times(s).times(of(3)), of(3).times(s).times(n)],
    ['a sum times a number', n.plus(of(1)).times(of(2)), n.times(of(2)).plus(of(2))],
    ['one of a name is one', Dim.symbol('a'), Dim.symbol('a')],
    ['a quotient rounded down', of(7).floorDividedBy(of(2)), of(3)],
    ['a floor that is exact', n.times(of(6)).floorDividedBy(of(3)), n.times(of(2))],
    ['the same unknown quotient', s.floorDividedBy(of(2)), s.floorDividedBy(of(2))],
  ])('%s', (_, a, b) => {
    expect(a.key).toBe(b.key);
  });

  it.each<[string, Dim, Dim, Dim | undefined]>([
    ['a monomial', n.times(s).times(of(12)), s.times(of(4)), n.times(of(3))],
    ['a sum by a monomial', n.times(s).plus(n), n, s.plus(of(1))],
    ['a sum by the same sum', n.times(s.plus(of(1))), s.plus(of(1)), n],
    ['numbers with a rest', of(5), of(10), undefined],
    ['symbols that are not there', s, n, undefined],
    ['zero', of(0), n, of(0)],
    ['by zero', n, of(0), undefined],
  ])('divides %s', (_, a, b, quotient) => {
    expect(a.dividedBy(b)?.key).toBe(quotient?.key);
  });

  it.each<[string, Dim, boolean]>([
    ['the number of rows', n, true],
    ['a product with it', s.times(n), true],
    ['an unknown number that comes from it', n.floorDividedBy(of(2)), true],
    ['a symbol of a file named like it', Dim.symbol('B'), false],
    ['an unknown number that does not', s.floorDividedBy(of(2)), false],
    ['what cancels out', n.minus(n), false],
  ])('%s: depends on the rows %s', (_, dim, expected) => {
    expect(dim.hasRows).toBe(expected);
  });
});
