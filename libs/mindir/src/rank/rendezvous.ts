import type { ExchangedTensor, ScheduledCollective } from '../graph/collective.js';

/** Where the schedules of the ranks part. */
export interface ScheduleProblem {
  readonly rank: number;
  readonly position: number;
  readonly text: string;
}

type Schedule = readonly ScheduledCollective[];
type SendOrReceive = Extract<ScheduledCollective, { op: 'Send' | 'Receive' }>;

interface Sent {
  readonly rank: number;
  readonly position: number;
  readonly tensor: ExchangedTensor | undefined;
}

/**
 * Executes the schedules of all ranks without tensors: a rank goes on when all members of its group stand at the same collective; Send goes on at once,
 * Receive when something was sent. Ranks are those of the list's indices, and all groups contain only them.
 */
export class Rendezvous {
  /** The collective that each rank stands at. */
  private readonly at: number[];
  /** What was sent and not received, oldest first, by sender, receiver and tag. */
  private readonly sent = new Map<string, Sent[]>();

  constructor(private readonly schedules: readonly Schedule[]) {
    this.at = schedules.map(() => 0);
  }

  /** undefined: all ranks come to their end, and all that is sent is received. */
  firstProblem(): ScheduleProblem | undefined {
    for (let moved = true; moved;) {
      moved = false;
      for (let rank = 0; rank < this.schedules.length; rank++) {
        for (let next = this.current(rank); next !== undefined; next = this.current(rank)) {
          const step = this.step(rank, next);
          if (step !== undefined && step !== 'waits') return step;
          if (step === 'waits') break;
          moved = true;
        }
      }
    }
    return this.stuck() ?? this.unreceived();
  }

  private current(rank: number): ScheduledCollective | undefined {
    return this.schedules[rank]?.[this.at[rank] ?? 0];
  }

  private advance(rank: number): void {
    this.at[rank] = (this.at[rank] ?? 0) + 1;
  }

  private step(rank: number, next: ScheduledCollective): ScheduleProblem | 'waits' | undefined {
    if (next.op === 'Send' || next.op === 'Receive') return this.sendOrReceive(rank, next);
    // A collective is made when its last member arrives.
    const others = next.group.map((member) => ({ member, theirs: this.current(member) }));
    for (const { member, theirs } of others) {
      if (theirs === undefined || theirs.op === 'Send' || theirs.op === 'Receive' || !sameMembers(theirs.group, next.group)) return 'waits';
      const difference = differenceOf(next, theirs);
      if (difference !== undefined) return this.disagreement(rank, member, difference);
    }
    const problem = sizeProblem(next) ?? (next.op === 'NeighborExchange' ? this.exchangeProblem(next.group) : undefined);
    if (problem !== undefined) return this.problem(rank, problem);
    for (const { member } of others) this.advance(member);
    return undefined;
  }

  private sendOrReceive(rank: number, next: SendOrReceive): ScheduleProblem | 'waits' | undefined {
    const [from, to] = next.op === 'Send' ? [rank, next.to] : [next.from, rank];
    if (from === to) return this.problem(rank, `the rank exchanges tensors with itself`);
    const key = `${from} ${to} ${next.tag}`;
    const waiting = this.sent.get(key) ?? [];
    if (next.op === 'Send') {
      this.sent.set(key, [...waiting, { rank, position: this.at[rank] ?? 0, tensor: next.inputs[0] }]);
      this.advance(rank);
      return undefined;
    }
    const [first, ...rest] = waiting;
    if (first === undefined) return 'waits';
    if (!sameTensor(first.tensor, next.outputs[0]))
      return this.problem(
        rank,
        `it receives ${described(next.outputs[0])}, but rank ${from}, collective ${first.position} sends ${described(first.tensor)}`,
      );
    this.sent.set(key, rest);
    this.advance(rank);
    return undefined;
  }

  /** What a rank sends to another must be what that one receives from it, in number, order, dtype and shape. */
  private exchangeProblem(group: readonly number[]): string | undefined {
    for (const from of group) {
      for (const to of group) {
        const [sender, receiver] = [this.current(from), this.current(to)];
        if (sender?.op !== 'NeighborExchange' || receiver?.op !== 'NeighborExchange') continue;
        const sends = sender.inputs.filter((_, index) => sender.sendTo[index] === to);
        const receives = receiver.outputs.filter((_, index) => receiver.receiveFrom[index] === from);
        const fits = sends.length === receives.length && sends.every((tensor, index) => sameTensor(tensor, receives[index]));
        if (!fits)
          return `rank ${from} sends ${sends.map(described).join(', ') || 'nothing'} to rank ${to}, which expects ${receives.map(described).join(', ') || 'nothing'}`;
      }
    }
    return undefined;
  }

  private problem(rank: number, text: string): ScheduleProblem {
    const position = this.at[rank] ?? 0;
    const { op, node } = this.current(rank) ?? { op: '', node: '' };
    return { rank, position, text: `schedule mismatch: rank ${rank}, collective ${position} (${op} '${node}'): ${text}` };
  }

