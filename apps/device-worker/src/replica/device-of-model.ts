import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '@mserve/native';
import type { ModelDeclaration } from '@mserve/register';

type ModelOptions = NonNullable<ModelDeclaration['options']>;

/** What authors call the kind of device that a provider drives. On all others, the CPU among them, the options of device infos have no effect. */
const kindOfProvider: ReadonlyMap<string, 'gpu' | 'ascend'> = new Map([
  ['cuda', 'gpu'],
  ['tensorrt', 'gpu'],
  ['rocm', 'gpu'],
  ['migraphx', 'gpu'],
  ['cann', 'ascend'],
  ['ascend', 'ascend'],
]);

/** What a worker's settings say of its devices. */
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
 * The device of a replica. The provider 'ascend' runs OM files by AscendCL; all others are ONNX Runtime's. `id` counts among the devices of the provider; a machine's CPU is one device, whatever its number, so that replicas
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

/** The device of a model: that of its replica, with what the author's options say for this kind of device (`options` or `context` of declareModel). */
export function deviceOfModel(device: Device, options: ModelOptions | undefined): Device {
  const kind = kindOfProvider.get(device.provider ?? '');
  const values = kind && options && valuesFor(kind, options);
  if (values === undefined) return device;
  const given = Object.entries(values).map(([name, value]) => [name, String(value)] as const);
  return { ...device, options: { ...device.options, ...Object.fromEntries(given) } };
}

function valuesFor(kind: 'gpu' | 'ascend', options: ModelOptions): object | undefined {
  if (options.kind !== 'context') return (options.kind === 'gpu') === (kind === 'gpu') ? options.values : undefined;
  const { deviceInfos } = options.values;
  return Array.isArray(deviceInfos) ? deviceInfos.find(isDeviceInfo(kind))?.values : undefined;
}

function isDeviceInfo(kind: 'gpu' | 'ascend') {
  return (info: unknown): info is { readonly values: object } =>
    typeof info === 'object' &&
    info !== null &&
    'device' in info &&
    info.device === kind &&
    'values' in info &&
    typeof info.values === 'object' &&
    info.values !== null;
}
