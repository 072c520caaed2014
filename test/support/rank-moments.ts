import { join } from 'node:path';
import { loadRankMindir } from '@mserve/mindir';
import { caseFile, type DistributedCase } from './distributed-cases.js';

interface ProgramStep {
  readonly kind: string;
  readonly group?: readonly number[];
  readonly from?: number;
}

/** A moment in the work of one rank at one batch. Sessions count the segments of a rank. */
export interface RankMoment {
  readonly rank: number;
  /** For people: `in the middle of allReduce 0`. */
  readonly name: string;
  readonly at:
    /** The rank has nothing to do. */
    | { readonly kind: 'idle' }
    /** It is about to begin this segment, or has just ended it. */
    | { readonly kind: 'begin' | 'end'; readonly session: number }
    /** It waits for a peer, which has just ended the segment `session` of its own. */
    | { readonly kind: 'inside'; readonly peer: number; readonly session: number };
}

/**
 * Every moment before, in the middle of and after every collective of every rank that can be told from outside, by the segments beside it. A collective that follows another one
 * directly has no moment before it but that after the other one, and none in its middle; a send is over at once, so that there is none in its middle.
 */
export async function momentsOf(one: DistributedCase): Promise<RankMoment[]> {
  const programs: (readonly ProgramStep[])[] = [];
  for (let rank = 0; rank < one.rankSize; rank++) {
    const groupConfig = caseFile(one, `group_config_${rank}.pb`);
    const model = await loadRankMindir(join(one.folder, `rank_${rank}.mindir`), { rank, rankSize: one.rankSize, groupConfig });
    programs.push(model.program.steps);
  }
  return programs.flatMap((steps, rank) => momentsOfRank(programs, steps, rank));
}

function momentsOfRank(programs: readonly (readonly ProgramStep[])[], steps: readonly ProgramStep[], rank: number): RankMoment[] {
  const moments: RankMoment[] = [];
  let session = -1;
  steps.forEach((step, at) => {
    if (step.kind === 'segment') return void session++;
    const name = `${step.kind} ${at}`;
    const add = (when: string, place: RankMoment['at']): void => void moments.push({ rank, name: `${when} ${name}`, at: place });
    const follows = steps[at - 1]?.kind === 'segment';
    if (follows) add('before', { kind: 'end', session });
    else if (at === 0) add('before', { kind: 'idle' });
    const peer = step.kind === 'receive' ? step.from : step.group?.find((member) => member !== rank);
    const place = peer === undefined ? undefined : heldBefore(programs[peer] ?? [], steps, at);
    if (step.kind !== 'send' && (follows || at === 0) && peer !== undefined && place !== undefined)
      add('in the middle of', { kind: 'inside', peer, session: place });
    const next = steps[at + 1];
    if (next?.kind === 'segment') add('after', { kind: 'begin', session: session + 1 });
    else if (next === undefined) add('after', { kind: 'idle' });
  });
  return moments;
}

/** The segment that a peer ends right before its part of a collective: the same one of the same group, or the send that belongs to a receive. */
function heldBefore(theirs: readonly ProgramStep[], own: readonly ProgramStep[], at: number): number | undefined {
  const collective = own[at] as ProgramStep;
  const isSame =
    (kind: string) =>
    (step: ProgramStep): boolean =>
      step.kind === kind && step.group?.join() === collective.group?.join();
  const before = own.slice(0, at).filter(isSame(collective.kind)).length;
  const place = theirs
    .map((step, index) => ({ step, index }))
    .filter(({ step }) => isSame(collective.kind === 'receive' ? 'send' : collective.kind)(step))[before]?.index;
  if (place === undefined || theirs[place - 1]?.kind !== 'segment') return undefined;
  return theirs.slice(0, place).filter(({ kind }) => kind === 'segment').length - 1;
}
