import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { servableDirectory, type ServableDirectory } from '../../support/servables.js';
import { FaultServer, type FaultSurroundings } from './fault-server.js';
import { writeFaultServables } from './fault-servables.js';

/**
 * A fault: its number in the project's list of faults (letters where an entry has several), what is sent, how, and what comes back. `policy`: why mserve
 * answers otherwise than the list recommends.
 */
export type FaultRow = readonly [
  number: string,
  sent: string,
  send: (server: FaultServer) => Promise<string>,
  answer: RegExp,
  policy?: string,
];

/** One test for each row: the answer, and then what has to hold after every fault (FaultServer.holds). `write` writes the servables. */
export function faultTable(
  title: string,
  settings: object,
  rows: readonly FaultRow[],
  write = writeFaultServables,
  surroundings: FaultSurroundings = {},
): void {
  describe(title, () => {
    let directory: ServableDirectory;
    let server: FaultServer;
    beforeAll(async () => {
      directory = servableDirectory();
      write(directory.path);
      server = await FaultServer.start(directory.path, settings, surroundings);
    }, 60_000);
    afterAll(async () => {
      await server?.stop();
      directory.remove();
    });

    it.each(rows.map((row) => [`${row[0]} ${row[1]}${row[4] === undefined ? '' : ` (${row[4]})`}`, row] as const))(
      '%s',
      async (_title, [, , send, answer]) => {
        const before = await server.state();
        const received = await send(server);
        // A long text must not flood the report
        if (!answer.test(received)) expect(received.slice(0, 600)).toMatch(answer);
        await server.holds(before, received);
      },
      60_000,
    );
  });
}
