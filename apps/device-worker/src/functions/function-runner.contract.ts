import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Tensor } from '@mserve/register';
import { stringTensor, type Instance, type InstanceResult } from '@mserve/wire';
import { openServable, type OpenedServable, type OpenServableOptions } from '../replica/open-servable.js';
import { FunctionCalls } from './function-calls.fixture.js';
import type { FunctionIsolation } from '../servable/declared-isolation.js';
import { LoadedFunctions } from './loaded-functions.fixture.js';
import { Flag, float, plain, threadsByPriority, writeFunctions } from './tested-functions.fixture.js';
import { canRaisePriority } from './thread-priority.js';

/** What holds for functions in real threads and in real processes that load a real servable_config.ts, and what user code can do to them. */
export function functionRunnerContract(isolation: FunctionIsolation): void {
  const functions = new LoadedFunctions();
  const { folder, run } = functions;
  const load = (options: OpenServableOptions = {}): Promise<OpenedServable> => functions.load({ functionIsolation: isolation, ...options });

  beforeAll(() => {
    writeFunctions(folder);
  });
  afterEach(() => functions.unload());
  afterAll(() => folder.remove());

  let flags = 0;
  const newFlag = (): Flag => new Flag(`${folder.path}/flag${++flags}`);
  async function works(): Promise<void> {
    expect(plain(await run('add', [[...float(1), ...float(2.5)]]))).toEqual([[3.5]]);
  }

  describe(`functions in a ${isolation}`, () => {
    it('are called with values and give values, per instance and in batches', async () => {
      await load();
      expect(
        plain(
          await run('add', [
            [...float(1.5), ...float(1)],
            [Tensor.of('float32', [1, 2]), Tensor.of('float32', [0.5, 0.5])],
          ]),
        ),
      ).toEqual([[2.5], [[1.5, 2.5]]]);
      expect(plain(await run('greet', [[stringTensor('you')]]))).toEqual([['you!']]);
      expect(plain(await run('refuseNegative', [float(1.5), float(-1), float(3.5)]))).toEqual([[1.5], 'ABORTED: negative', [3.5]]);
      expect(plain(await run('batch', [float(0.5), float(1.5)]))).toEqual([
        [1.5, 2n],
        [2.5, 2n],
      ]);
      expect(await run('add', [])).toEqual([]);
    });

    it('answer in order when many calls are made at once, and are free afterwards', async () => {
      await load({ numParallelWorkers: 2 });
      const results = Array.from({ length: 200 }, (_, i) => run('refuseNegative', [float(i + 0.5), float(-1)]));
      const idle = functions.calls.idle(2);
      expect((await Promise.all(results)).map(plain)).toEqual(Array.from({ length: 200 }, (_, i) => [[i + 0.5], 'ABORTED: negative']));
      await idle;
    });

    it('get large tensors, too', async () => {
      await load();
      const big = Tensor.from(new Float32Array(500_000).fill(1.5), [500, 1000]);
      const [result] = await run('add', [[big, Tensor.scalar('float32', 1)]]);
      const output = result !== undefined && 'outputs' in result ? result.outputs[0] : undefined;
      expect([output?.dtype, output?.shape]).toEqual(['float32', [500, 1000]]);
      expect(Tensor.fromBytes('float32', [500, 1000], output?.bytes ?? Buffer.alloc(0)).every((value) => value === 2.5)).toBe(true);
      expect(big.data[0]).toBe(1.5);
    });

    it('call models, which the owner runs', async () => {
      const calls: unknown[] = [];
      await load({
        models: {
          call: (modelKey, subgraph, instances) => {
            calls.push([modelKey, subgraph, instances.length]);
            const [input] = instances[0] as Instance;
            if (Tensor.fromBytes('float64', [], input?.bytes as Uint8Array).item() < 0)
              return Promise.reject(new Error('The model is tired'));
            return Promise.resolve([[Tensor.of('float32', [1, 2])]]);
          },
        },
      });
      expect(plain(await run('callModel', [float(1.5), float(-1)]))).toEqual([
        [[1, 2]],
        'ABORTED: Model(m.onnx).call() failed: The model is tired',
      ]);
      expect(calls).toEqual([
        ['m.onnx', 0, 1],
        ['m.onnx', 0, 1],
      ]);
    });

    it('of an unknown index fail', async () => {
      await load();
      expect(plain(await run('nope', [float(1)]))).toEqual(["INTERNAL: servable 'S' has no function -1"]);
    });
  });

  describe('a call that hangs', () => {
    it('delays nobody that another thread can serve', async () => {
      await load({ numParallelWorkers: 2 });
      const flag = newFlag();
      const spinning = run('spin', [flag.instance]);
      await works();
      flag.set();
      expect(plain(await spinning)).toEqual([[1n]]);
    });

    it('gets a spare thread beside it', async () => {
      await load({ stuckAfterMs: 30 });
      const flag = newFlag();
      const spinning = run('spin', [flag.instance]);
      const others = Promise.all([run('greet', [[stringTensor('a')]]), run('greet', [[stringTensor('b')]])]);
      expect((await others).map(plain)).toEqual([[['a!']], [['b!']]]);
      flag.set();
      expect(plain(await spinning)).toEqual([[1n]]);
      await works();
    });

    it('is not the end of a second one: functions that hang leave threads to the others', async () => {
      await load();
      const flag = newFlag();
      const spinning = Array.from({ length: 10 }, () => run('spin', [flag.instance]));
      const hanging = run('hangAt', [float(1)], performance.now() + 30_000);
      for (const name of ['a', 'b', 'c']) expect(plain(await run('greet', [[stringTensor(name)]]))).toEqual([[`${name}!`]]);
      flag.set();
      expect((await Promise.all(spinning)).map(plain)).toEqual(Array.from({ length: 10 }, () => [[1n]]));
      await works();
      await functions.servable.runner.close();
      expect(plain(await hanging)).toEqual([expect.stringContaining('UNAVAILABLE')]);
    });

    it('delays no instance that was called with it', async () => {
      await load();
      const results = ['x', 1, 'y'].map((at) => run('hangAt', [float(at === 1 ? 1 : 0.5)], performance.now() + 30_000));
      expect(plain(await (results[0] as Promise<readonly InstanceResult[]>))).toEqual([[0.5]]);
      expect(plain(await (results[2] as Promise<readonly InstanceResult[]>))).toEqual([[0.5]]);
    });

    (canRaisePriority() ? it : it.skip)(
      'gives way to everything else meanwhile (skipped where priorities cannot be raised: not Linux, or no CAP_SYS_NICE)',
      async () => {
        const before = threadsByPriority(19);
        await load();
        const flag = newFlag();
        const spinning = run('spin', [flag.instance]);
        while (threadsByPriority(19) === before) await new Promise((resolve) => setTimeout(resolve, 5));
        flag.set();
        expect(plain(await spinning)).toEqual([[1n]]);
        while (threadsByPriority(19) !== before) await new Promise((resolve) => setTimeout(resolve, 5));
        await works();
      },
    );

    it('lets a spare thread ask for work', async () => {
      await load({ stuckAfterMs: 30 });
      const flag = newFlag();
      const spinning = run('spin', [flag.instance]);
      await functions.calls.idle();
      flag.set();
      expect(plain(await spinning)).toEqual([[1n]]);
    });

    it('is cut at its deadline, and its thread is replaced', async () => {
      await load();
      expect(plain(await run('hangAt', [float(1)], performance.now() + 50))).toEqual([
        "DEADLINE_EXCEEDED: function 'S.hangAt' did not finish before the deadline",
      ]);
      await works();
    });

    it('is not even begun when its deadline is over', async () => {
      await load();
      expect(plain(await run('threadId', [float(1)], performance.now() - 1))).toEqual([
        "DEADLINE_EXCEEDED: function 'S.threadId' did not finish before the deadline",
      ]);
      expect(plain(await run('threadId', [float(1)]))).toEqual([[1n]]);
    });

    it('is cut after functionTimeoutMs when there is no deadline; the instances behind it are still served', async () => {
      await load({ functionTimeoutMs: 60 });
      expect(plain(await run('hangAt', [float(0.5), float(1), float(2.5)]))).toEqual([
        [0.5],
        "DEADLINE_EXCEEDED: function 'S.hangAt' did not finish within 60 ms",
        [2.5],
      ]);
    });

    it('behind its result delays the calls that come next, and loses none', async () => {
      await load();
      // The spare one is there when it has answered
      const flag = newFlag();
      const spinning = run('spin', [flag.instance]);
      await works();
      flag.set();
      await spinning;
      expect(plain(await run('blockBehind', [float(0.5), float(1.5), float(2.5)]))).toEqual([[0.5], [1.5], [2.5]]);
    });

    it('is cut when it waits for something that never comes', async () => {
      await load();
      expect(plain(await run('never', [float(1)], performance.now() + 50))).toEqual([
        "DEADLINE_EXCEEDED: function 'S.never' did not finish before the deadline",
      ]);
      await works();
    });

    it('keeps its thread when it comes back soon after its deadline', async () => {
      await load({ cutGraceMs: 60_000 });
      await run('threadId', [float(1)]);
      const flag = newFlag();
      expect(plain(await run('spin', [flag.instance], performance.now() + 30))).toEqual([
        "DEADLINE_EXCEEDED: function 'S.spin' did not finish before the deadline",
      ]);
      flag.set();
      expect(plain(await run('threadId', [float(1)]))).toEqual([[2n]]);
    });

    it('is answered at once when its request is cancelled', async () => {
      await load();
      const controller = new AbortController();
      const flag = newFlag();
      const cancelled = run('spin', [flag.instance], Infinity, controller.signal);
      const before = run('greet', [[stringTensor('x')]], Infinity, AbortSignal.abort());
      controller.abort();
      expect(plain(await cancelled)).toEqual(['CANCELLED: the request was cancelled']);
      expect(plain(await before)).toEqual(['CANCELLED: the request was cancelled']);
      flag.set();
      await works();
    });
  });

  describe('a call that awaits something', () => {
    /** Starts a call, and waits until its thread can take another one. */
    async function park(flag: { instance: Instance }, deadlineAt = Infinity): Promise<{ result: Promise<readonly InstanceResult[]> }> {
      const result = run('waitFor', [flag.instance], deadlineAt);
      await functions.calls.idle();
      return { result };
    }

    it('lets its thread do other calls', async () => {
      await load();
      const flags = [newFlag(), newFlag()] as const;
      const first = await park(flags[0]);
      const second = await park(flags[1]);
      await works();
      flags[1].set();
      expect(plain(await second.result)).toEqual([[1n]]);
      flags[0].set();
      expect(plain(await first.result)).toEqual([[1n]]);
    });

    it('is answered at its deadline, and costs no thread', async () => {
      const overdue = ["DEADLINE_EXCEEDED: function 'S.waitFor' did not finish before the deadline"];
      await load({ cutGraceMs: 500 });
      await run('threadId', [float(1)]);
      const { result } = await park(newFlag(), performance.now() + 60);
      expect(plain(await result)).toEqual(overdue);
      // Twice the grace, after which a thread that does not come back is replaced
      expect(plain(await run('waitFor', [newFlag().instance], performance.now() + 1000))).toEqual(overdue);
      expect(plain(await run('threadId', [float(1)]))).toEqual([[2n]]);
    });

    it('is answered after functionTimeoutMs when there is no deadline', async () => {
      await load({ functionTimeoutMs: 60 });
      expect(plain(await run('waitFor', [newFlag().instance]))).toEqual([
        "DEADLINE_EXCEEDED: function 'S.waitFor' did not finish within 60 ms",
      ]);
    });

    it('is run again when another call ends its thread', async () => {
      await load();
      const flag = newFlag();
      const { result } = await park(flag);
      expect(plain(await run('exitAt', [float(1)]))).toEqual([expect.stringContaining('it exited with code 3')]);
      flag.set();
      expect(plain(await result)).toEqual([[1n]]);
    });

    it('is run again when another call blocks its thread', async () => {
      await load();
      const flag = newFlag();
      const { result } = await park(flag);
      expect(plain(await run('hangAt', [float(1)], performance.now() + 50))).toEqual([expect.stringContaining('DEADLINE_EXCEEDED')]);
      flag.set();
      expect(plain(await result)).toEqual([[1n]]);
    });
  });

  describe('a call that awaits something and then blocks its thread', () => {
    /** Starts a call, and waits until its thread can take another one. */
    async function park(
      name: string,
      flag: { instance: Instance },
      deadlineAt = Infinity,
    ): Promise<{ result: Promise<readonly InstanceResult[]> }> {
      const result = run(name, [flag.instance], deadlineAt);
      await functions.calls.idle();
      return { result };
    }

    it('fails at its deadline; what waits in its thread is begun again at once, and waits no longer than that', async () => {
      await load();
      const [good, bad] = [newFlag(), newFlag()];
      const waits = await park('countedWait', good);
      const hangs = await park('hangAfter', bad, performance.now() + 500);
      bad.set();
      expect(plain(await hangs.result)).toEqual([expect.stringContaining('DEADLINE_EXCEEDED')]);
      await good.calls(2);
      good.set();
      expect(plain(await waits.result)).toEqual([[2n]]);
    });

    it('also when another caller gives up first; a call that was begun again is not begun a third time', async () => {
      await load();
      const [good, bad] = [newFlag(), newFlag()];
      const waits = await park('countedWait', good);
      const impatient = await park('waitFor', newFlag(), performance.now() + 500);
      const hangs = await park('hangAfter', bad);
      bad.set();
      expect(plain(await impatient.result)).toEqual([expect.stringContaining('DEADLINE_EXCEEDED')]);
      await good.calls(2);
      await functions.servable.runner.close();
      expect(plain(await hangs.result)).toEqual([expect.stringContaining('UNAVAILABLE')]);
      expect(plain(await waits.result)).toEqual([expect.stringContaining('UNAVAILABLE')]);
      expect(good.callsNow).toBe(2);
    });

    it('does not meet calls that come later in the thread of those that were begun again', async () => {
      await load();
      const [good, bad, worse] = [newFlag(), newFlag(), newFlag()];
      const waits = await park('countedWait', good);
      const first = await park('hangAfter', bad, performance.now() + 500);
      bad.set();
      await first.result;
      await good.calls(2);
      const second = await park('hangAfter', worse, performance.now() + 500);
      worse.set();
      expect(plain(await second.result)).toEqual([expect.stringContaining('DEADLINE_EXCEEDED')]);
      good.set();
      expect(plain(await waits.result)).toEqual([[2n]]);
    });
  });

  describe('a call that ends its thread', () => {
    it.each([
      ['exits', 'exitAt', {}, `ABORTED: function 'S.exitAt' was cut off because its ${isolation} ended: it exited with code 3`],
      [
        'runs out of memory',
        'grow',
        { threadHeapMb: 64 },
        `ABORTED: function 'S.grow' was cut off because its ${isolation} ended: it ran out of memory`,
      ],
    ])('%s: it fails alone, what was with it is served by another thread', async (_what, name, options, text) => {
      await load(options);
      expect(plain(await run(name, [float(0.5), float(1), float(2.5)]))).toEqual([[0.5], text, [2.5]]);
      await works();
    });

    it.each([
      ['throws outside of the call', 'throwLater', 'an error was thrown outside of any call: later'],
      ['leaves a rejection to nobody', 'rejectLater', 'an error was thrown outside of any call: nobody listens'],
    ])('%s: its instances fail', async (_what, name, reason) => {
      await load();
      expect(plain(await run(name, [float(1)]))).toEqual([
        `ABORTED: function 'S.${name}' was cut off because its ${isolation} ended: ${reason}`,
      ]);
      await works();
    });

    it('behind its result: the thread is replaced at once, though it is young and idle', async () => {
      let tell: () => void = () => undefined;
      const ended = new Promise<void>((resolve) => (tell = resolve));
      await load({ log: (level) => level === 'warn' && tell() });
      expect(plain(await run('rejectBehind', [float(0.5)]))).toEqual([[0.5]]);
      await ended;
      await works();
    });

    it('is told to the operator', async () => {
      const lines: string[] = [];
      await load({ log: (level, text) => lines.push(`${level}: ${text}`) });
      await run('exitAt', [float(1)]);
      expect(lines).toEqual([`warn: a function ${isolation} of servable S ended while it ran 'S.exitAt': it exited with code 3`]);
    });
  });

  describe('close()', () => {
    it('ends the threads and answers what is under way', async () => {
      const { runner } = await load();
      const flag = newFlag();
      const spinning = run('spin', [flag.instance]);
      const waiting = run('greet', [[stringTensor('x')]]);
      await runner.close();
      expect(plain(await spinning)).toEqual(["UNAVAILABLE: servable 'S' is being unloaded"]);
      expect(plain(await waiting)).toEqual(["UNAVAILABLE: servable 'S' is being unloaded"]);
      expect(plain(await run('greet', [[stringTensor('x')]]))).toEqual(["UNAVAILABLE: servable 'S' is being unloaded"]);
    });
  });

  it('a config that can be loaded only once has no spare thread, and serves', async () => {
    folder.config(
      'once',
      `import { createServer } from 'node:net';
    await new Promise((resolve, reject) => createServer().on('error', reject).listen(${JSON.stringify(`${folder.path}/once.sock`)}, () => resolve(1)));
    registerMethod(['y'], function same(x) { return addStage(function keep(x: Tensor) { return x; }, x); });`,
    );
    let tell: (line: string) => void = () => undefined;
    const told = new Promise<string>((resolve) => (tell = resolve));
    const { runner } = await openServable(folder.path, 'once', {
      functionIsolation: isolation,
      log: (level, text) => tell(`${level}: ${text}`),
    });
    expect(await told).toMatch(new RegExp(`^warn: servable once has no spare ${isolation} for calls that take long: .*EADDRINUSE`));
    expect(plain(await new FunctionCalls(runner).run(0, [float(0.5)]))).toEqual([[0.5]]);
    await runner.close();
  });

  it('a thread is started when the last one ends while spare threads are loaded that cannot be had', async () => {
    const [loads, gate] = [`${folder.path}/loads`, `${folder.path}/gate`];
    writeFileSync(loads, '');
    folder.config(
      'gated',
      `import { appendFileSync, existsSync, readFileSync } from 'node:fs';
      appendFileSync(${JSON.stringify(loads)}, '.');
      const load = readFileSync(${JSON.stringify(loads)}).length;
      if (load === 2 || load === 3) {
        while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 5));
        throw new Error('not now');
      }
      registerMethod(['y'], function m(x) { return addStage(function endAt(v: Tensor) { if (v.item() === 1) process.exit(3); return v; }, x); });`,
    );
    const { runner } = await openServable(folder.path, 'gated', { functionIsolation: isolation });
    const calls = new FunctionCalls(runner);
    expect(plain(await calls.run(0, [float(1)]))).toEqual([expect.stringContaining('it exited with code 3')]);
    while (readFileSync(loads).length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    writeFileSync(gate, '');
    expect(plain(await calls.run(0, [float(0.5)]))).toEqual([[0.5]]);
    await runner.close();
  });

  it('a servable without functions keeps no thread', async () => {
    const socket = `${folder.path}/alive`;
    folder.config(
      'none',
      `import { createServer } from 'node:net';
    await new Promise((resolve) => createServer().listen(${JSON.stringify(socket)}, () => resolve(1)));
    registerMethod(['y'], function same(x) { return x; });`,
    );
    const { runner } = await openServable(folder.path, 'none', { functionIsolation: isolation });
    const [error] = (await once(connect(socket), 'error')) as [NodeJS.ErrnoException];
    expect(['ENOENT', 'ECONNREFUSED']).toContain(error.code);
    await runner.close();
  });
}
