import { readdirSync, readFileSync } from 'node:fs';

/** What the system knows of a process that does not answer. */
export interface Progress {
  /** It is stopped by a signal. */
  readonly isStopped: boolean;
  /** The part that answers runs, or waits for a processor or a disk. */
  readonly isAtWork: boolean;
  /** Another thread of it does: what answers may wait for that one. */
  readonly othersAreAtWork: boolean;
  /** Time of processors that the part that answers took, in ms. */
  readonly cpuMs: number;
  /** How often the part that answers got a processor or had to read a page from disk, as a sum that only its change says anything of. */
  readonly steps: number;
}

/** Linux tells times in hundredths of a second, on all machines that Node runs on. */
const tickMs = 10;
/** Of the words behind the name in `stat`. */
const [stateAt, faultsAt, userAt, systemAt] = [0, 9, 11, 12] as const;

interface ThreadProgress {
  readonly state: string;
  readonly cpuMs: number;
  readonly steps: number;
}

/** Undefined: it has ended, or this is no Linux. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

function progressOfThread(directory: string): ThreadProgress | undefined {
  const stat = read(`${directory}/stat`);
  if (stat === undefined) return undefined;
  // The name may hold anything
  const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const number = (at: number): number => Number(words[at]);
  const ticks = number(userAt) + number(systemAt);
  // Time on a processor, time in wait for one, how often it got one; some kernels do not count that
  const turns = Number(read(`${directory}/schedstat`)?.split(' ')[2] ?? 0);
  return { state: words[stateAt] ?? '', cpuMs: ticks * tickMs, steps: ticks + turns + number(faultsAt) };
}

const isAtWork = ({ state }: ThreadProgress): boolean => state === 'R' || state === 'D';
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/**
 * How far a process is, as Linux tells it. `answers`: the part of it that answers, its main thread alone, on which an event loop runs, or any thread. Undefined where it is not
 * told: the process has ended, or this is another system.
 */
export function progressOf(pid: number, answers: 'main thread' | 'any thread'): Progress | undefined {
  const directory = `/proc/${pid}/task`;
  const main = progressOfThread(`${directory}/${pid}`);
  if (main === undefined) return undefined;
  const others: ThreadProgress[] = [];
  try {
    for (const id of readdirSync(directory)) {
      const thread = id === String(pid) ? undefined : progressOfThread(`${directory}/${id}`);
      if (thread !== undefined) others.push(thread);
    }
  } catch {
    return undefined;
  }
  const part = answers === 'main thread' ? [main] : [main, ...others];
  return {
    isStopped: main.state === 'T',
    isAtWork: part.some(isAtWork),
    othersAreAtWork: others.some(isAtWork),
    cpuMs: sum(part.map(({ cpuMs }) => cpuMs)),
    steps: sum(part.map(({ steps }) => steps)),
  };
}
