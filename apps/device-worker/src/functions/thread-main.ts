import { parentPort, workerData } from 'node:worker_threads';
import { runFunctionProgram } from './function-program.js';
import { control, type FromThread, type ThreadStart, type ToThread } from './thread-message.js';
import { nativeThreadId } from './thread-priority.js';

/** The program of a function thread. */

if (parentPort === null) throw new Error('thread-main is the entry of a worker thread');
const port = parentPort;
const start = workerData as ThreadStart;
/** Longest time that the owner may take to note a native package; it is loaded then all the same. */
const longestNoteMs = 1_000;

/**
 * A native package may end the whole server, at once or later: the owner notes who loads it before it is loaded, so that the end can be told from
 * others.
 */
function announceNativePackages(cells: Int32Array): void {
  const load = process.dlopen.bind(process);
  const known = new Set<string>();
  process.dlopen = (module, file, ...rest) => {
    const threadId = nativeThreadId();
    if (threadId !== undefined && !known.has(file)) {
      known.add(file);
      const noted = Atomics.load(cells, control.noted);
      port.postMessage({ kind: 'native', file, threadId } satisfies FromThread);
      Atomics.wait(cells, control.noted, noted, longestNoteMs);
    }
    load(module, file, ...(rest as [number]));
  };
}

const cells = new Int32Array(start.control);
announceNativePackages(cells);
void runFunctionProgram(start, {
  cells,
  sharesMemory: true,
  send: (message, transfer) => port.postMessage(message, transfer),
  listen: (listener) => port.on('message', (message: ToThread) => listener(message)),
});
