import { beforeAll, describe, expect, it } from '@jest/globals';
import { doubleModel, loopModel } from '../../../test/support/onnx-model.js';
import { ScriptProcess } from './testing/script-process.js';

/** These need processes of their own: they end while runs are in hand, or look at the memory of the whole process. */
let scripts: ScriptProcess;

beforeAll(() => {
  scripts = new ScriptProcess(
    { loop: loopModel(), double: doubleModel(['n']) },
    `
      const limit = (value) => [{ dtype: 'int64', shape: [], bytes: new Uint8Array(BigInt64Array.of(value).buffer) }];
      const floats = (count, value) => [{ dtype: 'float32', shape: [count], bytes: new Uint8Array(new Float32Array(count).fill(value).buffer) }];
    `,
  );
}, 60_000);

/** Its standard output, when it exits with 0 in time and has nothing to complain about. */
async function runScript(body: string, ...flags: string[]): Promise<string> {
  const { stdout, ...end } = await scripts.run(body, ...flags);
  expect(end).toEqual({ ended: 0, stderr: '' });
  return stdout;
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
