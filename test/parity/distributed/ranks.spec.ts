import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { disprove, loadRankMindir, type RankModel } from '@mserve/mindir';
import type { NativeTensor, Rank, RankProgram } from '@mserve/native';
import { caseFile, distributedCases, type DistributedCase } from '../../support/distributed-cases.js';
import { InProcessRanks } from '../../support/in-process-ranks.js';
import { differenceOf } from '../mindir/comparison.js';

const cases = distributedCases(join(import.meta.dirname, 'cases'));

/** undefined for a rank without a file. */
function loadRanks(one: DistributedCase): Promise<(RankModel | undefined)[]> {
  const { rankSize } = one;
  return Promise.all(
    Array.from({ length: rankSize }, async (_, rank) => {
      const bytes = caseFile(one, `rank_${rank}.mindir`);
      if (bytes === undefined) return undefined;
      return loadRankMindir({ bytes }, { rank, rankSize, groupConfig: caseFile(one, `group_config_${rank}.pb`) });
    }),
  );
}

async function openRanks(models: readonly (RankModel | undefined)[]): Promise<Rank[]> {
  const host = new InProcessRanks();
  const ranks = await Promise.all(models.map((model, rank) => host.load(model!.program as RankProgram, { rank, rankSize: models.length })));
  const formation = { epoch: 1, token: 'secret', endpoints: ranks.map(({ endpoint }) => endpoint), deadlineMs: 10_000 };
  await Promise.all(ranks.map((rank) => rank.form(formation)));
  return ranks;
}

const fitting = cases.filter(({ expect }) => expect === 'match');
const unfit = cases.filter(({ expect }) => expect === 'reject');

describe('ranks exported by MindSpore 2.10 and 2.0', () => {
  it.each(fitting)('$name: the schedules are proven, and the segments give what the whole net gives', async (one) => {
    const models = await loadRanks(one);
    expect(disprove(models, one)).toEqual([]);
    const ranks = await openRanks(models);
    for (const [set, inputs] of one.inputs.entries()) {
      const results = await Promise.all(
        ranks.map((rank, index) => {
          const { program, inputs: declared } = models[index]!;
          const used = program.inputs.map(({ name }) => inputs[declared.findIndex((port) => port.name === name)] as NativeTensor);
          return rank.run({ batch: set + 1, inputs: used, wantResults: index === ranks.length - 1, deadlineMs: 10_000 });
        }),
      );
      expect(differenceOf(results.at(-1)!, one.outputs[set]!, one.tolerance)).toBeUndefined();
    }
    await Promise.all(ranks.map((rank) => rank.close()));
  });

  it.each(unfit)('$name is refused: $reason', async (one) => {
    const [first] = disprove(await loadRanks(one), one);
    expect(first?.text).toContain(one.reason);
  });
});
