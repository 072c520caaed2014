import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { elementTypeOf } from './element-types.js';
import { failureKinds } from './native-link.js';
import { peerFaults } from './native-error.js';
import { reductions, stepKinds } from './rank-program.js';
import { sharings } from './rank.js';
import { batch, formed, outputHead, outputTail, settled, submitted } from './word-layout.js';

/** The names of an `enum` in a header, in order, with the number that each one has. */
function enumOf(header: string, name: string): [string, number][] {
  const text = readFileSync(join(import.meta.dirname, 'native', header), 'utf8').replace(/\/\/.*/g, '');
  const body = new RegExp(`enum (?:class )?${name} : \\w+ \\{([^}]*)\\}`).exec(text)?.[1];
  if (body === undefined) throw new Error(`${header} has no enum ${name}`);
  let next = 0;
  return body
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry): [string, number] => {
      const [constant = '', value] = entry.split(/\s*=\s*/);
      if (value !== undefined) next = Number(value);
      return [constant, next++];
    });
}

/** { slot: 0 } of `submitted` as [['submittedSlot', 0]]. */
function named(prefix: string, layout: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(layout).map(([name, at]) => [prefix + name.charAt(0).toUpperCase() + name.slice(1), at]);
}

describe('what TypeScript and the addon call by number is the same on both sides', () => {
  it.each([
    ['Submitted', 'submitted', submitted],
    ['Settled', 'settled', settled],
    ['OutputHead', 'output', outputHead],
    ['OutputTail', 'output', outputTail],
    ['Formed', 'formed', formed],
    ['Batch', 'batch', batch],
  ])('words: %s', (name, prefix, layout) => {
    expect(enumOf('words.h', name)).toEqual(named(prefix, layout));
  });

  it('kinds of failures', () => {
    const kinds = failureKinds.map((kind, number) => [(kind ?? 'none').replace(/^\w/, (first) => first.toUpperCase()), number]);
    expect(enumOf('failure.h', 'FailureKind')).toEqual(kinds);
  });

  it.each([
    ['rank/fault.h', 'PeerFault', peerFaults.map((fault) => fault ?? 'none')],
    ['rank/program.h', 'StepKind', stepKinds],
    ['rank/reduction.h', 'Reduction', reductions],
    ['rank/shared_region.h', 'Sharing', sharings],
  ])('%s: %s', (header, name, names) => {
    const constants = names.map((each, number) => [
      each.replace(/^\w/, (first) => first.toUpperCase()).replace(/[ -](\w)/g, (_, letter: string) => letter.toUpperCase()),
      number,
    ]);
    expect(enumOf(header, name)).toEqual(constants);
  });

  it('element types', () => {
    const types = enumOf('element_type.h', 'ElementType').filter(([name]) => name !== 'Undefined');
    expect(types.length).toBe(14);
    expect(types.map(([, number]) => elementTypeOf(number))).toEqual(types.map(([name]) => name.toLowerCase()));
  });
});
