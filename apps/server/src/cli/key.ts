import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { DecryptionMode } from '@mserve/mindir';
import type { ModelKey } from '../model-file.js';
import { CliError } from './cli-error.js';

export interface KeyFlags {
  readonly decKeyFile?: string;
  readonly decMode?: DecryptionMode;
}

const modes: readonly DecryptionMode[] = ['AES-GCM', 'AES-CBC', 'SM4-CBC'];
const keyLengths = [16, 24, 32];

export function decryptionMode(text: string): DecryptionMode {
  const mode = modes.find((one) => one === text.toUpperCase());
  if (mode === undefined) throw new InvalidArgumentError(`${modes.join(', ')} are allowed.`);
  return mode;
}

/**
 * The key of --dec-key-file: the file's bytes when there are 16, 24 or 32 of them, else hexadecimal text of as many bytes. Undefined without the flag.
 * A key is only ever read from a file: on a command line others could see it. Messages name the file, never what is in it.
 */
export function readKey(flags: KeyFlags): ModelKey | undefined {
  const { decKeyFile, decMode } = flags;
  if (decKeyFile === undefined) {
    if (decMode !== undefined) throw new CliError('--dec-mode needs --dec-key-file', 2);
    return undefined;
  }
  let bytes: Buffer;
  try {
    bytes = readFileSync(decKeyFile);
  } catch (error) {
    throw new CliError(`cannot read the key file ${decKeyFile}: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`, 2);
  }
  const text = bytes.toString('latin1').trim();
  const isHex = /^[0-9a-fA-F]+$/.test(text) && keyLengths.includes(text.length / 2);
  // 32 bytes that happen to be hexadecimal digits are taken as they are: a raw key of that length is the likelier thing
  if (keyLengths.includes(bytes.length)) return { key: bytes, mode: decMode };
  if (isHex) return { key: Buffer.from(text, 'hex'), mode: decMode };
  throw new CliError(
    `the key file ${decKeyFile} holds ${bytes.length} bytes: 16, 24 or 32 bytes, or as many in hexadecimal, are expected`,
    2,
  );
}
