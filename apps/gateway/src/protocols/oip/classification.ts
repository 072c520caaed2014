import { dtypeEntry, isVariableSize, packElements, refusal } from '@mserve/wire';
import { numbersOf } from '../json/value-text.js';
import type { StackedOutput } from './stacked-output.js';

/** Up to so many classes are kept in order while the values are gone through once; more are sorted. */
const mostInOrder = 64;

/**
 * An output of the classification extension: for each instance the `most` highest values as texts `value:index` or `value:index:label`, highest first, the lower
 * index first among equals, NaN last. Fewer when there are not as many values. Values have the form of C's `%f`, integers their digits.
 * Throws ServingError INVALID_ARGUMENT for an output that has no numbers.
 */
export function classified(
  output: StackedOutput,
  most: number,
  batched: boolean,
  labels: readonly string[] | readonly number[] | undefined,
): StackedOutput {
  const { dtype } = output.entry;
  if (isVariableSize(dtype) || dtype === 'bool') {
    throw refusal('output-unwritable', {
      detail: `output '${output.name}' has datatype ${output.entry.oipName}, a classification needs numbers`,
    });
  }
  const isFloat = dtype.includes('float');
  let count = 0;
  const parts = output.parts.map((bytes) => {
    const values = numbersOf(dtype, bytes);
    const best = highest(values, Math.min(most, values.length));
    count = best.length;
    return packElements(
      best.map((index) => {
        const value = values[index] as number | bigint;
        const label = labels?.[index];
        return Buffer.from(`${isFloat ? fixedText(value as number) : value}:${index}${label === undefined ? '' : `:${label}`}`);
      }),
    );
  });
  return { name: output.name, entry: dtypeEntry('string'), shape: batched ? [output.parts.length, count] : [count], parts };
}

/** `%f` of C. */
function fixedText(value: number): string {
  if (value - value !== 0) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** Indices of the `count` highest values, in order. */
function highest(values: ArrayLike<number | bigint>, count: number): number[] {
  const isBefore = (a: number, b: number): boolean => {
    const left = values[a] as number | bigint;
    const right = values[b] as number | bigint;
    if (left > right) return true;
    if (left < right) return false;
    const leftIsNaN = left !== left;
    return leftIsNaN === (right !== right) ? a < b : !leftIsNaN;
  };
  if (count > mostInOrder) {
    const all = Uint32Array.from({ length: values.length }, (_, index) => index);
    return [...all.sort((a, b) => (isBefore(a, b) ? -1 : 1)).subarray(0, count)];
  }
  const best: number[] = [];
  for (let index = 0; index < values.length; index++) {
    if (best.length === count && (count === 0 || !isBefore(index, best[count - 1] as number))) continue;
    let at = best.length < count ? best.length : count - 1;
    for (; at > 0 && isBefore(index, best[at - 1] as number); at--) best[at] = best[at - 1] as number;
    best[at] = index;
  }
  return best;
}
