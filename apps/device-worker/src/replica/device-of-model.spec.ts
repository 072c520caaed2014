import { describe, expect, it } from '@jest/globals';
import {
  AclOptions,
  AscendDeviceInfo,
  Context,
  CPUDeviceInfo,
  declareModel,
  GPUDeviceInfo,
  GpuOptions,
  registerMethod,
} from '@mserve/register';
import { deviceOfReplica } from '@mserve/native';
import type { ModelDeclaration } from '@mserve/register';
import { newAuthor } from '../../../../libs/register/src/testing/author.js';
import { deviceOfModel } from './device-of-model.js';

describe('the device of a replica', () => {
  it.each([
    ['cpu', 3, { backend: 'onnxruntime', provider: 'cpu', id: 0, options: {} }],
    ['ascend', 3, { backend: 'acl', provider: 'ascend', id: 3, options: {} }],
    ['cuda', 3, { backend: 'onnxruntime', provider: 'cuda', id: 3, options: {} }],
  ])('%s %d', (provider, id, device) => {
    expect(deviceOfReplica(provider, id)).toEqual(device);
  });

  it('has the options of the settings', () => {
    const settings = { cpuFallback: 'allow', deviceOptions: 'gpu_mem_limit=8,prefer_nhwc=a=b' } as const;
    expect(deviceOfReplica('cuda', 0, settings).options).toEqual({ cpuFallback: 'allow', gpu_mem_limit: '8', prefer_nhwc: 'a=b' });
    // The CPU has no other device to fall back to
    expect(deviceOfReplica('cpu', 0, { cpuFallback: 'allow' }).options).toEqual({});
  });

  it('keeps what TensorRT compiled, unless it is told where', () => {
    const { trt_engine_cache_enable: isKept, trt_engine_cache_path: folder } = deviceOfReplica('tensorrt', 0).options as Record<
      string,
      string
    >;
    expect([isKept, folder]).toEqual(['1', expect.stringMatching(/\/\.cache\/mserve\/tensorrt$/)]);
    expect(deviceOfReplica('tensorrt', 0, { deviceOptions: 'trt_engine_cache_path=/x' }).options).toMatchObject({
      trt_engine_cache_path: '/x',
    });
  });
});

describe('the device of a model', () => {
  const author = newAuthor();
  const context = (): Context =>
    new Context({ threadNum: 2 })
      .appendDeviceInfo(new CPUDeviceInfo({ precisionMode: 'origin' }))
      .appendDeviceInfo(new GPUDeviceInfo({ precisionMode: 'fp16' }))
      .appendDeviceInfo(new AscendDeviceInfo({ outputType: 'FP16', inputShape: 'x:1,2' }));

  /** What declareModel makes of an options object. */
  function declared(given: { options?: AclOptions | GpuOptions; context?: Context }): ModelDeclaration['options'] {
    declareModel({ modelFile: 'm.mindir', modelFormat: 'MindIR', ...given });
    registerMethod(['y'], function same(x) {
      return x;
    });
    return author.declaration().models[0]?.options;
  }

  it.each<[string, () => { options?: AclOptions | GpuOptions; context?: Context }, string, object]>([
    ['no options', () => ({}), 'cuda', {}],
    ['GpuOptions', () => ({ options: new GpuOptions({ precisionMode: 'fp16' }) }), 'cuda', { precisionMode: 'fp16' }],
    ['GpuOptions', () => ({ options: new GpuOptions({ precisionMode: 'fp16' }) }), 'cann', {}],
    ['AclOptions', () => ({ options: new AclOptions({ inputFormat: 'NCHW' }) }), 'cann', { inputFormat: 'NCHW' }],
    ['AclOptions', () => ({ options: new AclOptions({ inputFormat: 'NCHW' }) }), 'tensorrt', {}],
    ['a Context', () => ({ context: context() }), 'cuda', { precisionMode: 'fp16' }],
    ['a Context', () => ({ context: context() }), 'cann', { outputType: 'FP16', inputShape: 'x:1,2' }],
    ['a Context', () => ({ context: context() }), 'cpu', {}],
    ['a Context without device infos', () => ({ context: new Context() }), 'cuda', {}],
  ])('has what is said: %s, %p, for %s', (_what, given, provider, options) => {
    const device = deviceOfReplica(provider, 1);
    expect(deviceOfModel(device, declared(given()))).toEqual({ ...device, options: { ...device.options, ...options } });
  });
});
