import type { DeadlineTimer, Expiring } from '@mserve/event-loop';
import type { Span } from '@mserve/metrics';
import type { SharedRun, Waiting } from './waiting.js';

/** Why a run was ended from here. */
export type EndReason = 'deadline' | 'abandoned';

/**
 * Instances that are being run together, by a model or a function. Ends the run when nobody waits for any of its instances:
 * each was abandoned or is past its deadline. As long as one is wanted the run goes on, and only the results of the others are dropped.
 */
export class BatchRun implements SharedRun, Expiring {
  deadlineIndex = -1;
  /** When one of its requests is traced. */
  span: Span | undefined = undefined;
  readonly members: readonly Waiting[];
  /** The last moment at which somebody waits; Infinity = no limit. */
  deadlineAt: number;
  ended: EndReason | undefined = undefined;
  private readonly controller: { abort(): void };
  private readonly watch: DeadlineTimer<BatchRun>;

  /** `controller`: ends the run. */
  constructor(members: readonly Waiting[], controller: { abort(): void }, watch: DeadlineTimer<BatchRun>) {
    this.members = members;
    this.controller = controller;
    this.watch = watch;
    for (const member of members) member.run = this;
    this.deadlineAt = latestDeadline(members);
    watch.add(this);
  }

  reconsider(): void {
    let wanted = 0;
    let deadlineAt = 0;
    for (const member of this.members) {
      if (member.abandoned !== undefined) continue;
      wanted++;
      if (member.deadlineAt > deadlineAt) deadlineAt = member.deadlineAt;
    }
    if (wanted === 0) {
      this.end('abandoned');
    } else if (deadlineAt < this.deadlineAt) {
      this.watch.remove(this);
      this.deadlineAt = deadlineAt;
      this.watch.add(this);
    }
  }

  expire(): void {
    this.end('deadline');
  }

  /** The run has settled: its members may be queued again or settled. */
  release(): void {
    this.watch.remove(this);
    for (const member of this.members) if (member.run === this) member.run = undefined;
  }

  private end(reason: EndReason): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.controller.abort();
  }
}

/** The last moment at which somebody waits for one of them. */
export function latestDeadline(members: readonly Waiting[]): number {
  let deadlineAt = 0;
  for (const member of members) if (member.deadlineAt > deadlineAt) deadlineAt = member.deadlineAt;
  return deadlineAt;
}

/**
 * After a run: true when the member is still wanted. Otherwise it is failed here, with why nobody waits for it.
 */
export function stillWanted(member: Waiting, now: number): boolean {
  if (member.settled) return false;
  if (member.abandoned !== undefined) {
    member.fail(member.abandoned);
    return false;
  }
  if (member.deadlineAt <= now) {
    member.fail(member.expired());
    return false;
  }
  return true;
}
