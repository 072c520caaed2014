import { randomBytes } from 'node:crypto';
import type { Formation, Rank, RankOptions, RankProgram } from '../rank-contract.js';
import { loadRank } from '../rank.js';
import type { NativeTensor } from '../tensor.js';

/** All ranks of a model in this process: their threads work as those of several processes would. */
export class RankSet {
  #epoch = 0;
  #batch = 0;

  private constructor(readonly ranks: readonly Rank[]) {}

  static async load(
    programs: readonly RankProgram[],
    options: Partial<RankOptions> = {},
    optionsOf: (rank: number) => Partial<RankOptions> = () => ({}),
  ): Promise<RankSet> {
    const rankSize = programs.length;
    return new RankSet(
      await Promise.all(programs.map((program, rank) => loadRank(program, { ...options, ...optionsOf(rank), rank, rankSize }))),
    );
  }

  /** The next formation of all ranks. */
  next(change: Partial<Formation> = {}): Formation {
    const endpoints = this.ranks.map((rank) => rank.endpoint);
    return { epoch: ++this.#epoch, token: randomBytes(32).toString('hex'), endpoints, deadlineMs: 10_000, ...change };
  }

  async form(formation: Formation = this.next()): Promise<void> {
    await Promise.all(this.ranks.map((rank) => rank.form(formation)));
  }

  /** Runs the next batch: element i of `inputs` are the inputs of rank i. */
  run(inputs: readonly (readonly NativeTensor[])[], deadlineMs = 10_000): Promise<NativeTensor[][]> {
    const batch = this.#batch++;
    return Promise.all(this.ranks.map((rank, index) => rank.run({ batch, inputs: inputs[index]!, wantResults: true, deadlineMs })));
  }

  /** As run(), with what each rank says instead of the first failure. */
  settle(inputs: readonly (readonly NativeTensor[])[], deadlineMs = 10_000): Promise<PromiseSettledResult<NativeTensor[]>[]> {
    const batch = this.#batch++;
    return Promise.allSettled(this.ranks.map((rank, index) => rank.run({ batch, inputs: inputs[index]!, wantResults: true, deadlineMs })));
  }

  async close(): Promise<void> {
    await Promise.all(this.ranks.map((rank) => rank.close()));
  }
}
