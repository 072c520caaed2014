import { EventEmitter } from 'node:events';
import { Worker } from 'node:worker_threads';
import { textOf } from './function-call.js';
import { runFunctionProgram } from './function-program.js';
import { controlCells, type FromThread, type ProgramStart, type ToThread } from './thread-message.js';

/**
 * The program of a function process: functions run on its main thread, where every native package works. The worker ends it; signals that a service
 * manager sends to all processes of a service are the worker's matter, which has calls in hand.
 */

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => undefined);

/** A process that is busy with a call does not hear that its owner is gone. This thread does, and ends it. */
const orphanWatch = `
const owner = require('node:worker_threads').workerData;
setInterval(() => { if (process.ppid !== owner) process.kill(process.pid, 'SIGKILL'); }, 500);
`;

// Taken before the author's code can put something else in its place
const sendToOwner = process.send?.bind(process);
if (sendToOwner === undefined) throw new Error('process-main is the entry of a function process');

function send(message: FromThread): void {
  // The callback takes what goes wrong: an owner that is gone
  sendToOwner?.(message, undefined, undefined, () => undefined);
}

const heard = new EventEmitter<{ message: [ToThread] }>();

async function begin(start: ProgramStart): Promise<void> {
  new Worker(orphanWatch, { eval: true, workerData: process.ppid, execArgv: [] }).unref();
  await runFunctionProgram(start, {
    cells: new Int32Array(controlCells),
    sharesMemory: false,
    send,
    listen: (listener) => heard.on('message', listener),
  });
}

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('uncaughtExceptionMonitor', (thrown: unknown) => send({ kind: 'uncaught', text: textOf(thrown) }));
process.on('message', (message: ToThread | ProgramStart) => {
  if ('kind' in message) heard.emit('message', message);
  else void begin(message);
});
