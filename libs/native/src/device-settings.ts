import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Device } from './session-options.js';

/** What the settings of a worker or an agent say of its devices. */
export interface DeviceSettings {
  readonly cpuFallback?: 'refuse' | 'allow' | undefined;
  /** `KEY=VALUE`, several with commas between them. */
  readonly deviceOptions?: string | undefined;
}

/** TensorRT compiles a model for minutes, and again for every machine: what came out is kept. */
function engineCache(): Readonly<Record<string, string>> {
  const folder = join(homedir(), '.cache', 'mserve', 'tensorrt');
  return {
    trt_engine_cache_enable: '1',
    trt_engine_cache_path: folder,
    trt_timing_cache_enable: '1',
    trt_timing_cache_path: folder,
  };
}

/**
 * The device of a replica, or of a rank. The provider 'ascend' runs OM files by AscendCL; all others are ONNX Runtime's. `id` counts among the devices of the provider; a machine's CPU is one device, whatever its number, so that replicas
 * on it can share a model. Options that the provider does not know are refused when a model is loaded.
 */
export function deviceOfReplica(provider: string, id: number, { cpuFallback = 'refuse', deviceOptions = '' }: DeviceSettings = {}): Device {
  const given =
    deviceOptions === '' ? [] : deviceOptions.split(',').map((option) => [option.split('=', 1)[0], option.slice(option.indexOf('=') + 1)]);
  return {
    backend: provider === 'ascend' ? 'acl' : 'onnxruntime',
    provider,
    id: provider === 'cpu' ? 0 : id,
    options: {
      ...(provider === 'tensorrt' && engineCache()),
      ...(cpuFallback === 'allow' && provider !== 'cpu' && provider !== 'ascend' && { cpuFallback }),
      ...Object.fromEntries(given),
    },
  };
}
