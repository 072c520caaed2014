import type { BoundRequest } from './binding.js';
import { codeOf, elementSizeOf } from './element-types.js';
import { checkInitializer } from './input-check.js';
import { defaultLibraryPath } from './library-path.js';
import { NativeError } from './native-error.js';
import { brokenOptimizers, type Device, type SessionOptions } from './session-options.js';

/** ONNX Runtime's numbers. */
const optimizationLevels: ReadonlyMap<string, number> = new Map([
  ['none', 0],
  ['basic', 1],
  ['extended', 2],
  ['all', 99],
]);
const maxConcurrentRuns = 1024;
const maxDeviceId = 65_535;

/** Default 1. */
function countOf(name: string, value: number | undefined, least: number, most: number): number {
  const count = value ?? 1;
  if (!Number.isInteger(count) || count < least || count > most) {
    throw new NativeError('load', `${name} must be a whole number from ${least} to ${most}, got ${String(count)}`);
  }
  return count;
}

function levelOf(name: string): number {
  const level = optimizationLevels.get(name);
  if (level === undefined) throw new NativeError('load', `graphOptimization must be one of ${[...optimizationLevels.keys()].join(', ')}`);
  return level;
}

function optimizersOf(names: readonly string[]): string {
  const bad = names.find((name) => !/^\w+$/.test(name));
  if (bad !== undefined) throw new NativeError('load', `disabledOptimizers: ${JSON.stringify(bad)} is not the name of an optimizer`);
  return names.join(';');
}

function deviceOf({ backend = 'onnxruntime', provider = 'cpu', id = 0, options = {} }: Device): BoundRequest['device'] {
  if (!Number.isInteger(id) || id < 0 || id > maxDeviceId) {
    throw new NativeError('device', `the id of a device must be a whole number from 0 to ${maxDeviceId}, got ${String(id)}`);
  }
  return { backend, provider, id, options: Object.entries(options) };
}

/** The checked request for the addon. Throws a NativeError of kind 'load'. */
export function requestOf(model: Uint8Array | string, options: SessionOptions): BoundRequest {
  if (typeof model === 'string' ? model === '' || model.includes('\0') : !ArrayBuffer.isView(model)) {
    throw new NativeError('load', 'model must be a Uint8Array or the path of a file');
  }
  if (typeof model !== 'string' && model.byteLength === 0) throw new NativeError('load', 'the model is empty');
  const initializers = (options.initializers ?? []).map(({ name, tensor }) => {
    checkInitializer(name, tensor);
    const isAligned = tensor.bytes.byteOffset % elementSizeOf(tensor.dtype) === 0;
    return { name, type: codeOf(tensor.dtype)!, shape: tensor.shape, bytes: isAligned ? tensor.bytes : tensor.bytes.slice() };
  });
  return {
    device: deviceOf(options.device ?? {}),
    libraryPath: options.libraryPath ?? defaultLibraryPath(options.device?.provider),
    model,
    intraOpThreads: countOf('intraOpThreads', options.intraOpThreads, 0, 1024),
    interOpThreads: countOf('interOpThreads', options.interOpThreads, 0, 1024),
    concurrentRuns: countOf('concurrentRuns', options.concurrentRuns, 1, maxConcurrentRuns),
    sharedBy: countOf('sharedBy', options.sharedBy, 1, 1024),
    coreIds: (options.coreIds ?? []).map((core) => countOf('a number in coreIds', core, 0, 1023)),
    graphOptimization: levelOf(options.graphOptimization ?? 'all'),
    disabledOptimizers: optimizersOf(options.disabledOptimizers ?? brokenOptimizers),
    inlineBelowUs: countOf('inlineBelowUs', options.inlineBelowUs ?? 0, 0, 100_000),
    inlineAloneBelowUs: countOf('inlineAloneBelowUs', options.inlineAloneBelowUs ?? 0, 0, 100_000),
    operatorLibraries: options.operatorLibraries ?? [],
    externalFolder: options.externalFolder ?? '',
    linkRoots: options.linkRoots ?? [],
    refuseLinks: options.refuseLinks === true ? 1 : 0,
    initializers,
  };
}
