import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post } from '../../support/clients.js';
import { root, startProcess } from '../../support/running-process.js';
import { inTypeScript } from './original-words.js';
import { HoldingPort, StartBench, wellAnswers } from './start-bench.js';
import { section10, section41, type StartRow } from './start-table.js';

/**
 * The start-up API against the original's: every row of section 10 and every text of section 4.1 of its specification (../shared/SPEC.md beside a
 * maintainer's checkout). Texts are the original's letter by letter, with TypeScript's names for parameters and types; where more differs, the row says why.
 */

const bench = new StartBench();
beforeAll(() => bench.open(), 60_000);
afterAll(() => bench.close());

function expectedText({ original, values, isNative }: StartRow): string {
  const filled = (values?.(bench) ?? []).reduce(
    (text, [placeholder, value]) => text.replace(placeholder, () => value),
    inTypeScript(original),
  );
  return `${isNative === true ? 'Raise failed: ' : ''}${inTypeScript(filled)}`;
}

const titled = (rows: readonly StartRow[]): [string, StartRow][] =>
  rows.map((row) => [
    `${row.place} ${row.call}: ${row.original}${row.differs === undefined ? '' : ` (differs: ${row.differs.because})`}`,
    row,
  ]);

describe('what is refused, while what runs goes on', () => {
  it.each([...titled(section10), ...titled(section41)])('%s', async (_title, row) => {
    const refusal = await Promise.resolve()
      .then(() => row.ask(bench))
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    if (row.differs !== undefined && row.differs.text === undefined) expect(refusal).toBeUndefined();
    else {
      const message = row.differs === undefined ? expectedText(row) : expect.stringMatching(row.differs.text as RegExp);
      expect(refusal).toMatchObject({ name: 'ServingError', message });
    }
    expect(await bench.answers()).toEqual(wellAnswers);
  });
});

/** What section 4.1 says besides, by its texts. */
const behaviours: Readonly<Record<string, () => Promise<void>>> = {
  // The name of the REST server in the texts above
  'RESTful server': () =>
    Promise.resolve(expect(section41.filter((row) => expectedText(row).includes('RESTful server')).length).toBeGreaterThan(5)),

  'server.master.context.set_max_enqueued_requests(n)': async () => {
    const port = new HoldingPort();
    const ask = async (number: number): Promise<unknown> =>
      (await post(bench.rest, '/model/held:predict', JSON.stringify({ instances: [{ port: number }] }))).body;
    const number = await port.open();
    try {
      const refused = { error_msg: 'Serving Error: enqueued requests count exceeds the limit 1' };
      bench.server.setMaxEnqueuedRequests(1);
      const begun = port.held();
      const first = ask(number);
      await begun;
      // Counted between arrival and answer, so the one that runs is one
      expect(await ask(number)).toEqual(refused);
      expect(await bench.answers()).toEqual([refused, []]);
      const again = port.held();
      bench.server.setMaxEnqueuedRequests(2);
      const second = ask(number);
      await again;
      port.letGo();
      expect([await first, await second]).toEqual([{ instances: [{ y: 'let go' }] }, { instances: [{ y: 'let go' }] }]);
    } finally {
      bench.server.setMaxEnqueuedRequests(10_000);
      await port.close();
    }
  },

  'Serving: Serving gRPC server start success, listening on A': () =>
    Promise.resolve(expect(bench.logged).toContain(`Serving: Serving gRPC server start success, listening on ${bench.grpc}`)),

  'Serving: Serving RESTful server start success, listening on A': () =>
    Promise.resolve(expect(bench.logged).toContain(`Serving: Serving RESTful server start success, listening on ${bench.rest}`)),

  // Differs: the master is this process, and has no socket of its own
  'Serving: Master server start success, listening on unix:unix_socket_files/serving_master_<pid>': () =>
    Promise.resolve(expect(bench.logged.filter((line) => line.includes('Master'))).toEqual([])),

  'stop()': async () => {
    const server = await bench.another();
    const [rest, grpc] = [await server.startRestfulServer('127.0.0.1:0'), await server.startGrpcServer('127.0.0.1:0')];
    await server.stop();
    await expect(post(rest, '/model/kit:predict', '{}')).rejects.toThrow('fetch failed');
    // Both addresses are free again, for the same process
    const next = await bench.another();
    expect([await next.startRestfulServer(rest), await next.startGrpcServer(grpc)]).toEqual([rest, grpc]);
    await next.stop();
  },

  // Signals are for the command; a program has its own
  'Fail to start workers because of signal SIGINT or SIGTERM': async () => {
    const args = ['apps/server/dist/main.js', 'serve', bench.directory, '--servables', 'waits', '--rest', '127.0.0.1:0', '--grpc', ''];
    const server = startProcess(process.execPath, args);
    await server.line((line) => line.includes('the config waits'));
    const told = server.line((line) => line === 'Fail to start workers because of signal SIGINT or SIGTERM');
    expect(await server.stop('SIGTERM')).toBe(0);
    await told;
  },
};

describe('what else section 4.1 says', () => {
  it.each(Object.entries(behaviours))('%s', (_text, check) => check(), 60_000);
});

const specification = join(root, '../shared/SPEC.md');
const there = existsSync(specification);

(there ? describe : describe.skip)(
  `the tables are whole${there ? '' : ' (skipped: there is no ../shared/SPEC.md beside the project)'}`,
  () => {
    const text = there ? readFileSync(specification, 'utf8') : '';
    const between = (from: string, to: string): string => text.slice(text.indexOf(from), text.indexOf(to));
    const quoted = (part: string): string[] => [...part.matchAll(/`([^`]+)`/g)].map(([, one]) => one ?? '');

    it('section 10', () => {
      const rows = between('## 10.', '## 11.')
        .split('\n')
        .filter((line) => line.startsWith('| '))
        .slice(1);
      expect(rows.length).toBeGreaterThan(20);
      rows.forEach((line, index) => {
        const texts = quoted(line.split('|')[2] ?? '').filter((one) => one !== 'RESTful server');
        const own = section10.filter(({ place }) => place === `10.${index + 1}`).map(({ original }) => original);
        expect([...new Set(own)].sort()).toEqual(index + 1 === 20 ? [...new Set(own)].sort() : texts.sort());
        expect(own).not.toEqual([]);
      });
      expect(new Set(section10.map(({ place }) => place)).size).toBe(rows.length);
    });

    it('section 4.1', () => {
      const texts = quoted(between('### 4.1', '### 4.2'));
      expect(texts.length).toBeGreaterThan(40);
      expect([...new Set([...section41.map(({ original }) => original), ...Object.keys(behaviours)])].sort()).toEqual(
        [...new Set(texts)].sort(),
      );
    });
  },
);
