import type { ScheduledCollective } from '../graph/collective.js';
import type { ModelPort } from '../model-port.js';
import { Rendezvous } from './rendezvous.js';

/** What a rank says of its model when it registers. Plain data: travels as JSON. */
export interface RankDeclaration {
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
  readonly schedule: readonly ScheduledCollective[];
  /** [] = nothing is known. */
  readonly restoreRanks: readonly number[];
}

/**
 * Why ranks do not make one model: missing-rank = a rank has no file; foreign-group = a rank takes part in a group that it is not in, or a group has
 * a rank that the model has not; restore-ranks = a rank has the weights of another one; schedule = the collectives of the ranks do not meet; ports = inputs or outputs that have to be
 * equal differ.
 */
export type DisproofReason = 'missing-rank' | 'foreign-group' | 'restore-ranks' | 'schedule' | 'ports';

/** Something that keeps ranks from being one model. */
export interface Disproof {
  readonly reason: DisproofReason;
  readonly rank: number;
  /** Index into the rank's schedule; undefined for what concerns no collective. */
  readonly position: number | undefined;
  /** What is wrong, with rank and position. */
  readonly text: string;
}

/** How many ranks a model has, and in how many stages of a pipeline. */
export interface WorldSize {
  readonly rankSize: number;
  /** Divides rankSize: stage s has the ranks s * rankSize / stageSize and following. */
  readonly stageSize: number;
}

/**
 * Whether the models of all ranks can run together: every group contains the rank that uses it, every rank has its own
 * weights (as far as the group configurations tell), and the schedules, executed step by step, come to their end with equal kinds, reductions, dtypes and
 * shapes. `ranks[r]` undefined: the rank is missing. Gives all that was found wrong, the cause before its consequences; [] when nothing is.
 */
export function disprove(ranks: readonly (RankDeclaration | undefined)[], { rankSize, stageSize }: WorldSize): Disproof[] {
  const present: RankDeclaration[] = [];
  const missing: Disproof[] = [];
  for (let rank = 0; rank < rankSize; rank++) {
    const declaration = ranks[rank];
    if (declaration === undefined)
      missing.push({ reason: 'missing-rank', rank, position: undefined, text: `missing rank: rank ${rank} of ${rankSize} has no model` });
    else present.push(declaration);
  }
  const groups = ranks.flatMap(
    (declaration, rank) => declaration?.schedule.flatMap((one, at) => groupProblem(rank, at, one, rankSize)) ?? [],
  );
  const weights = ranks.flatMap((declaration, rank) => restoreProblem(rank, declaration?.restoreRanks ?? []));
  const found = [...missing, ...groups, ...weights];
  if (missing.length > 0 || groups.length > 0) return found;
  const schedule = new Rendezvous(present.map((declaration) => declaration.schedule)).firstProblem();
  if (schedule !== undefined) found.push({ reason: 'schedule', ...schedule });
  return [...found, ...portProblems(present, rankSize / stageSize)];
}

/** How a collective is called in texts. */
export function place(rank: number, position: number, { op, node }: ScheduledCollective): string {
  return `rank ${rank}, collective ${position} (${op} '${node}')`;
}

function groupProblem(rank: number, position: number, scheduled: ScheduledCollective, rankSize: number): Disproof[] {
  const { group, groupName } = scheduled;
  const problem = (text: string): Disproof[] => [
    { reason: 'foreign-group', rank, position, text: `${place(rank, position, scheduled)}: ${text}` },
  ];
  if (!group.includes(rank)) return problem(`rank not in group: the group '${groupName}' has the ranks ${group.join(', ')}`);
  const beyond = group.find((member) => member >= rankSize);
  if (beyond !== undefined) return problem(`the group '${groupName}' has the rank ${beyond}, but the model has ${rankSize} ranks`);
  return [];
}

function restoreProblem(rank: number, restoreRanks: readonly number[]): Disproof[] {
  if (restoreRanks.length === 0 || restoreRanks.includes(rank)) return [];
  const text = `rank ${rank}: rank not in ckpt_restore_rank_list (${restoreRanks.join(', ')}) of its group configuration: its files are those of another rank`;
  return [{ reason: 'restore-ranks', rank, position: undefined, text }];
}

/** Rules of the original: equal inputs in the first stage, none or the same in later ones, equal outputs inside a stage. */
function portProblems(ranks: readonly RankDeclaration[], stageRanks: number): Disproof[] {
  return ranks.flatMap((declaration, rank): Disproof[] => {
    const stage = Math.floor(rank / stageRanks);
    const problem = (what: string, other: number): Disproof[] => [
      { reason: 'ports', rank, position: undefined, text: `rank ${rank}: its ${what} are not those of rank ${other}` },
    ];
    const mayHaveNone = stage > 0 && declaration.inputs.length === 0;
    if (!mayHaveNone && !samePorts(declaration.inputs, ranks[0]?.inputs ?? [])) return problem('inputs', 0);
    const first = stage * stageRanks;
    return samePorts(declaration.outputs, ranks[first]?.outputs ?? []) ? [] : problem('outputs', first);
  });
}

function samePorts(a: readonly ModelPort[], b: readonly ModelPort[]): boolean {
  return a.length === b.length && a.every((port, index) => port.dtype === b[index]?.dtype && sameShape(port.shape, b[index]?.shape));
}

function sameShape(a: readonly number[] | undefined, b: readonly number[] | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.join() === b.join();
}
