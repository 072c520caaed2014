import { readFileSync, readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * On Linux every thread has a priority of its own, set by its thread id like a process' by its pid (setpriority(2)). A call that keeps its
 * thread busy for long can so be made to give way to everything else on the machine. Elsewhere nothing is done.
 */

const lowest = 19;
/** Position of CAP_SYS_NICE in a capability mask (capabilities(7)). */
const capSysNice = 23n;

/** The kernel's id of the calling thread, undefined where there is none to be had. */
export function nativeThreadId(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    return Number.isSafeInteger(id) && id > 0 ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a lowered priority can be raised again: for that Linux wants CAP_SYS_NICE, which containers usually lack. */
export function canRaisePriority(): boolean {
  try {
    const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return mask !== undefined && ((BigInt(`0x${mask}`) >> capSysNice) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** The thread gets what nobody else wants. Returns its priority before, undefined when it could not be changed. */
export function lowerPriority(threadId: number): number | undefined {
  try {
    const before = getPriority(threadId);
    if (before >= lowest) return undefined;
    setPriority(threadId, lowest);
    return before;
  } catch {
    return undefined;
  }
}

/** false when it may not be raised. */
export function restorePriority(threadId: number, priority: number): boolean {
  try {
    setPriority(threadId, priority);
    return true;
  } catch {
    return false;
  }
}
