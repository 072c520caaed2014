/** Deadlines that are this close together count as equal. */
const slotMs = 16;
/** Deadlines further away than all slots are known as late only. */
const slots = 256;

/** Where a deadline counts: given by {@link DeadlineLoad.slotOf}. */
export type DeadlineSlot = number;

/** How many instances wait, by their deadlines: what has to be done until when. Deadlines are coarse (16 ms), and the same beyond 4 s. */
export class DeadlineLoad {
  private readonly counts = new Int32Array(slots);

  /** `now` and `deadlineAt` by the same clock. */
  slotOf(deadlineAt: number, now: number): DeadlineSlot {
    const slot = Math.floor(deadlineAt / slotMs);
    return slot - Math.floor(now / slotMs) < slots ? slot : -1;
  }

  /** `instances` more, or fewer where it is negative, wait with a deadline of this slot. */
  add(slot: DeadlineSlot, instances: number): void {
    if (slot >= 0) this.counts[slot % slots] = (this.counts[slot % slots] as number) + instances;
  }

  /**
   * Calls `visit` for each slot in which a deadline lies, from the earliest on, with the end of the slot and the instances that wait with a deadline up to
   * then; until it returns false.
   */
  walk(now: number, visit: (endsAt: number, instances: number) => boolean): void {
    const first = Math.floor(now / slotMs);
    let sum = 0;
    for (let slot = first; slot < first + slots; slot++) {
      const count = this.counts[slot % slots] as number;
      if (count === 0) continue;
      sum += count;
      if (!visit((slot + 1) * slotMs, sum)) return;
    }
  }
}
