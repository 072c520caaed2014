/** What was taken so long ago counts for 1/e. */
const memoryMs = 1_000;
/** Who has not asked for so long wants no share. */
const silentMs = 1_000;

/** What a gateway got, beside the share of each of those that ask. `alone`: nobody else asks. */
export type Standing = 'alone' | 'within' | 'over';

/** What one gateway got. */
class Share {
  seenAt = -Infinity;
  private taken = 0;
  private at = 0;

  /** `instances` more, or fewer where it is negative. */
  add(instances: number, now: number): void {
    this.taken = Math.max(0, this.takenBy(now) + instances);
    this.at = now;
  }

  /** Instances taken, of which the older count less. */
  takenBy(now: number): number {
    return this.taken === 0 ? 0 : this.taken * Math.exp((this.at - now) / memoryMs);
  }
}

/** How much of a servable each gateway got of late: where there is not enough for all, who has more than an equal share leaves room for the others. */
export class GatewayShares {
  private readonly byGateway = new Map<string, Share>();

  /** It asks for something. */
  see(gateway: string, now: number): void {
    let share = this.byGateway.get(gateway);
    if (share === undefined) {
      // A gateway that is gone is forgotten when another one comes
      for (const [other, { seenAt }] of this.byGateway) if (now - seenAt > silentMs) this.byGateway.delete(other);
      share = new Share();
      this.byGateway.set(gateway, share);
    }
    share.seenAt = now;
  }

  /** So many of its instances were taken; negative: they were refused after all. Only of one that was seen. */
  take(gateway: string, instances: number, now: number): void {
    this.byGateway.get(gateway)?.add(instances, now);
  }

  /** Whether it got more than its share while others asked, too. Looks at all of them: only for when there is not enough. */
  standing(gateway: string, now: number): Standing {
    const own = this.byGateway.get(gateway);
    if (own === undefined || this.byGateway.size < 2) return 'alone';
    let [asking, total] = [0, 0];
    for (const share of this.byGateway.values()) {
      if (now - share.seenAt > silentMs) continue;
      asking += 1;
      total += share.takenBy(now);
    }
    if (asking < 2) return 'alone';
    return own.takenBy(now) * asking > total ? 'over' : 'within';
  }
}
