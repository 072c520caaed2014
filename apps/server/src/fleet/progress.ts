import { readFileSync } from 'node:fs';

/** What the system knows of a process that does not answer. */
export interface Progress {
  /** Letter of its state: T stopped, S asleep, R running or waiting for a processor, D waiting for a disk. */
  readonly state: string;
  /** Time of processors that it took, in ms. */
  readonly cpuMs: number;
  /** Pages that had to be read from disk. */
  readonly pagesRead: number;
}

/** Linux tells times in hundredths of a second, on all machines that Node runs on. */
const tickMs = 10;
/** Of the words behind the name in the file. */
const [stateAt, faultsAt, userAt, systemAt] = [0, 9, 11, 12] as const;

/**
 * How far a process is, as Linux tells it: that of its main thread alone, on which an event loop runs, or of all its threads. Undefined where it is not told: the
 * process has ended, or this is another system.
 */
export function progressOf(pid: number, of: 'main thread' | 'process'): Progress | undefined {
  let text: string;
  try {
    text = readFileSync(of === 'process' ? `/proc/${pid}/stat` : `/proc/${pid}/task/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name may hold anything
  const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const number = (at: number): number => Number(words[at]);
  return { state: words[stateAt] ?? '', cpuMs: (number(userAt) + number(systemAt)) * tickMs, pagesRead: number(faultsAt) };
}

/** Whether nothing happened between the two: it took no time of a processor, waits for none, and waits for no disk. */
export function isStill(before: Progress, after: Progress): boolean {
  return after.state !== 'R' && after.state !== 'D' && after.cpuMs === before.cpuMs && after.pagesRead === before.pagesRead;
}
