import { deflate, gzip } from 'node:zlib';
import type { Compression } from './body-inflater.js';

/** Shorter answers are sent as they are: compression would make them longer, or not worth its time. */
export const compressFromBytes = 1024;

/** The fastest: answers are mostly numbers, of which more effort makes little less. */
const options = { level: 1 };

/**
 * What an Accept-Encoding header asks for, of what there is; gzip before deflate. Undefined when it names neither of them, or both with `q=0`.
 * `*` alone asks for nothing: no encoding is as good.
 */
export function acceptedCompression(header: string | undefined): Compression | undefined {
  if (header === undefined) return undefined;
  let deflates = false;
  for (const part of header.split(',')) {
    const [name = '', ...parameters] = part.toLowerCase().split(';');
    const coding = name.trim();
    if (coding !== 'gzip' && coding !== 'deflate') continue;
    if (parameters.some((parameter) => /^\s*q\s*=\s*0(?:\.0*)?\s*$/.test(parameter))) continue;
    if (coding === 'gzip') return 'gzip';
    deflates = true;
  }
  return deflates ? 'deflate' : undefined;
}

/** Compresses on another thread. `onDone` gets undefined when it failed: then the answer goes as it is. */
export function compress(compression: Compression, bytes: Uint8Array, onDone: (compressed: Buffer | undefined) => void): void {
  const run = compression === 'gzip' ? gzip : deflate;
  run(bytes, options, (error, compressed) => onDone(error === null ? compressed : undefined));
}
