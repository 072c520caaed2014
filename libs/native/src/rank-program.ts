import { codeOf } from './element-types.js';
import { NativeError } from './native-error.js';
import type { CollectiveStep, RankProgram, RankStep, RankValue, Reduction } from './rank-contract.js';

/** The kinds of steps, by the numbers that the addon knows them by (StepKind of rank/program.h). */
export const stepKinds: readonly RankStep['kind'][] = [
  'segment',
  'allReduce',
  'allGather',
  'reduceScatter',
  'allToAll',
  'broadcast',
  'neighborExchange',
  'send',
  'receive',
];

/** Likewise (Reduction of rank/reduction.h). */
export const reductions: readonly Reduction[] = ['sum', 'max', 'min', 'prod'];

const greatestTag = 0xffff_ffff;

/** A checked program as the addon reads it. */
export interface EncodedProgram {
  /**
   * slots; groups (how many, then for each its size and its ranks); inputs and constants (how many, then for each slot, element type, rank, dims); results (how many, then
   * their slots); steps (how many, then for each: kind, session, group, reduction, peer, tag, split axis, concat axis, inputs (how many, slots), outputs (how many, then as
   * inputs of the program), ranks sent to (how many, ranks), ranks received from, slots that no later step uses).
   */
  readonly words: Float64Array;
  readonly constants: readonly Uint8Array[];
}

/** Gives the values of a program their places (slots), and checks that each is made once and before it is used. */
class ProgramWriter {
  readonly #slots = new Map<string, number>();
  readonly #groups = new Map<string, readonly number[]>();
  readonly #rank: number;
  readonly #rankSize: number;

  constructor(rank: number, rankSize: number) {
    this.#rank = rank;
    this.#rankSize = rankSize;
  }

