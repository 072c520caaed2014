import type { Msg } from '@nats-io/transport-node';
import { ServingError } from '@mserve/wire';
import type { RingListener, Rings } from '../ring/rings.js';
import { senderOf } from './arrivals.js';
import { errorFrame } from './frame.js';
import { placeFrame, ringOf, ringWordOf } from './ring-frames.js';

/** A ring that is not begun by then is shut; nor is one kept longer whose writer has ended. */
const patienceMs = 10_000;

/** Takes the lists of one channel. */
export interface RingTaker {
  /** Rings that it has at a time. Default: as many as there are. */
  readonly mostRings?: number;
  /** `sender`: the same for all lists of one, however they come. Never throws. */
  acceptFrom(sender: string, bytes: Uint8Array): void;
}

interface Inlet {
  readonly taker: RingTaker;
  readonly sender: string;
  /** Runs until the ring is begun. */
  timer: NodeJS.Timeout | undefined;
}

interface RingInletsOptions {
  /** Undefined: this participant has none, and says so to who asks. */
  readonly rings: Rings | undefined;
  readonly onDropped: (what: string, cause: unknown) => void;
}

/** The rings that others write and this participant reads: each for one sender on one channel, given to who may publish there. */
export class RingInlets implements RingListener {
  private readonly inlets = new Map<number, Inlet>();
  private isRefusing = false;

  constructor(private readonly options: RingInletsOptions) {
    options.rings?.listen(this);
  }

  /** Rings that are read now; not those that are offered, or wait to be begun again after their writer has ended. */
  get count(): number {
    let count = 0;
    for (const { timer } of this.inlets.values()) if (timer === undefined) count++;
    return count;
  }

  /** Reads what was written before now: a message that comes over the bus comes after it. */
  read(): void {
    if (this.inlets.size > 0) this.options.rings?.read();
  }

  /** Whether a message on a channel's subject is about rings; then it is done with. */
  take(message: Msg, taker: RingTaker): boolean {
    if (message.headers === undefined) return false;
    const word = ringWordOf(message);
    if (word === undefined) return false;
    try {
      if (word === 'ask') this.offer(message, taker);
      else if (word === 'begin') this.begin(ringOf(message), taker);
      else throw new ServingError('INVALID_ARGUMENT', 'unknown word of rings');
    } catch (thrown) {
      this.options.onDropped('a message about a ring', thrown);
    }
    return true;
  }

  /** Gives up the rings of a channel. What was not taken of them is told to their senders. */
  shut(taker: RingTaker): void {
    for (const [ring, inlet] of this.inlets) if (inlet.taker === taker) this.forget(ring);
  }

  shutAll(): void {
    for (const ring of [...this.inlets.keys()]) this.forget(ring);
  }

  /** Takes what there is, and nothing from then on. */
  drain(): void {
    this.read();
    this.refuse();
  }

  /** Takes nothing more. */
  refuse(): void {
    this.isRefusing = true;
    this.shutAll();
  }

  onNews(): void {
    this.options.rings?.read();
  }

  onBytes(ring: number, bytes: Uint8Array): void {
    const inlet = this.inlets.get(ring);
    inlet?.taker.acceptFrom(inlet.sender, bytes);
  }

  onEnded(ring: number): void {
    this.forget(ring);
  }

  onOrphaned(ring: number): void {
    const inlet = this.inlets.get(ring);
    if (inlet !== undefined) inlet.timer ??= this.giveUpLater(ring);
  }

  onBroken(ring: number): void {
    this.options.onDropped('a ring', new ServingError('INVALID_ARGUMENT', 'its writer does not keep to the rules'));
    this.forget(ring);
  }

  private offer(message: Msg, taker: RingTaker): void {
    if (message.reply === undefined || message.reply === '') throw new ServingError('INVALID_ARGUMENT', 'nobody can be told of a ring');
    const place = this.isRefusing || this.isFull(taker) ? undefined : this.options.rings?.offer();
    if (place === undefined) {
      const frame = errorFrame(new ServingError('UNAVAILABLE', 'there are no rings here'));
      message.respond(frame.body, { headers: frame.headers });
      return;
    }
    this.inlets.set(place.ring, { taker, sender: senderOf(message.reply), timer: this.giveUpLater(place.ring) });
    message.respond(placeFrame(place));
  }

  private isFull(taker: RingTaker): boolean {
    const { mostRings } = taker;
    if (mostRings === undefined) return false;
    let count = 0;
    for (const inlet of this.inlets.values()) if (inlet.taker === taker) count++;
    return count >= mostRings;
  }

  private begin(ring: number, taker: RingTaker): void {
    const inlet = this.inlets.get(ring);
    // It was shut while this was on its way; or somebody guesses
    if (inlet === undefined) return;
    if (inlet.taker !== taker || this.options.rings?.begin(ring) !== true) {
      this.forget(ring);
      throw new ServingError('INVALID_ARGUMENT', 'a ring is begun that cannot be');
    }
    clearTimeout(inlet.timer);
    inlet.timer = undefined;
    this.options.rings.read();
  }

  private giveUpLater(ring: number): NodeJS.Timeout {
    return setTimeout(() => this.forget(ring), patienceMs).unref();
  }

  private forget(ring: number): void {
    const inlet = this.inlets.get(ring);
    if (inlet === undefined) return;
    clearTimeout(inlet.timer);
    this.inlets.delete(ring);
    this.options.rings?.shut(ring);
  }
}