  private disagreement(rank: number, other: number, difference: string): ScheduleProblem {
    const theirs = this.current(other);
    return this.problem(rank, `rank ${other}, collective ${this.at[other]} (${theirs?.op} '${theirs?.node}') differs: ${difference}`);
  }

  /** The first rank that waits for ever. */
  private stuck(): ScheduleProblem | undefined {
    const rank = this.schedules.findIndex((_, index) => this.current(index) !== undefined);
    const next = this.current(rank);
    if (next === undefined) return undefined;
    const awaited = next.op === 'Receive' ? [next.from] : next.group.filter((member) => member !== rank && !this.standsWith(member, next));
    const told = awaited.slice(0, 4).map((member) => {
      const theirs = this.current(member);
      return `rank ${member} ${theirs === undefined ? `has ended after ${this.at[member]} collectives` : `is at collective ${this.at[member]} (${theirs.op} with the ranks ${theirs.group.join(', ')})`}`;
    });
    return this.problem(rank, `with the ranks ${next.group.join(', ')} it would wait for ever: ${told.join('; ')}`);
  }

  private standsWith(member: number, next: ScheduledCollective): boolean {
    const theirs = this.current(member);
    return theirs !== undefined && theirs.op === next.op && sameMembers(theirs.group, next.group);
  }

  private unreceived(): ScheduleProblem | undefined {
    for (const [key, [first]] of this.sent) {
      if (first === undefined) continue;
      const { rank, position, tensor } = first;
      const to = key.split(' ')[1];
      return {
        rank,
        position,
        text: `schedule mismatch: rank ${rank}, collective ${position} (Send): rank ${to} never receives what it sends (${described(tensor)})`,
      };
    }
    return undefined;
  }
}

function sameMembers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}

/** What two members of a group say differently of one collective. */
function differenceOf(a: ScheduledCollective, b: ScheduledCollective): string | undefined {
  const differs = (what: string, mine: unknown, theirs: unknown): string | undefined =>
    mine === theirs ? undefined : `${what} ${String(mine)} and ${String(theirs)}`;
  if (a.op !== b.op) return differs('operator', a.op, b.op);
  const group = differs('group', a.group.join(', '), b.group.join(', '));
  if (group !== undefined) return group;
  if (a.op === 'NeighborExchange') return undefined;
  const detail = detailsOf(a)
    .map(([what, value], index) => differs(what, value, detailsOf(b)[index]?.[1]))
    .find((difference) => difference !== undefined);
  if (detail !== undefined) return detail;
  const tensors = (mine: readonly ExchangedTensor[], theirs: readonly ExchangedTensor[]): string | undefined =>
    mine.length === theirs.length && mine.every((tensor, index) => sameTensor(tensor, theirs[index]))
      ? undefined
      : `${mine.map(described).join(', ')} and ${theirs.map(described).join(', ')}`;
  return tensors(a.inputs, b.inputs) ?? tensors(a.outputs, b.outputs);
}

function detailsOf(scheduled: ScheduledCollective): [what: string, value: string | number][] {
  switch (scheduled.op) {
    case 'AllReduce':
    case 'ReduceScatter':
      return [['reduction', scheduled.reduction]];
    case 'AlltoAll':
      return [
        ['split axis', scheduled.splitAxis],
        ['concat axis', scheduled.concatAxis],
      ];
    case 'Broadcast':
      return [['root', scheduled.root]];
    default:
      return [];
  }
}

/** Whether what comes out is what the group's size makes of what goes in. */
function sizeProblem(scheduled: ScheduledCollective): string | undefined {
  const { op, group } = scheduled;
  const [input, output] = [scheduled.inputs[0], scheduled.outputs[0]];
  if (input?.shape === undefined || output?.shape === undefined || op === 'NeighborExchange') return undefined;
  const expected = input.shape.map((dim, axis) => {
    if (dim < 0) return -1;
    let size = dim;
    if (op === 'AllGather' && axis === 0) size *= group.length;
    if (op === 'ReduceScatter' && axis === 0) size /= group.length;
    if (op === 'AlltoAll' && axis === scheduled.splitAxis) size /= group.length;
    if (op === 'AlltoAll' && axis === scheduled.concatAxis) size *= group.length;
    return size;
  });
  if (sameShape(expected, output.shape)) return undefined;
  return `${described(input)} with ${group.length} ranks cannot give ${described(output)}: the file was made for another number of ranks`;
}

function sameTensor(a: ExchangedTensor | undefined, b: ExchangedTensor | undefined): boolean {
  return a !== undefined && b !== undefined && a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

/** What is known at run time only fits everything; the ranks compare sizes then. */
function sameShape(a: readonly number[] | undefined, b: readonly number[] | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  return a.length === b.length && a.every((dim, axis) => dim === b[axis] || dim < 0 || (b[axis] ?? 0) < 0);
}

function described(tensor: ExchangedTensor | undefined): string {
  return tensor === undefined ? 'nothing' : `${tensor.dtype}${tensor.shape === undefined ? '' : `[${tensor.shape.join(', ')}]`}`;
}
