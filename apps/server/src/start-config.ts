import { resolve } from 'node:path';
import { typeName } from '@mserve/register';
import { ServingError } from '@mserve/wire';
import { findConfig, listVersions, ServableConfigError } from '@mserve/device-worker';
import type { TlsFiles } from '@mserve/gateway';

/** Kinds of devices; letters may be of either case. null: what the server has. */
export type DeviceType = 'Ascend' | 'GPU' | 'CPU' | null;

/** What {@link ServableStartConfig} is made of. */
export interface ServableStartParameters {
  /** Directory that holds the servable's folder; a relative one is below the working directory. */
  readonly servableDirectory: string;
  /** Name of the folder with the servable_config. */
  readonly servableName: string;
  /** A replica is made on each of these devices. Default: one replica, on device 0. */
  readonly deviceIds?: number | readonly number[] | undefined;
  /** 0 = the highest there is. Default 0. */
  readonly versionNumber?: number | undefined;
  /** Must be what the server has. Default null. */
  readonly deviceType?: DeviceType | undefined;
  /** Threads for functions over all replicas, 0 to 64; each replica has at least one. Default 0. */
  readonly numParallelWorkers?: number | undefined;
  /** 16, 24 or 32 bytes; for encrypted MindIR files. */
  readonly decKey?: Uint8Array | undefined;
  /** Default 'AES-GCM'. */
  readonly decMode?: 'AES-GCM' | 'AES-CBC' | undefined;
}

const deviceTypes = ['Ascend', 'GPU', 'CPU'] as const;
const maxWorkers = 64;
const keyLengths = [16, 24, 32];

function refuse(text: string): never {
  throw new ServingError('INVALID_ARGUMENT', text);
}

/** A string that is not empty. Throws ServingError INVALID_ARGUMENT. */
export function checkString(name: string, value: unknown): string {
  if (typeof value !== 'string') refuse(`Parameter '${name}' should be string, but actually ${typeName(value)}`);
  if (value === '') refuse(`Parameter '${name}' should not be empty string`);
  return value;
}

/** A whole number in a range. Throws ServingError INVALID_ARGUMENT. */
export function checkInteger(name: string, value: unknown, min: number, max?: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    refuse(`Parameter '${name}' should be integer, but actually ${typeof value === 'number' ? value : typeName(value)}`);
  if (max !== undefined && (value < min || value > max)) refuse(`Parameter '${name}' should be in range [${min},${max}]`);
  if (value < min) refuse(`Parameter '${name}' should be >= ${min}`);
  return value;
}

function checkDeviceIds(value: unknown): readonly number[] {
  if (value === undefined) return [];
  const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
  const checked: number[] = [];
  for (const id of ids) {
    if (typeof id !== 'number' || !Number.isSafeInteger(id))
      refuse(`Parameter 'deviceIds' should be integer or array of integer, but actually ${typeof id === 'number' ? id : typeName(id)}`);
    if (id < 0) refuse(`The item value '${id}' in parameter 'deviceIds' should be >= 0`);
    if (checked.includes(id)) refuse(`The item value '${id}' in parameter 'deviceIds' should not be repeated`);
    checked.push(id);
  }
  return checked;
}

function checkDeviceType(value: unknown): DeviceType {
  if (value === undefined || value === null) return null;
  const text = checkString('deviceType', value);
  const found = deviceTypes.find((type) => type.toLowerCase() === text.toLowerCase());
  return found ?? refuse(`Unsupported device type '${text}', only support 'Ascend', 'GPU', 'CPU' and null, case ignored`);
}

/** 16, 24 or 32 bytes, or none. Throws ServingError INVALID_ARGUMENT. */
export function checkKey(value: unknown): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (!(value instanceof Uint8Array)) refuse(`Parameter 'decKey' should be Uint8Array, but actually ${typeName(value)}`);
  if (value.length === 0) refuse(`Parameter 'decKey' should not be empty Uint8Array`);
  if (!keyLengths.includes(value.length)) refuse(`Parameter 'decKey' length ${value.length} expected to be 16, 24 or 32`);
  return value;
}

