import type { ModelOptions } from './declaration.js';
import { checkBoolean, checkInteger, checkIntegerOrList, checkString, checkWord, isPlainObject, refuseUnknown } from './argument.js';
import { RegisterError, typeName } from './register-error.js';
import { collected, currentRegistry } from './registry.js';

/** Known by this mark, not by class, so that copies of this package understand each other. */
const optionsMark = Symbol.for('mserve.register.options');
const deviceMark = Symbol.for('mserve.register.device');

type Check = (name: string, value: unknown) => unknown;

/**
 * Checks every given key and copies what was given; an unknown key throws `<refusal> <key>`. undefined values count as not given.
 * While a server loads the config, what is wrong is collected like that of any declaration, and nothing counts as given.
 */
function checkedValues(given: object, checks: Readonly<Record<string, Check>>, refusal: string): Readonly<Record<string, unknown>> {
  return collected(
    currentRegistry(),
    () => checkAll(given, checks, refusal),
    () => ({}),
  );
}

function checkAll(given: object, checks: Readonly<Record<string, Check>>, refusal: string): Readonly<Record<string, unknown>> {
  if (!isPlainObject(given)) throw new RegisterError(`the options must be an object, not ${typeName(given)}`);
  refuseUnknown(refusal, given, Object.keys(checks));
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value !== undefined) values[key] = checks[key]?.(key, value);
  }
  return values;
}

function word(...words: string[]): Check {
  return (name, value) => checkWord(name, value, words);
}

const ascendChecks: Readonly<Record<string, Check>> = {
  insertOpCfgPath: checkString,
  inputFormat: word('ND', 'NCHW', 'NHWC', 'CHWN', 'NC1HWC0', 'NHWC1C0'),
  inputShape: checkString,
  outputType: word('FP32', 'FP16', 'UINT8'),
  precisionMode: word('force_fp16', 'allow_fp32_to_fp16', 'must_keep_origin_dtype', 'allow_mix_precision'),
  opSelectImplMode: word('high_performance', 'high_precision'),
};
const precisionChecks: Readonly<Record<string, Check>> = { precisionMode: word('origin', 'fp16') };

/** Options of models on Ascend devices (the names and values of the original in camelCase). What is not given, the device decides. No effect elsewhere. */
export interface AscendValues {
  /** Path of an AIPP configuration file. Not empty. */
  insertOpCfgPath?: string;
  /** Layout of the model's inputs. */
  inputFormat?: 'ND' | 'NCHW' | 'NHWC' | 'CHWN' | 'NC1HWC0' | 'NHWC1C0';
  /** Shapes of the model's inputs, like `input1:1,2,3,4;input2:4,3,2,1`. Not empty. */
  inputShape?: string;
  /** Element type of the model's outputs. */
  outputType?: 'FP32' | 'FP16' | 'UINT8';
  /** In which precision operators run. */
  precisionMode?: 'force_fp16' | 'allow_fp32_to_fp16' | 'must_keep_origin_dtype' | 'allow_mix_precision';
  /** Which implementation of an operator is preferred. */
  opSelectImplMode?: 'high_performance' | 'high_precision';
}

/** Precision on a CPU or GPU: `origin` runs the model in its own precision, `fp16` lets the device use half precision. Not given: as `origin`. */
export interface PrecisionValues {
  /** Default: the device's own choice, which is `origin`. */
  precisionMode?: 'origin' | 'fp16';
}

/** The `options` of declareModel for an OM or MindIR model on an Ascend device. Throws RegisterError for an unknown key or value. */
export class AclOptions {
  readonly [optionsMark]: ModelOptions;

  constructor(values: AscendValues = {}) {
    this[optionsMark] = {
      kind: 'acl',
      values: checkedValues(values, ascendChecks, 'AclOptions has no option'),
    };
  }
}

/** The `options` of declareModel for a model on a GPU. Throws RegisterError for an unknown key or value. */
export class GpuOptions {
  readonly [optionsMark]: ModelOptions;

