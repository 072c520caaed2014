import { loadBinding } from './binding.js';
import { NativeError } from './native-error.js';

/** What the native runs of a process allocate on the CPU, all models together: they share one arena. In bytes. */
export interface ArenaUse {
  /** By weights and by runs that execute. */
  readonly inUseBytes: number;
  /** Taken from the system, and kept for further runs. */
  readonly allocatedBytes: number;
  /** The most that was in use at one time. */
  readonly peakBytes: number;
}

/**
 * undefined while no model was loaded by ONNX Runtime, where that is older than 1.23, which does not tell, and where the addon was not built, or long ago. Devices with memory of their
 * own are not in it.
 */
export function arenaUse(): ArenaUse | undefined {
  try {
    return loadBinding().arena?.();
  } catch (thrown) {
    if (thrown instanceof NativeError) return undefined;
    throw thrown;
  }
}
