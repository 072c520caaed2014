import { loadBinding } from './binding.js';

/**
 * From now on, when a fault of native code (SIGSEGV, SIGBUS, SIGILL, SIGABRT) ends this process, the last line on stderr says what the thread did: `note`, at most 479
 * bytes; when it was another thread, it has the notes of all. `threadId`: the kernel's; '' takes a note back. Linux only; elsewhere nothing is written.
 */
export function noteCrash(threadId: number, note: string): void {
  loadBinding().noteCrash(threadId, note);
}
