import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { addModel } from '../../../test/support/onnx-model.js';
import type { Device } from './session-options.js';
import { Session } from './session.js';
import { floatTensor, floatsOf } from './testing/tensors.js';

async function sum(session: Session): Promise<number[]> {
  const [y] = await session.run([floatTensor([1, 2], [1, 2]), floatTensor([1, 2], [10, 20])]);
  return floatsOf(y!);
}

describe('the device of a session', () => {
  it.each<Device>([{}, { backend: 'onnxruntime' }, { provider: 'cpu', id: 0, options: {} }, { id: 3 }])('%j is a CPU', async (device) => {
    const session = await Session.open(addModel(), { device });
    expect(await sum(session)).toEqual([11, 22]);
    await session.close();
  });

  it.each<[Device, string | RegExp]>([
    [{ backend: 'abacus' }, /^there is no backend "abacus"; there are: onnxruntime/],
    [{ backend: '' }, /^there is no backend ""; there are: onnxruntime/],
    [{ provider: 'tpu' }, /^backend "onnxruntime" has no provider "tpu"; it has: cpu/],
    [{ options: { speed: 'high' } }, 'provider "cpu" has no option "speed"'],
    [{ id: -1 }, 'the id of a device must be a whole number from 0 to 65535, got -1'],
    [{ id: 1.5 }, 'the id of a device must be a whole number from 0 to 65535, got 1.5'],
  ])('%j is refused, and what there is is named', async (device, message) => {
    const expected: unknown = typeof message === 'string' ? message : expect.stringMatching(message);
    await expect(Session.open(addModel(), { device })).rejects.toMatchObject({ name: 'NativeError', kind: 'device', message: expected });
  });
});

describe('accelerators', () => {
  // None of these is on the machines that the tests run on: ONNX Runtime's npm package has no library of theirs
  it.each([
    ['cuda', "a GPU build of ONNX Runtime, NVIDIA's driver, CUDA and cuDNN"],
    ['tensorrt', "a GPU build of ONNX Runtime, NVIDIA's driver, CUDA, cuDNN and TensorRT"],
    ['cann', "a CANN build of ONNX Runtime and Huawei's CANN toolkit"],
  ])('%s says what it needs, and nothing runs on the CPU in its place', async (provider, needs) => {
    await expect(Session.open(addModel(), { device: { provider } })).rejects.toMatchObject({
      name: 'NativeError',
      kind: 'device',
      message: expect.stringContaining(`provider "${provider}" cannot be used here; it needs ${needs}: `),
    });
  });

  it.each<[string, Record<string, string>, string]>([
    ['cuda', { precisionMode: 'fp16' }, 'provider "cuda" has no precisionMode fp16; provider "tensorrt" has'],
    ['cuda', { precisionMode: 'fp8' }, 'precisionMode must be origin or fp16, got "fp8"'],
    ['tensorrt', { cpuFallback: 'maybe' }, 'cpuFallback must be allow or refuse, got "maybe"'],
    ['cann', { inputShape: 'x:1' }, 'provider "cann" has no option "inputShape": it only applies when a model is compiled to an OM file'],
  ])('%s with %j is refused', async (provider, options, message) => {
    await expect(Session.open(addModel(), { device: { provider, options } })).rejects.toMatchObject({ kind: 'device', message });
  });
});

/** Threads of this process that may use exactly these cores. */
function threadsOn(cores: string): number {
  const states = readdirSync('/proc/self/task').flatMap((thread) => {
    try {
      return [readFileSync(`/proc/self/task/${thread}/status`, 'utf8')];
    } catch {
      // It has ended meanwhile
      return [];
    }
  });
  return states.filter((state) => /^Cpus_allowed_list:\s+(.*)$/m.exec(state)?.[1] === cores).length;
}

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('coreIds', () => {
  onLinux('all threads of the session use those cores only, and nothing else changes', async () => {
    const first = Number(/^Cpus_allowed_list:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
    const before = threadsOn(String(first));
    const session = await Session.open(addModel(), { coreIds: [first], intraOpThreads: 2, concurrentRuns: 2 });
    expect(await sum(session)).toEqual([11, 22]);
    expect(threadsOn(String(first)) - before).toBe(3);
    await session.close();
    expect(threadsOn(String(first))).toBe(before);
  });

  onLinux.each([[[1023]], [[0, 1000]]])('cores %j: one that there is not is refused', async (coreIds) => {
    await expect(Session.open(addModel(), { coreIds })).rejects.toMatchObject({
      name: 'NativeError',
      kind: 'device',
      message: expect.stringMatching(/^CPU core \d+ is not among those that this process may use$/),
    });
  });

  it('what is no number of a core is refused', async () => {
    await expect(Session.open(addModel(), { coreIds: [-1] })).rejects.toMatchObject({ kind: 'load' });
  });
});
