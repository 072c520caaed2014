import { encodeHeldBytes, type HeldBytes } from '@mserve/wire';
import { RingWay, type RingWayOptions } from './ring-way.js';
import type { Subjects } from './subjects.js';

/** Owners that rings are kept to; of more, the ring that was asked for first is given up. */
const mostOwners = 1024;

interface ReleasesOptions extends Omit<RingWayOptions, 'rings'> {
  readonly subjects: Subjects;
  /** Undefined: there are none. */
  readonly rings: RingWayOptions['rings'] | undefined;
}

/**
 * Tells owners which of their bytes are needed no more, through a ring where there is one. Nobody waits for it, and it comes in no order with anything else: what is lost with an outage or an owner ends by the
 * owner's own rules.
 */
export class Releases {
  private readonly ways = new Map<string, RingWay>();

  constructor(private readonly options: ReleasesOptions) {}

  /** Rings of owners that are open now. */
  get openRings(): number {
    let count = 0;
    for (const { isOpen } of this.ways.values()) if (isOpen) count++;
    return count;
  }

  send(held: HeldBytes): void {
    const { connection, subjects } = this.options;
    const subject = subjects.release(held.owner);
    const bytes = encodeHeldBytes(held);
    if (this.wayTo(held.owner, subject)?.send(bytes, []) === true) return;
    try {
      connection.publish(subject, bytes);
    } catch {
      // Closed
    }
  }

  /** As long as the bus is away, and until there are rings again. */
  giveUpRings(): void {
    for (const way of this.ways.values()) way.giveUp();
  }

  private wayTo(owner: string, subject: string): RingWay | undefined {
    const { rings } = this.options;
    if (rings === undefined) return undefined;
    let way = this.ways.get(owner);
    if (way !== undefined) return way;
    if (this.ways.size >= mostOwners) this.dropOldest();
    way = new RingWay(subject, { ...this.options, rings });
    this.ways.set(owner, way);
    return way;
  }

  private dropOldest(): void {
    for (const [owner, way] of this.ways) {
      way.giveUp();
      this.ways.delete(owner);
      return;
    }
  }
}
