import { allowedOf, ConfigError, decryptionModes, readKeyFile, settings } from '@mserve/config';
import { InvalidArgumentError } from 'commander';
import type { DecryptionMode } from '@mserve/mindir';
import type { ModelKey } from '../model-file.js';
import { CliError } from '../cli-error.js';

/** Flags that give the key of encrypted models. */
export interface KeyFlags {
  readonly decKeyFile?: string;
  readonly decMode?: DecryptionMode;
}

/** Reads a mode as the setting decMode does. */
export function decryptionMode(text: string): DecryptionMode {
  const mode = decryptionModes.find((one) => one === text.toUpperCase());
  if (mode === undefined) throw new InvalidArgumentError(`${allowedOf(settings.decMode.shape)} is expected.`);
  return mode;
}

/** The key of --dec-key-file (see readKeyFile). Undefined without the flag. */
export function readKey(flags: KeyFlags): ModelKey | undefined {
  const { decKeyFile, decMode } = flags;
  if (decKeyFile === undefined) {
    if (decMode !== undefined) throw new CliError('--dec-mode needs --dec-key-file', 2);
    return undefined;
  }
  try {
    return { key: readKeyFile(decKeyFile), mode: decMode };
  } catch (error) {
    throw error instanceof ConfigError ? new CliError(error.message, 2) : error;
  }
}
