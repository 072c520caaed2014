import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { decryptAll, encryptionOf, type DecryptionMode } from './encryption.js';
import { MemorySource } from './source.js';

const magics: Record<DecryptionMode, number> = { 'AES-GCM': 0x7f3a5ed8, 'AES-CBC': 0x7f3a5ed9, 'SM4-CBC': 0x7f3a5eda };

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** One block as MindSpore writes it; `nonceBytes`: how much of the IV is used (GCM). */
function block(mode: DecryptionMode, key: Buffer, plain: Buffer, nonceBytes = 12): Buffer {
  const iv = Buffer.from(Array.from({ length: 16 }, (_, index) => index * 7));
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(magics[mode]);
  let cipher: Buffer;
  let tag = Buffer.alloc(0);
  if (mode === 'AES-GCM') {
    const encrypt = createCipheriv(`aes-${(key.byteLength * 8) as 128 | 192 | 256}-gcm`, key, iv.subarray(0, nonceBytes));
    cipher = Buffer.concat([encrypt.update(plain), encrypt.final()]);
    tag = encrypt.getAuthTag();
  } else {
    const encrypt = createCipheriv(mode === 'SM4-CBC' ? 'sm4-cbc' : `aes-${key.byteLength * 8}-cbc`, key, iv);
    cipher = Buffer.concat([encrypt.update(plain), encrypt.final()]);
  }
  return Buffer.concat([magic, tag, int32(8 + 16 + cipher.byteLength), int32(16), iv, int32(cipher.byteLength), cipher]);
}

describe('encrypted files', () => {
  const plain = Buffer.from('weights and graphs '.repeat(100));

  it.each([
    ['AES-GCM', 16],
    ['AES-GCM', 24],
    ['AES-GCM', 32],
    ['AES-CBC', 16],
    ['AES-CBC', 24],
    ['AES-CBC', 32],
    ['SM4-CBC', 16],
  ] as const)('%s with a key of %i bytes, two blocks', async (mode, length) => {
    const key = Buffer.alloc(length, 7);
    const file = Buffer.concat([block(mode, key, plain), block(mode, key, Buffer.from('end'))]);
    expect(encryptionOf(file)).toBe(mode);
    expect((await decryptAll(new MemorySource(file, 'test'), { key })).equals(Buffer.concat([plain, Buffer.from('end')]))).toBe(true);
  });

  it('AES-GCM with all 16 bytes of the IV as nonce', async () => {
    const key = Buffer.alloc(16, 7);
    expect((await decryptAll(new MemorySource(block('AES-GCM', key, plain, 16), 'test'), { key })).equals(plain)).toBe(true);
  });

  it.each([
    [4, 2 ** 31 - 1],
    [4, -1],
    [8, 0],
    [8, 1000],
  ])('refuses impossible lengths (byte %i = %i)', async (at, value) => {
    const file = block('AES-CBC', Buffer.alloc(16, 7), plain);
    file.writeInt32LE(value, at);
    await expect(decryptAll(new MemorySource(file, 'test'), { key: Buffer.alloc(16, 7) })).rejects.toMatchObject({ kind: 'format' });
  });

  it('does not take plain files for encrypted ones', () => {
    expect(encryptionOf(Buffer.from('\n\u00031.1'))).toBeUndefined();
    expect(encryptionOf(Buffer.alloc(0))).toBeUndefined();
  });
});
