import { createServer, connect, type Server, type Socket } from 'node:net';
import { chmodSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { CliError } from '../cli-error.js';
import { jsonObject } from '../json-object.js';
import type { Fleet, ProcessStatus } from './fleet.js';

/** What a fleet can be asked, one line of JSON over its socket. */
export interface FleetRequest {
  readonly do: 'status' | 'restart' | 'drain';
  readonly name?: string | undefined;
}

/** One line of its answer. `step`: more will come; `done` and `problem` are the last line. */
export interface FleetAnswer {
  readonly step?: string;
  readonly done?: true;
  readonly processes?: readonly ProcessStatus[];
  readonly problem?: string;
  readonly exitCode?: number;
}

const longestRequest = 4096;

async function answer(fleet: Fleet, line: string, tell: (step: string) => void): Promise<FleetAnswer> {
  const request = jsonObject(line);
  const name = request?.['name'];
  if (name !== undefined && typeof name !== 'string') return { problem: 'name must be a text', exitCode: 2 };
  switch (request?.['do']) {
    case 'status':
      return { done: true, processes: await fleet.status() };
    case 'restart':
      await fleet.restart(name, tell);
      return { done: true };
    case 'drain':
      if (name === undefined) return { problem: 'the name of a process is missing', exitCode: 2 };
      await fleet.drain(name);
      return { done: true };
    default:
      return { problem: 'do must be status, restart or drain', exitCode: 2 };
  }
}

function serve(fleet: Fleet, socket: Socket): void {
  let received = 0;
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > longestRequest) socket.destroy();
  });
  const send = (line: FleetAnswer): void => void (socket.writable && socket.write(`${JSON.stringify(line)}\n`));
  const lines = createInterface({ input: socket }).on('error', () => undefined);
  lines.once('line', (line) => {
    answer(fleet, line, (step) => send({ step }))
      .catch((error: unknown) => ({
        problem: error instanceof Error ? error.message : String(error),
        exitCode: error instanceof CliError ? error.exitCode : 1,
      }))
      .then((last) => {
        send(last);
        socket.end();
      })
      .catch(() => socket.destroy());
  });
}

/** Takes commands for a fleet at a socket, for its own user alone. Rejects with CliError when it cannot be had. Gives what ends it. */
export async function openControlPort(path: string, fleet: () => Fleet | undefined): Promise<{ close(): void }> {
  const server: Server = createServer((socket) => {
    const running = fleet();
    if (running === undefined) socket.end(`${JSON.stringify({ problem: 'the fleet is starting' })}\n`);
    else serve(running, socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new CliError(`the socket ${path} cannot be had: ${error.message}`, 78)));
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return { close: () => void server.close() };
}

/** Asks the fleet at this socket; `onStep` gets each line before the last one. Rejects with CliError when there is no fleet, and with what the fleet says is wrong. */
export function askFleet(path: string, request: FleetRequest, onStep: (step: string) => void): Promise<FleetAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let isAnswered = false;
    const fail = (text: string, exitCode: 1 | 2 | 78 = 1): void => reject(new CliError(text, exitCode));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const isThere = error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED';
      fail(
        isThere
          ? `${path}: ${error.message}`
          : `no fleet runs there: ${path} does not answer (mserve fleet DIR starts one; --state-directory says where)`,
      );
    });
    createInterface({ input: socket })
      // The socket's own
      .on('error', () => undefined)
      .on('line', (line) => {
        const said = (jsonObject(line) ?? {}) as FleetAnswer;
        if (said.step !== undefined) return onStep(said.step);
        isAnswered = true;
        if (said.problem === undefined) resolve(said);
        else fail(said.problem, said.exitCode === 2 ? 2 : 1);
      })
      .on('close', () => {
        if (!isAnswered) fail('the fleet has ended before it answered');
      });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}
