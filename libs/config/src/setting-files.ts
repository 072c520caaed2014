import { readFileSync } from 'node:fs';
import type { SettingKey } from './declarations.js';
import { settingError } from './setting-error.js';

const keyLengths = [16, 24, 32];

/** The text of a file that a setting names. Throws ConfigError. */
export function readSettingFile(key: SettingKey, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw settingError(key, `cannot read ${path}: ${(error as Error).message}`);
  }
}

/**
 * The key in a file: its bytes when there are 16, 24 or 32 of them, else hexadecimal text of as many bytes. A key is only ever read from a file: on a
 * command line others could see it. Throws ConfigError that names the file, never what is in it.
 */
export function readKeyFile(path: string): Uint8Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw settingError('decKeyFile', `cannot read the key file ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`);
  }
  const text = bytes.toString('latin1').trim();
  const isHex = /^[0-9a-fA-F]+$/.test(text) && keyLengths.includes(text.length / 2);
  // 32 bytes that happen to be hexadecimal digits are taken as they are: a raw key of that length is the likelier thing
  if (keyLengths.includes(bytes.length)) return bytes;
  if (isHex) return Buffer.from(text, 'hex');
  throw settingError(
    'decKeyFile',
    `the key file ${path} holds ${bytes.length} bytes: 16, 24 or 32 bytes, or as many in hexadecimal, are expected`,
  );
}

const shortestToken = 16;

/**
 * Reads the token in a file that a setting names, without the blanks and line ends around it. Throws ConfigError, which never says what is in the file, when
 * it cannot be read, or holds no token of at least 16 characters.
 */
export function readTokenFile(key: SettingKey, path: string): string {
  const token = readSettingFile(key, path).trim();
  if (token.length < shortestToken || /\s/.test(token))
    throw settingError(key, `${path} holds no token: at least ${shortestToken} characters without blanks are expected`);
  return token;
}
