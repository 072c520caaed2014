import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { EdgeError, tooLarge } from '../protocols/status.js';

const inflaters: Readonly<Record<string, typeof gunzip | undefined>> = { gzip: gunzip, deflate: inflate };

/**
 * A compressed request message as it was. Never makes more than `maxBytes`: rejects with EdgeError RESOURCE_EXHAUSTED over it, UNIMPLEMENTED for
 * an encoding other than gzip and deflate, INTERNAL for bytes that are not what the encoding says (the codes that gRPC's compression rules give).
 */
export async function inflateMessage(message: Uint8Array, encoding: string, maxBytes: number): Promise<Buffer> {
  const inflater = inflaters[encoding];
  if (encoding === 'identity') throw new EdgeError('INTERNAL', 400, 'the request message is flagged as compressed, grpc-encoding names no compression');
  if (inflater === undefined) throw new EdgeError('UNIMPLEMENTED', 400, `grpc-encoding '${encoding.slice(0, 100)}' is not supported, gzip, deflate and identity are`);
  try {
    return await promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflater)(message, { maxOutputLength: maxBytes });
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(`Received message larger than max (decompressed, over ${maxBytes})`);
    throw new EdgeError('INTERNAL', 400, `the request message is not ${encoding}`);
  }
}
