import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** V8 marks the whole heap for 64 MB of new external memory; what was read before the last collection is counted until the next one. */
const collectAfterBytes = 16 * 1024 * 1024;

/**
 * What node reads of bodies lies in a buffer for each piece, which is garbage as soon as it was copied to where the body belongs. All that V8 sees of them is external memory: it marks the
 * whole heap (10 to 60 ms, and other threads meanwhile) for every 64 MB, although all of them are young, and the collection of the young generation takes a few ms. So that
 * one is asked for before.
 */
export class ReadGarbage {
  private bytes = 0;
  private isDue = false;
  private collect: (() => void) | undefined;
  private readonly onTurn = (): void => {
    this.isDue = false;
    this.collect ??= youngCollector();
    this.collect();
  };

  /** So many bytes were read. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < collectAfterBytes) return;
    this.bytes = 0;
    if (this.isDue) return;
    this.isDue = true;
    // When the turn's pieces have been copied
    setImmediate(this.onTurn);
  }
}

/** Does nothing where this V8 has no such function. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof gc === 'function' ? () => void gc({ type: 'minor', execution: 'sync' }) : () => undefined;
}
