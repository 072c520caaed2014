import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadBinding } from './binding.js';
import { defaultLibraryPath } from './library-path.js';
import { NativeError } from './native-error.js';

/** One device that a provider can use. */
export interface DeviceReport {
  /** As {@link Device.id} calls it. */
  readonly id: number;
  /** As its driver calls it, e.g. 'NVIDIA H200' or 'Ascend310P3'. */
  readonly name: string;
  /** Its memory in bytes; undefined where it is not told. */
  readonly memoryBytes: number | undefined;
}

/** What this machine has of one provider. */
export interface ProviderReport {
  readonly backend: string;
  readonly provider: string;
  /** Version of the driver, e.g. 'CUDA 12.4'; undefined where there is none. */
  readonly driver: string | undefined;
  /** What would run the models, e.g. 'ONNX Runtime 1.30.0'; undefined where there is none. */
  readonly runtime: string | undefined;
  /** File of ONNX Runtime's library; undefined for a provider of another backend. */
  readonly libraryPath: string | undefined;
  readonly devices: readonly DeviceReport[];
  /** What keeps models from running there, a sentence each. Empty: they can. */
  readonly problems: readonly string[];
}

/** Every provider, and the backend it belongs to; the better ones first where a machine has several. */
export const backendOfProvider: Readonly<Record<string, string>> = Object.freeze({
  cuda: 'onnxruntime',
  tensorrt: 'onnxruntime',
  cann: 'onnxruntime',
  ascend: 'acl',
  cpu: 'onnxruntime',
});

/**
 * Asks drivers and libraries what this machine has of a provider. Blocks: it loads them, and they stay loaded. Opens no model and takes no memory on
 * a device. `driverOnly` leaves out what only ONNX Runtime's library can tell, and so costs nothing where there is no driver.
 * `libraryPath`: default as of SessionOptions.libraryPath.
 */
export function examineProvider(
  provider: string,
  options: { libraryPath?: string | undefined; driverOnly?: boolean } = {},
): ProviderReport {
  const backend = backendOfProvider[provider] ?? 'onnxruntime';
  const { driverOnly = false } = options;
  let libraryPath: string | undefined;
  const problems: string[] = [];
  try {
    if (backend === 'onnxruntime') libraryPath = options.libraryPath ?? defaultLibraryPath(provider);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    problems.push(error.message);
  }
  const report = loadBinding().examine(
    backend,
    provider,
    libraryPath ?? '',
    driverOnly || (backend === 'onnxruntime' && libraryPath === undefined),
  );
  return {
    backend,
    provider,
    driver: report.driver === '' ? undefined : report.driver,
    runtime: report.runtime === '' ? undefined : report.runtime,
    libraryPath,
    devices: report.devices.map(({ id, name, memoryBytes }) => ({ id, name, memoryBytes: memoryBytes === 0 ? undefined : memoryBytes })),
    problems: [...problems, ...report.problems],
  };
}

/** How long drivers may take to answer. Initializing several large GPUs takes seconds. */
const longestExaminationMs = 60_000;

function isReport(value: unknown): value is ProviderReport {
  return typeof value === 'object' && value !== null && 'provider' in value && 'devices' in value && 'problems' in value;
}

/**
 * As {@link examineProvider}, in a process of its own: nothing of the drivers and libraries stays in this one, and one that ends its process is a
 * problem in the report.
 */
export function examineApart(provider: string, libraryPath?: string): Promise<ProviderReport> {
  const script = fileURLToPath(new URL('../dist/examine-main.js', import.meta.url));
  const args = [script, provider, ...(libraryPath === undefined ? [] : [libraryPath])];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: longestExaminationMs, maxBuffer: 1 << 20 }, (error, stdout) => {
      try {
        // Vendor libraries may print too: the report is the last line
        const report: unknown = JSON.parse(stdout.slice(stdout.lastIndexOf('\n') + 1));
        if (isReport(report)) {
          resolve(report);
          return;
        }
      } catch {
        // No report: told below
      }
      const how =
        error?.killed === true
          ? `did not end within ${longestExaminationMs / 1000} s`
          : `ended (${error?.signal ?? error?.code ?? 'no report'})`;
      resolve({
        backend: backendOfProvider[provider] ?? 'onnxruntime',
        provider,
        driver: undefined,
        runtime: undefined,
        libraryPath,
        devices: [],
        problems: [`the process that asked for it ${how}: the driver or a library of the vendor failed`],
      });
    });
  });
}
