import { beforeAll, describe, expect, it } from '@jest/globals';
import { divisionModel, int64Bytes, onnxModel, spectrumModel, type OnnxDtype } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import type { SessionOptions } from './session-options.js';
import type { NativeTensor } from './tensor.js';
import { floatTensor, floatsOf, tensor } from './testing/tensors.js';
import { ScriptProcess } from './testing/script-process.js';

/** What x86 processors cannot divide ends a process that is not prepared for it; arm64 ones give a result. */
const traps = process.arch === 'x64';
const byZero = { name: 'NativeError', kind: 'input', message: 'integer division by zero in the model' };

const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;
type Integer = keyof typeof arrays;
const dtypes = Object.keys(arrays) as Integer[];
const signed = dtypes.filter((dtype) => dtype.startsWith('int'));
const ops = ['Div', 'Mod'] as const;
const rows = (of: readonly Integer[]): [(typeof ops)[number], Integer][] =>
  ops.flatMap((op) => of.map((dtype): [(typeof ops)[number], Integer] => [op, dtype]));

/** `count` elements, all of them `value` but the last. */
function integers(dtype: Integer, count: number, value: bigint, last = value): NativeTensor {
  const wide = new Array<bigint>(count).fill(value);
  wide[count - 1] = last;
  const array = dtype.endsWith('64')
    ? (arrays[dtype] as BigInt64ArrayConstructor).from(wide)
    : (arrays[dtype] as Int32ArrayConstructor).from(wide.map(Number));
  return tensor(dtype, [count], new Uint8Array(array.buffer));
}

function integersOf({ dtype, bytes }: NativeTensor): bigint[] {
  return Array.from(new arrays[dtype as Integer](bytes.slice().buffer), BigInt);
}

const smallest = (dtype: Integer): bigint => -(2n ** BigInt(8 * arrays[dtype].BYTES_PER_ELEMENT - 1));

const signal = (length: number): NativeTensor[] => [floatTensor([1, length, 1], new Array<number>(length).fill(1))];
const emptySignal = signal(0);

describe.each([1, 3])('integer division, %p threads in a run', (intraOpThreads) => {
  it.each(rows(dtypes))('%s of %s by zero fails that run, and no later one', async (op, dtype) => {
    const session = await Session.open(divisionModel(op, dtype), { intraOpThreads });
    for (const count of [1, 20_000]) {
      const a = integers(dtype, count, 7n);
      await expect(session.run([a, integers(dtype, count, 2n, 0n)])).rejects.toMatchObject(byZero);
      const [y] = await session.run([a, integers(dtype, count, 2n)]);
      expect(new Set(integersOf(y!))).toEqual(new Set([op === 'Div' ? 3n : 1n]));
    }
    await session.close();
  });

  it.each(rows(signed))('%s of the smallest %s by -1 wraps around, like arithmetic everywhere else', async (op, dtype) => {
    const session = await Session.open(divisionModel(op, dtype), { intraOpThreads });
    for (const count of [1, 2, 20_000]) {
      const [y] = await session.run([integers(dtype, count, 7n, smallest(dtype)), integers(dtype, count, 2n, -1n)]);
      const wrapped = op === 'Div' ? smallest(dtype) : 0n;
      expect(integersOf(y!).at(-1)).toBe(wrapped);
      if (count > 1) expect(integersOf(y!)[0]).toBe(op === 'Div' ? 3n : 1n);
    }
    await session.close();
  });
});

describe('a division by zero that ONNX Runtime does not look for', () => {
  const outcome = traps ? { reason: expect.objectContaining(byZero) as unknown } : { status: 'fulfilled' };

  it.each<[string, SessionOptions]>([
    ['one thread', {}],
    ['several threads in a run', { intraOpThreads: 3 }],
    ['several runs', { concurrentRuns: 3 }],
    ['several runs in place and on threads', { concurrentRuns: 3, inlineBelowUs: 100_000 }],
    ['several runs that share threads', { intraOpThreads: 2, concurrentRuns: 3 }],
    ['several runs that share the threads that execute them', { interOpThreads: 2, concurrentRuns: 3 }],
    ['the same, in place too', { interOpThreads: 2, concurrentRuns: 3, inlineBelowUs: 100_000 }],
  ])('fails the runs at fault and none beside them: %s', async (_, options) => {
    const session = await Session.open(spectrumModel(), options);
    for (let round = 0; round < 3; round++) {
      const runs = Array.from({ length: 24 }, (_unused, index) => session.run(index % 3 === 0 ? emptySignal : signal(1 + index)));
      for (const [index, result] of (await Promise.allSettled(runs)).entries()) {
        if (index % 3 === 0) expect(result).toMatchObject(outcome);
        else expect(result).toMatchObject({ status: 'fulfilled', value: [expect.objectContaining({ shape: [1, 1 + index, 2] })] });
      }
    }
    const [y] = await session.run(signal(2));
    expect(floatsOf(y!)[0]).toBe(2);
    await session.close();
  });

  it('a session that shares the model is not at fault for the other one', async () => {
    const sessions = [await Session.open(spectrumModel(), { interOpThreads: 2, sharedBy: 3 })];
    sessions.push(await sessions[0]!.share(), await sessions[0]!.share());
    const runs = Array.from({ length: 60 }, (_unused, index) =>
      sessions[index % 3]!.run(index % 3 === 0 ? emptySignal : signal(1 + index)),
    );
    for (const [index, result] of (await Promise.allSettled(runs)).entries()) {
      if (index % 3 === 0) expect(result).toMatchObject(outcome);
      else expect(result).toMatchObject({ status: 'fulfilled', value: [expect.objectContaining({ shape: [1, 1 + index, 2] })] });
    }
    await Promise.all(sessions.map((session) => session.close()));
  });

  it('a session closes while such runs wait for being alone', async () => {
    const session = await Session.open(spectrumModel(), { interOpThreads: 2, concurrentRuns: 3 });
    const runs = Promise.allSettled(Array.from({ length: 20 }, () => session.run(emptySignal)));
    await session.close();
    for (const result of await runs) expect(result).toMatchObject(outcome);
  });
});

