import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { doubleModel, loopModel } from '../../../test/support/onnx-model.js';

/**
 * These need processes of their own: they end while runs are in hand, or look at the memory of the whole process.
 * They run the compiled library, which is brought up to date first.
 */
const root = join(import.meta.dirname, '..', '..', '..');
const libraryUrl = pathToFileURL(join(root, 'libs', 'native', 'dist', 'index.js')).href;
let folder: string;

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', join(root, 'libs', 'native')]);
  folder = mkdtempSync(join(tmpdir(), 'mserve-lifetime-'));
  writeFileSync(join(folder, 'loop.onnx'), loopModel());
  writeFileSync(join(folder, 'double.onnx'), doubleModel(['n']));
}, 60_000);

const prelude = (): string => `
  import { Session } from ${JSON.stringify(libraryUrl)};
  import { Worker, isMainThread, parentPort } from 'node:worker_threads';
  const loop = ${JSON.stringify(join(folder, 'loop.onnx'))};
  const double = ${JSON.stringify(join(folder, 'double.onnx'))};
  const limit = (value) => [{ dtype: 'int64', shape: [], bytes: new Uint8Array(BigInt64Array.of(value).buffer) }];
  const floats = (count, value) => [{ dtype: 'float32', shape: [count], bytes: new Uint8Array(new Float32Array(count).fill(value).buffer) }];
`;

let scripts = 0;

/** Runs a script in a process of its own; rejects unless it exits with 0 in time. Its standard output. */
async function runScript(body: string, ...flags: string[]): Promise<string> {
  const file = join(folder, `script-${++scripts}.mjs`);
  writeFileSync(file, prelude() + body);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, file], { timeout: 25_000 });
  expect(stderr).toBe('');
  return stdout.trim();
}

describe('the end of a process or thread', () => {
  it('a process ends by itself after close(), and stays alive while a run is awaited', async () => {
    expect(
      await runScript(`
        const session = await Session.open(double);
        session.run(floats(3, 1)).then(async ([y]) => { console.log(y.shape[0]); await session.close(); console.log('closed'); });
      `),
    ).toBe('3\nclosed');
  });

  it('a process may end without close(), and with an open session nobody uses', async () => {
    expect(await runScript(`const session = await Session.open(double); await session.run(floats(3, 1)); console.log('end');`)).toBe('end');
  });

  it('process.exit() with endless, queued and settled runs in hand', async () => {
    expect(
      await runScript(`
        const session = await Session.open(loop, { concurrentRuns: 2 });
        for (let i = 0; i < 5; i++) session.run(limit(2n ** 62n));
        const other = await Session.open(double);
        for (let i = 0; i < 50; i++) other.run(floats(5000, 1));
        setImmediate(() => { console.log('end'); process.exit(0); });
      `),
    ).toBe('end');
  });

  it('a process ends while a session that was dropped is still being released', async () => {
    expect(
      await runScript(
        `
          let session = await Session.open(double, { concurrentRuns: 8 });
          await session.run(floats(3, 1));
          session = undefined;
          await new Promise(setImmediate);
          gc();
          setImmediate(() => console.log('end'));
        `,
        '--expose-gc',
      ),
    ).toBe('end');
  });

  it('process.exit() while models are being loaded', async () => {
    expect(await runScript(`for (let i = 0; i < 5; i++) Session.open(double); console.log('end'); process.exit(0);`)).toBe('end');
  });

  it('worker threads run at the same time, each with sessions of its own; terminate() with runs in hand harms no other', async () => {
    expect(
      await runScript(`
        if (isMainThread) {
          const session = await Session.open(double);
          const workers = Array.from({ length: 3 }, () => new Worker(new URL(import.meta.url)));
          const sums = await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
          console.log(sums.join());
          await Promise.all(workers.map((worker) => worker.terminate()));
          const [y] = await session.run(floats(5000, 21));
          console.log(new Float32Array(y.bytes.buffer)[4999]);
          await session.close();
        } else {
          const session = await Session.open(double);
          const endless = await Session.open(loop);
          endless.run(limit(2n ** 62n)).catch(() => {});
          let sum = 0;
          for (let i = 0; i < 200; i++) {
            const [y] = await session.run(floats(i % 2 ? 5000 : 3, i));
            sum += new Float32Array(y.bytes.buffer, y.bytes.byteOffset, 1)[0];
          }
          parentPort.postMessage(sum);
        }
      `),
    ).toBe('39800,39800,39800\n42');
  });
});

describe('memory', () => {
  it('outputs, failures, cancelled runs and sessions leave nothing behind', async () => {
    const growth = await runScript(
      `
        const mib = () => { gc(); return process.memoryUsage().rss / 2 ** 20; };
        const settle = async () => { for (let i = 0; i < 5; i++) { gc(); await new Promise(setImmediate); } };
        async function round(session, endless) {
          for (let i = 0; i < 100; i++) await session.run(floats(250_000, i));           // 1 MB outputs, 100 MB in all
          await Promise.all(Array.from({ length: 5000 }, () => session.run(floats(16, 1))));
          for (let i = 0; i < 1000; i++) await session.run([]).catch(() => {});
          for (let i = 0; i < 50; i++) {
            const abort = new AbortController();
            const run = endless.run(limit(2n ** 62n), { signal: abort.signal });
            setImmediate(() => abort.abort());
            await run.catch(() => {});
          }
          for (let i = 0; i < 5; i++) await (await Session.open(double)).close();
          await settle();
        }
        const session = await Session.open(double);
        const endless = await Session.open(loop);
        for (let i = 0; i < 2; i++) await round(session, endless);
        const before = mib();
        for (let i = 0; i < 4; i++) await round(session, endless);
        console.log(Math.round(mib() - before));
        await session.close();
        await endless.close();
      `,
      '--expose-gc',
    );
    expect(Number(growth)).toBeLessThan(60); // MiB; every leak of an output would be over 400
  });

  it('large outputs count as external memory, so that the collector knows of them', async () => {
    const counted = await runScript(
      `
        const session = await Session.open(double);
        const input = floats(2_500_000, 1);
        const before = process.memoryUsage().external;
        const [y] = await session.run(input);
        console.log(Math.round((process.memoryUsage().external - before) / 1e6), y.bytes.byteLength / 1e6);
        await session.close();
      `,
    );
    expect(counted).toBe('10 10'); // MB
  });

  it('a session that is dropped without close() ends its threads', async () => {
    const threads = await runScript(
      `
        import { readdirSync } from 'node:fs';
        const count = () => readdirSync('/proc/self/task').length;
        const open = async () => { const session = await Session.open(double, { concurrentRuns: 8 }); await session.run(floats(3, 1)); };
        for (let i = 0; i < 5; i++) await open();
        const most = count();
        while (count() > most - 4 * 8) { gc(); await new Promise(setImmediate); } // the fifth may still be on the stack
        console.log('ended');
      `,
      '--expose-gc',
    );
    expect(threads).toBe('ended');
  });
});
