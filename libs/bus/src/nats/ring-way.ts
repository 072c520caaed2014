import type { NatsConnection } from '@nats-io/transport-node';
import type { Report } from '../report.js';
import type { RingOutlet, Rings } from '../ring/rings.js';
import { tellUndelivered, type OnUndelivered } from '../undelivered.js';
import { errorOf } from './frame.js';
import type { ReplyInbox } from './reply-inbox.js';
import { placeOf, ringFrame, ringHeaders } from './ring-frames.js';

const askTimeoutMs = 5_000;
/** A receiver that was not there, or shut its ring, is asked again after so long; one that has none, or is elsewhere, later. */
const soonMs = 1_000;
const laterMs = 30_000;
/** The end of a reader is known at once; who does not keep to the rules says nothing. */
const silenceMs = 1_000;
const nothing = new Uint8Array(0);

/** What the ways of one participant have in common. */
export interface RingWayOptions {
  readonly rings: Rings;
  readonly connection: NatsConnection;
  readonly inbox: ReplyInbox;
  readonly report: Report;
}

interface Written {
  readonly end: number;
  readonly callbacks: readonly OnUndelivered[];
}

/**
 * The way to one receiver on one channel through a ring. It is asked for over the bus, where the server knows who may.
 * What goes over the bus before the ring is used comes before what is in it: `begin` travels behind it. What goes over the bus after it comes after: the receiver reads its rings first, and from a pause on waits for the next `begin`.
 */
export class RingWay {
  private outlet: RingOutlet | undefined;
  private ring = 0;
  private isPaused = true;
  private asking: Promise<void> | undefined;
  private askAt = -Infinity;
  /** Lists that the reader may not have taken. */
  private written: Written[] = [];
  /** How often it was given up. */
  private era = 0;

  constructor(
    private readonly subject: string,
    private readonly options: RingWayOptions,
  ) {}

  get isOpen(): boolean {
    return this.outlet !== undefined;
  }

  /** Whether a list is too long for the ring, and had better be sent in parts. */
  isTooLong(bytes: Uint8Array): boolean {
    return this.outlet !== undefined && bytes.byteLength > this.options.rings.maxBytes;
  }

  /** True: the list is in the ring. False: it has to go over the bus. */
  send(bytes: Uint8Array, callbacks: readonly OnUndelivered[]): boolean {
    const { outlet } = this;
    if (outlet === undefined) {
      if (this.asking === undefined && performance.now() >= this.askAt) void this.ask();
      return false;
    }
    if (bytes.byteLength > this.options.rings.maxBytes) return this.pause(outlet);
    if (this.isPaused && !this.begin(outlet)) return false;
    const result = outlet.write(bytes);
    if (result !== 'written') return result === 'full' ? this.pause(outlet) : this.end(outlet);
    this.forgetTaken(outlet.takenThen);
    this.written.push({ end: outlet.written, callbacks });
    return true;
  }

  /** Asks for a ring, if there is none. */
  ask(): Promise<void> {
    if (this.outlet !== undefined) return Promise.resolve();
    this.asking ??= this.open().finally(() => (this.asking = undefined));
    return this.asking;
  }

  /** The connection is lost, or nothing more is sent: nobody will say what became of what is in the ring. */
  giveUp(): void {
    this.era++;
    this.written = [];
    this.askAt = -Infinity;
    this.outlet?.leave();
    this.outlet = undefined;
  }

  private async open(): Promise<void> {
    const { rings, inbox } = this.options;
    const { era } = this;
    let waitMs = soonMs;
    try {
      const answer = await inbox.ask(this.subject, nothing, { timeoutMs: askTimeoutMs, headers: ringHeaders('ask') });
      waitMs = laterMs;
      const error = errorOf(answer);
      if (error !== undefined) throw error;
      const place = placeOf(answer);
      const outlet = await rings.open(place);
      if (this.era !== era) outlet?.leave();
      else if (outlet !== undefined) return this.use(outlet, place.ring);
    } catch {
      // Nobody answers, or has none: the bus is there
    }
    if (this.era === era) this.askAt = performance.now() + waitMs;
  }

  private use(outlet: RingOutlet, ring: number): void {
    this.outlet = outlet;
    this.ring = ring;
    this.isPaused = true;
    outlet.onLeft = () => this.left(outlet);
  }

  /** The server takes what one participant publishes in order, and this behind what went over the bus. */
  private begin(outlet: RingOutlet): boolean {
    if (outlet.written - outlet.taken > this.options.rings.sizeBytes / 2) return false;
    try {
      this.options.connection.publish(this.subject, ringFrame(this.ring), { headers: ringHeaders('begin') });
    } catch {
      return false;
    }
    this.isPaused = false;
    return true;
  }

  private pause(outlet: RingOutlet): false {
    if (this.isPaused) return false;
    this.isPaused = true;
    return outlet.pause() === 'closed' ? this.end(outlet) : false;
  }

  /** Its reader takes nothing more. What it has taken is final when it has left. */
  private end(outlet: RingOutlet): false {
    this.outlet = undefined;
    this.askAt = performance.now() + soonMs;
    const { written } = this;
    this.written = [];
    const { era } = this;
    outlet.onLeft = () => {
      if (this.era === era) this.settle(outlet, written);
      outlet.leave();
    };
    setTimeout(() => outlet.leave(), silenceMs).unref();
    return false;
  }

  private left(outlet: RingOutlet): void {
    this.end(outlet);
    outlet.onLeft();
  }

  /** Of lists that are in the ring in part, there are none: what was not taken was not seen. */
  private settle({ taken }: RingOutlet, written: readonly Written[]): void {
    for (const { end, callbacks } of written) if (end > taken) tellUndelivered(callbacks, this.options.report);
  }

  private forgetTaken(taken: number): void {
    const { written } = this;
    let count = 0;
    while (count < written.length && (written[count] as Written).end <= taken) count++;
    if (count === written.length) this.written = [];
    else if (count > 64) this.written = written.slice(count);
  }
}