  write(program: RankProgram): EncodedProgram {
    const inputs = program.inputs.map((value) => this.#made(value, 'the inputs'));
    const constants = program.constants.map(({ name, tensor }) =>
      this.#made({ name, dtype: tensor.dtype, shape: tensor.shape }, 'the constants'),
    );
    const lastUses = lastUsesOf(program);
    let session = 0;
    const steps = program.steps.map((step, index) => {
      const words = this.#step(step, `step ${index} (${step.kind})`, step.kind === 'segment' ? session++ : 0);
      const frees = (lastUses[index] ?? []).map((name) => this.#slots.get(name)!);
      return [...words, frees.length, ...frees];
    });
    const results = program.results.map((name) => this.#used(name, 'the results'));
    const groups = [...this.#groups.values()].flatMap((group) => [group.length, ...group]);
    const words = [
      this.#slots.size,
      this.#groups.size,
      ...groups,
      inputs.length,
      ...inputs.flat(),
      constants.length,
      ...constants.flat(),
      results.length,
      ...results,
      steps.length,
      ...steps.flat(),
    ];
    return { words: Float64Array.from(words), constants: program.constants.map(({ tensor }) => tensor.bytes) };
  }

  #made({ name, dtype, shape }: RankValue, where: string): number[] {
    const code = codeOf(dtype);
    if (code === undefined) throw new NativeError('load', `${where}: value "${name}" has the unknown element type "${String(dtype)}"`);
    if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= -1)) {
      throw new NativeError('load', `${where}: value "${name}" has the shape [${shape.join(', ')}]: a dim is a count or -1`);
    }
    return [this.#slot(name, where), code, shape.length, ...shape];
  }

  #slot(name: string, where: string): number {
    if (this.#slots.has(name)) throw new NativeError('load', `${where}: value "${name}" is made twice`);
    const slot = this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  #used(name: string, where: string): number {
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new NativeError('load', `${where}: there is no value "${name}" yet`);
    return slot;
  }

  #step(step: RankStep, where: string, session: number): number[] {
    const kind = stepKinds.indexOf(step.kind);
    if (kind < 0) throw new NativeError('load', `${where}: unknown kind of step; there are: ${stepKinds.join(', ')}`);
    if (step.kind === 'segment') {
      const inputs = step.inputs.map((name) => this.#used(name, where));
      const outputs = step.outputs.map((name) => [this.#slot(name, where), 0, 0]);
      return [kind, session, 0, 0, 0, 0, 0, 0, inputs.length, ...inputs, outputs.length, ...outputs.flat(), 0, 0];
    }
    const group = this.#group(step.group, where);
    const inputs = inputsOf(step).map((name) => this.#used(name, where));
    const outputs = outputsOf(step).map((value) => this.#made(value, where));
    const { sendTo, receiveFrom } = step.kind === 'neighborExchange' ? step : { sendTo: [], receiveFrom: [] };
    for (const peer of [...sendTo, ...receiveFrom]) this.#member(peer, step, where);
    if (sendTo.length !== (step.kind === 'neighborExchange' ? inputs.length : 0)) {
      throw new NativeError('load', `${where}: ${inputs.length} inputs go to ${sendTo.length} ranks`);
    }
    if (receiveFrom.length !== (step.kind === 'neighborExchange' ? outputs.length : 0)) {
      throw new NativeError('load', `${where}: ${outputs.length} outputs come from ${receiveFrom.length} ranks`);
    }
    if (step.kind === 'broadcast' && inputs.length !== outputs.length) {
      throw new NativeError('load', `${where}: ${inputs.length} inputs, but ${outputs.length} outputs`);
    }
    return [
      kind,
      0,
      group,
      ...this.#settings(step, where),
      inputs.length,
      ...inputs,
      outputs.length,
      ...outputs.flat(),
      sendTo.length,
      ...sendTo,
      receiveFrom.length,
      ...receiveFrom,
    ];
  }

  /** reduction, peer, tag, split axis, concat axis; 0 where there is none. */
  #settings(step: CollectiveStep, where: string): number[] {
    switch (step.kind) {
      case 'allReduce':
      case 'reduceScatter': {
        const reduction = reductions.indexOf(step.reduction);
        if (reduction < 0)
          throw new NativeError('load', `${where}: unknown reduction "${step.reduction}"; there are: ${reductions.join(', ')}`);
        return [reduction, 0, 0, 0, 0];
      }
      case 'allToAll':
        return [0, 0, 0, count(step.splitAxis, 'splitAxis', where), count(step.concatAxis, 'concatAxis', where)];
      case 'broadcast':
        return [0, this.#member(step.root, step, where), 0, 0, 0];
      case 'send':
        return [0, this.#other(step.to, step, where), count(step.tag, 'the tag', where), 0, 0];
      case 'receive':
        return [0, this.#other(step.from, step, where), count(step.tag, 'the tag', where), 0, 0];
      default:
        return [0, 0, 0, 0, 0];
    }
  }

  /** The number of the group among those of the program. */
  #group(group: readonly number[], where: string): number {
    const text = `group [${group.join(', ')}]`;
    if (!group.every((rank) => Number.isInteger(rank) && rank >= 0 && rank < this.#rankSize)) {
      throw new NativeError('load', `${where}: ${text}: ranks are numbers from 0 to ${this.#rankSize - 1}`);
    }
    if (new Set(group).size !== group.length) throw new NativeError('load', `${where}: ${text}: a rank comes twice`);
    if (!group.includes(this.#rank)) throw new NativeError('load', `${where}: ${text} does not contain rank ${this.#rank} itself`);
    const key = group.join();
    if (!this.#groups.has(key)) this.#groups.set(key, group);
    return [...this.#groups.keys()].indexOf(key);
  }

  #member(rank: number, step: CollectiveStep, where: string): number {
    if (!step.group.includes(rank)) throw new NativeError('load', `${where}: rank ${rank} is not in the group [${step.group.join(', ')}]`);
    return rank;
  }

  #other(rank: number, step: CollectiveStep, where: string): number {
    if (rank === this.#rank) throw new NativeError('load', `${where}: rank ${rank} is the rank itself`);
    return this.#member(rank, step, where);
  }
}

function count(value: number, name: string, where: string): number {
  if (!Number.isInteger(value) || value < 0 || value > greatestTag) {
    throw new NativeError('load', `${where}: ${name} must be a whole number from 0 to ${greatestTag}, got ${String(value)}`);
  }
  return value;
}

function inputsOf(step: RankStep): readonly string[] {
  if ('inputs' in step) return step.inputs;
  return step.kind === 'receive' ? [] : [step.input];
}

function outputsOf(step: CollectiveStep): readonly RankValue[] {
  if ('outputs' in step) return step.outputs;
  return step.kind === 'send' ? [] : [step.output];
}

function outputNamesOf(step: RankStep): readonly string[] {
  return step.kind === 'segment' ? step.outputs : outputsOf(step).map((value) => value.name);
}

/** For each step the names of the values that it makes or uses and that no later step or result uses. */
function lastUsesOf(program: RankProgram): readonly (readonly string[])[] {
  const later = new Set(program.results);
  const kept = new Set(program.constants.map(({ name }) => name));
  const uses: string[][] = [];
  for (let index = program.steps.length - 1; index >= 0; index--) {
    const step = program.steps[index]!;
    const names = new Set([...inputsOf(step), ...outputNamesOf(step)]);
    uses[index] = [...names].filter((name) => !later.has(name) && !kept.has(name));
    for (const name of names) later.add(name);
  }
  return uses;
}

/** Throws a NativeError of kind 'load' that names the step. */
export function encodeProgram(program: RankProgram, rank: number, rankSize: number): EncodedProgram {
  return new ProgramWriter(rank, rankSize).write(program);
}
