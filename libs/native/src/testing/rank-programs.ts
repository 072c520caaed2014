import type { CollectiveStep, RankProgram, RankStep, RankValue } from '../rank-contract.js';
import type { ElementType } from '../tensor.js';

/** A value of a program; by default of one dim that is decided at run time. */
export function value(name: string, dtype: ElementType, shape: readonly number[] = [-1]): RankValue {
  return { name, dtype, shape };
}

export function programOf(inputs: readonly RankValue[], steps: readonly RankStep[], results: readonly string[]): RankProgram {
  return { inputs, constants: [], steps, results };
}

/** A program of one collective over x that gives y. */
export function oneStep(dtype: ElementType, step: CollectiveStep, shape: readonly number[] = [-1]): RankProgram {
  return programOf([value('x', dtype, shape)], [step], step.kind === 'send' ? [] : ['y']);
}

/** The ranks of a world of this size. */
export function allOf(size: number): number[] {
  return Array.from({ length: size }, (_, rank) => rank);
}

/** The sum of x over all ranks. */
export function sumProgram(size: number): RankProgram {
  return oneStep('float32', { kind: 'allReduce', group: allOf(size), reduction: 'sum', input: 'x', output: value('y', 'float32') });
}
