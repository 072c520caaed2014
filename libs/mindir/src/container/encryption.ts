import { createDecipheriv } from 'node:crypto';
import { MindirError } from '../mindir-error.js';
import type { ByteSource } from './source.js';

/** The ciphers that MindSpore writes. */
export type DecryptionMode = 'AES-GCM' | 'AES-CBC' | 'SM4-CBC';

/** How an encrypted file is to be read. The key is used here and nowhere else: it is not copied, logged or put into messages. */
export interface Decryption {
  readonly key: Uint8Array;
  /** Checked against the file's magic when given; the magic alone selects the mode. */
  readonly mode?: DecryptionMode | undefined;
}

const modeOfMagic = new Map<number, DecryptionMode>([
  [0x7f3a5ed8, 'AES-GCM'],
  [0x7f3a5ed9, 'AES-CBC'],
  [0x7f3a5eda, 'SM4-CBC'],
]);
const tagBytes = 16;
/** MindSpore cuts the plain text in pieces of 64 MiB; padding adds at most 16 bytes. */
const maxCipherBytes = 64 * 1024 * 1024 + 16;

/** The mode in which these first 4 bytes say that the file is encrypted; undefined for a plain file. */
export function encryptionOf(head: Uint8Array): DecryptionMode | undefined {
  if (head.byteLength < 4) return undefined;
  return modeOfMagic.get(new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true));
}

/** Refuses keys and modes that cannot fit before anything is decrypted. Throws MindirError 'key'. */
function checkDecryption(decryption: Decryption, mode: DecryptionMode): void {
  const length = decryption.key.byteLength;
  if (decryption.mode !== undefined && decryption.mode !== mode) {
    throw new MindirError('key', `the file is encrypted with ${mode}, decMode says ${decryption.mode}`);
  }
  const allowed = mode === 'SM4-CBC' ? [16] : [16, 24, 32];
  if (!allowed.includes(length)) throw new MindirError('key', `the key has ${length} bytes, ${mode} needs ${allowed.join(', ')}`);
}

/**
 * The plain text of an encrypted file, block by block: magic, tag (GCM only), block length, IV, cipher. Reads one block at a time,
 * so that at most one cipher block is in memory beside the plain text. Throws 'key' when a block cannot be decrypted, 'format' when it is cut off.
 */
export async function* decryptedBlocks(source: ByteSource, decryption: Decryption): AsyncGenerator<Buffer> {
  for (let at = 0; at < source.size;) {
    const mode = encryptionOf(await source.read(at, 4));
    if (mode === undefined) throw new MindirError('format', `encrypted block at byte ${at} does not start with a known magic number`);
    checkDecryption(decryption, mode);
    const headAt = at + 4 + (mode === 'AES-GCM' ? tagBytes : 0);
    const head = await source.read(headAt, 8);
    const blockLength = head.readInt32LE(0);
    const ivLength = head.readInt32LE(4);
    if (ivLength < 12 || ivLength > 16) throw new MindirError('format', `encrypted block at byte ${at} has an IV of ${ivLength} bytes`);
    const cipherLength = blockLength - 8 - ivLength;
    if (cipherLength < 0 || cipherLength > maxCipherBytes)
      throw new MindirError('format', `encrypted block at byte ${at} announces ${blockLength} bytes`);
    const body = await source.read(headAt + 8, ivLength + 4 + cipherLength);
    if (body.readInt32LE(ivLength) !== cipherLength)
      throw new MindirError('format', `encrypted block at byte ${at} has lengths that contradict each other`);
    const iv = body.subarray(0, ivLength);
    const cipher = body.subarray(ivLength + 4);
    yield mode === 'AES-GCM'
      ? decryptGcm(decryption.key, iv, cipher, await source.read(at + 4, tagBytes))
      : decryptCbc(mode, decryption.key, iv, cipher);
    at = headAt + 4 + blockLength;
  }
}

/** The whole plain text; `limit` bounds its size (it is never longer than the file). */
export async function decryptAll(source: ByteSource, decryption: Decryption): Promise<Buffer> {
  const blocks: Buffer[] = [];
  for await (const block of decryptedBlocks(source, decryption)) blocks.push(block);
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks);
}

function decryptGcm(key: Uint8Array, iv: Buffer, cipher: Buffer, tag: Buffer): Buffer {
  // The header says 16 bytes, but MindSpore uses the first 12 as the nonce; a source version used all 16. The tag decides.
  for (const nonce of [iv.subarray(0, 12), iv]) {
    const decipher = createDecipheriv(`aes-${(key.byteLength * 8) as 128 | 192 | 256}-gcm`, key, nonce);
    decipher.setAuthTag(tag);
    const plain = decipher.update(cipher);
    try {
      decipher.final();
      return plain;
    } catch {
      // Wrong tag: try the other nonce.
    }
  }
  throw new MindirError('key', 'the key does not fit the file (or the file was damaged): the authentication tag of AES-GCM is wrong');
}

function decryptCbc(mode: DecryptionMode, key: Uint8Array, iv: Buffer, cipher: Buffer): Buffer {
  try {
    const decipher = createDecipheriv(mode === 'SM4-CBC' ? 'sm4-cbc' : `aes-${key.byteLength * 8}-cbc`, key, iv);
    const body = decipher.update(cipher);
    const rest = decipher.final();
    return rest.byteLength === 0 ? body : Buffer.concat([body, rest]);
  } catch (thrown) {
    // The cause is dropped on purpose: OpenSSL's errors tell nothing more.
    void thrown;
    throw new MindirError('key', `the key does not fit the file (or the file was damaged): ${mode} cannot decrypt it`);
  }
}
