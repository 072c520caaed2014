import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bodies and answers of so many bytes in all leave behind what is worth a collection. */
const worthBytes = 32 * 1024 * 1024;
/** How long nobody must have come before. */
const quietMs = 2_000;

/** Who comes. */
interface Traffic {
  readonly count: number;
  readonly newestToken: number;
}

/**
 * Gives the memory of large bodies and answers back when nobody comes any more. V8 collects when it needs memory, and an idle server needs none: without this, what one
 * refused upload of 100 MB left behind would stay until the next one.
 */
export class MemoryReturn {
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private collect: (() => void) | undefined;

  constructor(private readonly traffic: Traffic) {}

  /** A body or an answer of so many bytes has come or goes. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes >= worthBytes && this.timer === undefined) this.wait(this.traffic.newestToken);
  }

  private wait(newestToken: number): void {
    this.timer = setTimeout(() => {
      const { count, newestToken: now } = this.traffic;
      if (count > 0 || now !== newestToken) return this.wait(now);
      this.timer = undefined;
      this.bytes = 0;
      this.collect ??= collector();
      this.collect();
    }, quietMs).unref();
  }
}

/** V8's own collection, which node shows only to whom asks for it by a flag; it may be asked for while a process runs. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof collect !== 'function') return () => undefined;
  return () => void (collect as () => void)();
}
