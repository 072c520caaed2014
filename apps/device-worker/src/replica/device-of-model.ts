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