/** Default 'AES-GCM'. Throws ServingError INVALID_ARGUMENT. */
export function checkDecMode(value: unknown): 'AES-GCM' | 'AES-CBC' {
  const mode = value ?? 'AES-GCM';
  if (mode !== 'AES-GCM' && mode !== 'AES-CBC') refuse(`Parameter 'decMode' expected to be 'AES-GCM' or 'AES-CBC'`);
  return mode;
}

/** A string or an array of strings, none of them empty; always gives an array. Throws ServingError INVALID_ARGUMENT. */
export function checkStrings(name: string, value: unknown): readonly string[] {
  if (typeof value === 'string') return [checkString(name, value)];
  if (!Array.isArray(value)) refuse(`Parameter '${name}' should be string or array of string, but actually ${typeName(value)}`);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') refuse(`The item of parameter '${name}' should be string, but actually ${typeName(item)}`);
    if (item === '') refuse(`The item of parameter '${name}' should not be empty string`);
    return item;
  });
}

/** One servable version to start. The constructor throws ServingError INVALID_ARGUMENT that names the parameter which is not allowed. */
export class ServableStartConfig {
  /** Absolute. */
  readonly servableDirectory: string;
  readonly servableName: string;
  /** None: one replica, on device 0. */
  readonly deviceIds: readonly number[];
  readonly versionNumber: number;
  readonly deviceType: DeviceType;
  readonly numParallelWorkers: number;
  readonly decKey: Uint8Array | undefined;
  readonly decMode: 'AES-GCM' | 'AES-CBC';

  constructor(parameters: ServableStartParameters) {
    this.servableDirectory = resolve(checkString('servableDirectory', parameters.servableDirectory));
    this.servableName = checkString('servableName', parameters.servableName);
    this.deviceIds = checkDeviceIds(parameters.deviceIds);
    this.versionNumber = checkInteger('versionNumber', parameters.versionNumber ?? 0, 0);
    this.deviceType = checkDeviceType(parameters.deviceType);
    this.numParallelWorkers = checkInteger('numParallelWorkers', parameters.numParallelWorkers ?? 0, 0, maxWorkers);
    this.decKey = checkKey(parameters.decKey);
    this.decMode = checkDecMode(parameters.decMode);
  }
}

/** A servable version to start, of one or more configs. */
export interface StartPlan {
  readonly name: string;
  readonly directory: string;
  /** Never 0. */
  readonly version: number;
  readonly deviceIds: readonly number[];
  readonly numParallelWorkers: number;
  readonly decKey: Uint8Array | undefined;
  readonly decMode: 'AES-GCM' | 'AES-CBC';
}

/** What plans for further servables have to fit to. */
export interface StartSurroundings {
  /** The kind of the server's devices. */
  readonly supported: Exclude<DeviceType, null>;
  /** The devices are Ascend 910 chips: one of them is for one servable version. */
  readonly isAscend910: boolean;
  /** Directories of the servables that were started, by name. */
  readonly directories?: ReadonlyMap<string, string>;
  /** Those of servables that run and whose configs named devices. */
  readonly usedDevices?: readonly number[];
}

/**
 * What configs ask for, together: those of the same version become one, with the devices of all, the most workers, and one key. Different versions of
 * a servable stay apart. Throws ServingError INVALID_ARGUMENT when configs disagree with each other or with what is there.
 */
