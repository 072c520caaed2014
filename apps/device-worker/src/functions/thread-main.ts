import { parentPort, workerData } from 'node:worker_threads';
import { runFunctionProgram } from './function-program.js';
import type { ThreadStart, ToThread } from './thread-message.js';

/** The program of a function thread. */

if (parentPort === null) throw new Error('thread-main is the entry of a worker thread');
const port = parentPort;
const start = workerData as ThreadStart;
void runFunctionProgram(start, {
  cells: new Int32Array(start.control),
  sharesMemory: true,
  send: (message, transfer) => port.postMessage(message, transfer),
  listen: (listener) => port.on('message', (message: ToThread) => listener(message)),
});