describe('division while a model is loaded', () => {
  const constant = (dtype: OnnxDtype, shape: readonly number[], bytes: Uint8Array) => ({ dtype, shape, bytes });

  it('the smallest integer by -1 wraps around', async () => {
    const session = await Session.open(
      onnxModel({
        inputs: [],
        outputs: [{ name: 'y', dtype: 'int64', shape: [1] }],
        initializers: [
          { name: 'a', ...constant('int64', [1], int64Bytes([-(2n ** 63n)])) },
          { name: 'b', ...constant('int64', [1], int64Bytes([-1])) },
        ],
        nodes: [{ op: 'Div', inputs: ['a', 'b'], outputs: ['y'] }],
      }),
    );
    expect(integersOf((await session.run([]))[0]!)).toEqual([-(2n ** 63n)]);
    await session.close();
  });

  it('by zero refuses the model', async () => {
    const opening = Session.open(
      onnxModel({
        inputs: [],
        outputs: [{ name: 'y', dtype: 'float32', shape: [1, 0, 2] }],
        initializers: [{ name: 'x', ...constant('float32', [1, 0, 1], new Uint8Array(0)) }],
        nodes: [{ op: 'DFT', inputs: ['x'], outputs: ['y'] }],
      }),
    ).then(
      (session) => session.close(),
      (error: unknown) => error,
    );
    expect(await opening).toEqual(
      traps
        ? expect.objectContaining({ kind: 'load', message: 'the model divides an integer by zero while it is being loaded' })
        : undefined,
    );
  });
});

describe('a process', () => {
  let scripts: ScriptProcess;
  beforeAll(() => {
    scripts = new ScriptProcess(
      { divide: divisionModel('Div', 'int64') },
      `
        const divide2 = (session, a, b) => session.run([a, b].map((value) => ({ dtype: 'int64', shape: [1], bytes: new Uint8Array(BigInt64Array.of(value).buffer) })));
        const quotient = async (session, a, b) => new BigInt64Array((await divide2(session, a, b))[0].bytes.buffer)[0];
        const wrap = async () => { const session = await Session.open(divide); const y = await quotient(session, -(2n ** 63n), -1n); await session.close(); return y; };
      `,
    );
  }, 60_000);

  it('worker threads one after the other and at once, and the main thread last', async () => {
    const { ended, stdout } = await scripts.run(`
      if (isMainThread) {
        const inWorker = () => new Promise((resolve, reject) => {
          let result;
          new Worker(new URL(import.meta.url)).on('message', (y) => (result = y)).on('error', reject).on('exit', () => resolve(result));
        });
        for (let i = 0; i < 3; i++) console.log(await inWorker());
        console.log((await Promise.all([inWorker(), inWorker(), inWorker()])).join());
        console.log(await wrap());
      } else {
        parentPort.postMessage(await wrap());
      }
    `);
    const wrapped = '-9223372036854775808';
    expect({ ended, stdout }).toEqual({
      ended: 0,
      stdout: `${wrapped}n\n${wrapped}n\n${wrapped}n\n${[wrapped, wrapped, wrapped].join()}\n${wrapped}n`,
    });
  });

  it('still ends by a SIGFPE that is no division of a model', async () => {
    const { ended, stdout } = await scripts.run(
      `console.log(await wrap()); process.kill(process.pid, 'SIGFPE'); setTimeout(() => {}, 10_000);`,
    );
    expect({ ended, stdout }).toEqual({ ended: 'SIGFPE', stdout: '-9223372036854775808n' });
  });

  it('hears such a SIGFPE where it had asked for it before', async () => {
    const { ended, stdout } = await scripts.run(`
      const awake = setInterval(() => {}, 10_000);
      process.once('SIGFPE', (signal) => { console.log(signal); clearInterval(awake); });
      console.log(await wrap());
      process.kill(process.pid, 'SIGFPE');
    `);
    expect({ ended, stdout }).toEqual({ ended: 0, stdout: '-9223372036854775808n\nSIGFPE' });
  });
});
