import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AppLog } from '@mserve/app';
import { examineApart, examineProvider, libraryAt, type ProviderReport } from '@mserve/native';

/** Kinds of devices as the original names them. */
export type DeviceKind = 'GPU' | 'Ascend' | 'CPU';

/** The kind of a provider's devices. */
export function deviceKindOf(provider: string): DeviceKind {
  if (provider === 'cann' || provider === 'ascend') return 'Ascend';
  return provider === 'cpu' ? 'CPU' : 'GPU';
}

/** What a choice depends on. */
interface ProviderChoice {
  /** Holds the servables: where it has OM files, Ascend devices are used by AscendCL, which alone runs them. */
  readonly directory: string;
  /** ONNX Runtime's library; see {@link examineProvider}. */
  readonly libraryPath?: string | undefined;
  /** Only devices of this kind. Default: any. */
  readonly kind?: DeviceKind | undefined;
  readonly log: AppLog;
}

/** Files this many folders down are looked at: servable, version, model. */
const modelDepth = 3;

function hasOmFile(folder: string, depth = modelDepth): boolean {
  try {
    return readdirSync(folder, { withFileTypes: true }).some((entry) =>
      entry.isDirectory() ? depth > 1 && hasOmFile(join(folder, entry.name), depth - 1) : entry.name.toLowerCase().endsWith('.om'),
    );
  } catch {
    return false;
  }
}

/** Whether it is worth to ask for more: that loads a provider's libraries, which takes seconds on a machine that has them, and nearly all have none. */
function mayBeThere(provider: string): boolean {
  if (provider === 'cuda') return examineProvider('cuda', { driverOnly: true }).devices.length > 0;
  // ONNX Runtime's CANN provider is an Ascend driver's user too
  return examineProvider('ascend', { driverOnly: true }).driver !== undefined;
}

/** "1 device: NVIDIA H200", "2 devices: …, …" */
function devicesText({ devices }: ProviderReport): string {
  return `${devices.length} ${devices.length === 1 ? 'device' : 'devices'}: ${devices.map(({ name }) => name).join(', ')}`;
}

/**
 * The provider for the setting 'auto': the best that this machine has, CUDA before Ascend before the CPU; TensorRT, which compiles every model for
 * minutes, only when it is asked for. Says in the log what it chose, and what keeps a device that is there from being used. 'cpu' when nothing of the
 * kind can be used.
 */
async function chooseProvider({ directory, libraryPath, kind, log }: ProviderChoice): Promise<string> {
  const ascend = hasOmFile(directory) ? 'ascend' : 'cann';
  const candidates = ['cuda', ascend].filter((provider) => kind === undefined || deviceKindOf(provider) === kind);
  for (const provider of candidates) {
    if (!mayBeThere(provider)) continue;
    const report = await examineApart(provider, provider === 'ascend' ? undefined : libraryPath);
    if (report.problems.length === 0 && report.devices.length + (report.provider === 'cann' ? 1 : 0) > 0) {
      log.info({ provider, devices: report.devices }, `provider auto: ${provider}, ${devicesText(report)}`);
      return provider;
    }
    log.warn(
      { provider, problems: report.problems },
      `provider auto: not ${provider}, though this machine seems to have such a device: ${report.problems.join('; ')}`,
    );
  }
  log.info({ provider: 'cpu' }, 'provider auto: cpu');
  return 'cpu';
}

/** Whether the devices are Ascend 910 chips, as AscendCL calls them. Asked in a process of its own. */
export async function hasAscend910(): Promise<boolean> {
  const { devices } = await examineApart('ascend');
  return devices.some(({ name }) => name.includes('910'));
}

/** What runs models. */
export interface Runtime {
  readonly provider: string;
  /** File of ONNX Runtime's library; undefined: that of the provider. */
  readonly libraryPath: string | undefined;
}

/** What settings ask for, with the provider chosen where it is 'auto'. Rejects with NativeError when `onnxruntimeLibrary` names no library. */
export async function chooseRuntime({
  provider,
  onnxruntimeLibrary,
  ...choice
}: { readonly provider: string; readonly onnxruntimeLibrary?: string | undefined } & Omit<
  ProviderChoice,
  'libraryPath'
>): Promise<Runtime> {
  const libraryPath = onnxruntimeLibrary === undefined ? undefined : libraryAt(onnxruntimeLibrary);
  return { provider: provider === 'auto' ? await chooseProvider({ ...choice, libraryPath }) : provider, libraryPath };
}