export function startPlans(
  configs: unknown,
  { supported, isAscend910, directories: running = new Map(), usedDevices = [] }: StartSurroundings,
): StartPlan[] {
  const directories = new Map(running);
  const plans = new Map<string, StartPlan>();
  for (const config of listOf(configs)) {
    const { servableName: name, servableDirectory: directory, decKey, decMode, deviceType } = config;
    if (deviceType !== null && deviceType !== supported)
      refuse(
        `The device type '${deviceType}' of servable name ${name} is inconsistent with current running environment, supported device type: null or '${supported}'`,
      );
    const known = directories.get(name) ?? directory;
    if (known !== directory)
      refuse(`The servable directory of servable name ${name} should be the same in all configs: '${known}' and '${directory}' differ`);
    directories.set(name, directory);
    const version = versionOf(config);
    const key = `${name}:${version}`;
    const other = plans.get(key);
    if (other !== undefined && (other.decMode !== decMode || !sameKey(other.decKey, decKey)))
      refuse(`The decKey and decMode of servable name ${name}, version ${version} should be the same in all configs`);
    plans.set(key, {
      name,
      directory,
      version,
      deviceIds: [...new Set([...(other?.deviceIds ?? []), ...config.deviceIds])],
      numParallelWorkers: Math.max(other?.numParallelWorkers ?? 0, config.numParallelWorkers),
      decKey,
      decMode,
    });
  }
  if (isAscend910) refuseSharedDevices(plans.values(), usedDevices);
  return [...plans.values()];
}

function refuseSharedDevices(plans: Iterable<StartPlan>, usedDevices: readonly number[]): void {
  const used = new Set(usedDevices);
  for (const { name, deviceIds } of plans) {
    for (const id of deviceIds) {
      if (used.has(id)) refuse(`Ascend 910 device id ${id} is used repeatedly in servable ${name}`);
      used.add(id);
    }
  }
}

function listOf(configs: unknown): readonly ServableStartConfig[] {
  const list: readonly unknown[] = Array.isArray(configs) ? configs : [configs];
  if (list.length === 0) refuse(`Parameter 'configs' should not be empty`);
  return list.map((config) =>
    config instanceof ServableStartConfig
      ? config
      : refuse(`Parameter 'configs' should be ServableStartConfig or array of ServableStartConfig, but actually ${typeName(config)}`),
  );
}

/** A servable without version folders runs as version 1; one whose models need a folder is refused when it is loaded. */
function versionOf({ servableDirectory, servableName, versionNumber }: ServableStartConfig): number {
  try {
    findConfig(servableDirectory, servableName);
  } catch (error) {
    if (error instanceof ServableConfigError) throw new ServingError('INVALID_ARGUMENT', error.message, { cause: error });
    throw error;
  }
  if (versionNumber !== 0) return versionNumber;
  return listVersions(servableDirectory, servableName).at(-1) ?? 1;
}

function sameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

/** What {@link SSLConfig} is made of: paths of PEM files, which are read again when they change. */
export interface SSLParameters {
  readonly certificate: string;
  readonly privateKey: string;
  /** Authority of client certificates; needed with verifyClient. */
  readonly customCa?: string | undefined;
  /** Require and verify a client certificate. Default false. */
  readonly verifyClient?: boolean | undefined;
}

/** TLS of a port. The constructor throws ServingError INVALID_ARGUMENT that names the parameter which is not allowed. */
export class SSLConfig {
  readonly certificate: string;
  readonly privateKey: string;
  readonly customCa: string | undefined;
  readonly verifyClient: boolean;

  constructor({ certificate, privateKey, customCa, verifyClient = false }: SSLParameters) {
    this.certificate = checkString('certificate', certificate);
    this.privateKey = checkString('privateKey', privateKey);
    if (typeof verifyClient !== 'boolean') refuse(`Parameter 'verifyClient' should be boolean, but actually ${typeName(verifyClient)}`);
    this.verifyClient = verifyClient;
    this.customCa = customCa === undefined && !verifyClient ? undefined : checkString('customCa', customCa);
  }
}

/** The files of an SSLConfig, not read yet. Throws ServingError INVALID_ARGUMENT for what is no SSLConfig. */
export function tlsOf(sslConfig: unknown): TlsFiles | undefined {
  if (sslConfig === undefined) return undefined;
  if (!(sslConfig instanceof SSLConfig)) refuse('The type of sslConfig should be type of SSLConfig');
  const { certificate, privateKey, customCa, verifyClient } = sslConfig;
  return { certificateFile: certificate, privateKeyFile: privateKey, customCaFile: customCa, verifyClient };
}
