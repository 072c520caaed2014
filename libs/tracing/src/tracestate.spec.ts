import { describe, expect, it } from '@jest/globals';
import { Tracestate, tracestateOf } from './tracestate.js';

const read = (text: string): string | undefined => {
  const members = tracestateOf(text);
  return members === undefined ? undefined : new Tracestate(members).serialize();
};
const numbered = (count: number, value: string): string[] => Array.from({ length: count }, (_, i) => `k${i}=${value}`);

describe('tracestateOf', () => {
  it.each<[string, string | undefined]>([
    ['a=1,b=2', 'a=1,b=2'],
    ['a=1 ,\t b=2, ,', 'a=1,b=2'],
    ['a_-*/0=1,0tenant@system=x:y z', 'a_-*/0=1,0tenant@system=x:y z'],
    // Of two with one name the first, which is newer
    ['a=1,b=2,a=3', 'a=1,b=2'],
    [`${'k'.repeat(256)}=${'v'.repeat(200)}`, `${'k'.repeat(256)}=${'v'.repeat(200)}`],
    ['', undefined],
    [' , ', undefined],
    ['a', undefined],
    ['a=', undefined],
    ['=1', undefined],
    ['A=1', undefined],
    ['a =1', undefined],
    ['a=1,b', undefined],
    ['a=\u00e4', undefined],
    ['@a=1', undefined],
    [`${'k'.repeat(257)}=1`, undefined],
    [`a=${'v'.repeat(257)}`, undefined],
  ])('of %j is %j', (text, expected) => {
    expect(read(text)).toBe(expected);
  });

  it('keeps 32 members, the first', () => {
    expect(read(numbered(33, '1').join(','))).toBe(numbered(32, '1').join(','));
  });

  it('keeps 512 characters: without long members first, then without the last', () => {
    const long = `long=${'x'.repeat(150)}`;
    expect(read([long, ...numbered(10, 'y'.repeat(40))].join(','))).toBe(numbered(10, 'y'.repeat(40)).join(','));
    expect(read(numbered(12, 'y'.repeat(50)).join(','))).toBe(numbered(9, 'y'.repeat(50)).join(','));
  });
});

describe('Tracestate', () => {
  it('has what is set in front, and stays as it is itself', () => {
    const state = new Tracestate(new Map(Object.entries({ a: '1', b: '2' })));
    expect(state.set('b', '3').serialize()).toBe('b=3,a=1');
    expect(state.unset('a').serialize()).toBe('b=2');
    expect([state.get('a'), state.serialize()]).toEqual(['1', 'a=1,b=2']);
  });
});
