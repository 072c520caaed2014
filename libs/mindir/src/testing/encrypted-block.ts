import { createCipheriv } from 'node:crypto';
import type { DecryptionMode } from '../container/encryption.js';

const magics: Record<DecryptionMode, number> = { 'AES-GCM': 0x7f3a5ed8, 'AES-CBC': 0x7f3a5ed9, 'SM4-CBC': 0x7f3a5eda };

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** One block as MindSpore writes it; `nonceBytes`: how much of the IV is used (GCM). */
export function encryptedBlock(mode: DecryptionMode, key: Buffer, plain: Uint8Array, nonceBytes = 12): Buffer {
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
