import { describe, expect, it } from '@jest/globals';
import { encryptedBlock as block } from '../testing/encrypted-block.js';
import { decryptAll, encryptionOf } from './encryption.js';
import { MemorySource } from './source.js';

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
