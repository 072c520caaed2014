import { arch, availableParallelism, platform, totalmem } from 'node:os';
import { backendOfProvider, examineApart, libraryAt, NativeError, type ProviderReport } from '@mserve/native';
import { CliError } from '../cli-error.js';
import { packageVersion } from './version.js';

/** One provider, and what to do about it. */
export interface ProviderFinding extends ProviderReport {
  /** Formats of models that it runs. */
  readonly runs: readonly string[];
  /** Whether models can run there now. */
  readonly usable: boolean;
  /** How to get what is missing; undefined when nothing is. */
  readonly cure: string | undefined;
}

/** What `mserve doctor` tells. */
export interface MachineReport {
  /** False when not even the CPU can run models. */
  readonly ok: boolean;
  readonly version: string;
  readonly node: string;
  /** e.g. 'linux-x64' */
  readonly platform: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** The better ones first. */
  readonly providers: readonly ProviderFinding[];
}

const cures: Readonly<Record<string, string>> = {
  cpu: 'run `npm ci` and `node libs/native/build.mjs`, with a C++ compiler installed',
  cuda: "install NVIDIA's driver, and CUDA, cuDNN and ONNX Runtime by `pip install 'onnxruntime-gpu[cuda,cudnn]'` (in the active virtual environment, or for the user)",
  tensorrt: 'as for cuda, and TensorRT by `pip install tensorrt-cu12`',
  cann: "install the Ascend driver and CANN's toolkit, `source` its set_env.sh, and ONNX Runtime by `pip install onnxruntime-cann`",
  ascend: "install the Ascend driver and CANN's runtime, and `source` its set_env.sh",
};

/**
 * Asks every provider, each in a process of its own. Throws CliError when `library` names no library of ONNX Runtime.
 * @param library file or folder of ONNX Runtime's library; default: looked for
 */
export async function examineMachine(library?: string): Promise<MachineReport> {
  const libraryPath = library === undefined ? undefined : pathOf(library);
  const reports = await Promise.all(
    Object.entries(backendOfProvider).map(([provider, backend]) =>
      examineApart(provider, backend === 'onnxruntime' ? libraryPath : undefined),
    ),
  );
  const providers = reports.map((report) => {
    const usable = report.problems.length === 0;
    const runs = report.backend === 'acl' ? ['OM'] : ['ONNX', 'MindIR'];
    return { ...report, runs, usable, cure: usable ? undefined : cures[report.provider] };
  });
  return {
    ok: providers.some(({ provider, usable }) => provider === 'cpu' && usable),
    version: packageVersion,
    node: process.version,
    platform: `${platform()}-${arch()}`,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    providers,
  };
}

function pathOf(library: string): string {
  try {
    return libraryAt(library);
  } catch (error) {
    throw error instanceof NativeError ? new CliError(`--onnxruntime-library: ${error.message}`, 2) : error;
  }
}

const gibibyte = 1024 ** 3;
const sizeText = (bytes: number): string => `${Math.round(bytes / gibibyte)} GiB`;

/** The report for people. */
export function doctorText({ version, node, platform: where, cores, memoryBytes, providers }: MachineReport): string {
  const lines = [
    `mserve ${version} on Node ${node}, ${where}: ${cores} ${cores === 1 ? 'core' : 'cores'}, ${sizeText(memoryBytes)} of memory`,
    '',
  ];
  for (const finding of providers) {
    const { provider, runs, usable, runtime, driver, devices, libraryPath, problems, cure } = finding;
    const versions = [runtime, driver].filter((text, at, all) => text !== undefined && all.indexOf(text) === at).join(', ');
    lines.push(`${usable ? '✓' : '✗'} ${provider.padEnd(9)} runs ${runs.join(' and ')}${versions === '' ? '' : `; ${versions}`}`);
    const indent = ' '.repeat(12);
    if (provider !== 'cpu') {
      for (const { id, name, memoryBytes: bytes } of devices)
        lines.push(`${indent}device ${id}: ${name}${bytes === undefined ? '' : `, ${sizeText(bytes)}`}`);
    }
    if (usable && libraryPath !== undefined) lines.push(`${indent}${libraryPath}`);
    lines.push(...problems.map((problem) => `${indent}${problem}`));
    if (cure !== undefined) lines.push(`${indent}to get it: ${cure}`);
  }
  return lines.join('\n');
}