  constructor(values: PrecisionValues = {}) {
    this[optionsMark] = { kind: 'gpu', values: checkedValues(values, precisionChecks, 'GpuOptions has no option') };
  }
}

interface DeviceValues {
  readonly device: 'cpu' | 'gpu' | 'ascend';
  readonly values: Readonly<Record<string, unknown>>;
}

/** How a model runs on the CPU, for {@link Context.appendDeviceInfo}. Throws RegisterError for an unknown key or value. */
export class CPUDeviceInfo {
  readonly [deviceMark]: DeviceValues;

  constructor(values: PrecisionValues = {}) {
    this[deviceMark] = { device: 'cpu', values: checkedValues(values, precisionChecks, 'CPUDeviceInfo has no option') };
  }
}

/** How a model runs on a GPU, for {@link Context.appendDeviceInfo}. Throws RegisterError for an unknown key or value. */
export class GPUDeviceInfo {
  readonly [deviceMark]: DeviceValues;

  constructor(values: PrecisionValues = {}) {
    this[deviceMark] = { device: 'gpu', values: checkedValues(values, precisionChecks, 'GPUDeviceInfo has no option') };
  }
}

/** How a model runs on an Ascend device, for {@link Context.appendDeviceInfo}. Throws RegisterError for an unknown key or value. */
export class AscendDeviceInfo {
  readonly [deviceMark]: DeviceValues;

  constructor(values: AscendValues = {}) {
    this[deviceMark] = {
      device: 'ascend',
      values: checkedValues(values, ascendChecks, 'AscendDeviceInfo has no option'),
    };
  }
}

/** What does not depend on the kind of device. */
export interface ContextValues {
  /** Threads inside one run, >= 1. Default: what the server was started with. */
  threadNum?: number;
  /** Numbers of the CPU cores that those threads may use, all different. Default: any. */
  threadAffinityCoreList?: number | number[];
  /** Runs independent operators at the same time. Default false. */
  enableParallel?: boolean;
}

/** How a model runs, per kind of device; the one of the device in use counts. A Context wins over `options`. */
export class Context {
  readonly [optionsMark]: ModelOptions & { readonly values: Record<string, unknown> & { deviceInfos: DeviceValues[] } };

  /** Throws RegisterError for an unknown key or value. */
  constructor(values: ContextValues = {}) {
    const checks: Record<string, Check> = {
      threadNum: (name, value) => checkInteger(name, value, 1),
      threadAffinityCoreList: checkIntegerOrList,
      enableParallel: checkBoolean,
    };
    const checked = checkedValues(values, checks, 'Context has no option');
    this[optionsMark] = { kind: 'context', values: { ...checked, deviceInfos: [] } };
  }

  /** Throws RegisterError for anything but a device info, and for a second one of the same device. */
  appendDeviceInfo(deviceInfo: CPUDeviceInfo | GPUDeviceInfo | AscendDeviceInfo): this {
    collected(
      currentRegistry(),
      () => this.#append(deviceInfo),
      () => undefined,
    );
    return this;
  }

  #append(deviceInfo: CPUDeviceInfo | GPUDeviceInfo | AscendDeviceInfo): void {
    const device = (deviceInfo as { [deviceMark]?: DeviceValues } | undefined)?.[deviceMark];
    if (device === undefined)
      throw new RegisterError(
        `appendDeviceInfo takes new CPUDeviceInfo(...), new GPUDeviceInfo(...) or new AscendDeviceInfo(...), not ${typeName(deviceInfo)}`,
      );
    const { deviceInfos } = this[optionsMark].values;
    if (deviceInfos.some((other) => other.device === device.device)) {
      throw new RegisterError(`appendDeviceInfo has been called with a device of kind ${device.device} before`);
    }
    deviceInfos.push(device);
  }
}

/** The plain form of an options object of one of the given kinds; undefined when it is none. */
export function optionsOf(value: unknown, kinds: readonly ModelOptions['kind'][]): ModelOptions | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const options = (value as { [optionsMark]?: ModelOptions })[optionsMark];
  return options !== undefined && kinds.includes(options.kind) ? options : undefined;
}
