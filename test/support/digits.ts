import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { root } from './running-process.js';

/** The body of a .npy file (format 1.0) laid over `Type`; shapes are known to the callers. */
function npyBody(name: string): Uint8Array {
  const file = readFileSync(join(root, 'test/fixtures/digits', name));
  return Uint8Array.from(file.subarray(10 + file.readUInt16LE(8)));
}

export const imageCount = 100;
const images = npyBody('test_images_u8.npy');
const storedLogits = new Float32Array(npyBody('test_logits.npy').buffer);

/** 28x28 grey values. */
function imagePixels(index: number): Uint8Array {
  return images.subarray(index * 784, (index + 1) * 784);
}

/** float32 [1, 28, 28], what method `logits` takes. */
export function imageTensor(index: number): Float32Array {
  return Float32Array.from(imagePixels(index), (pixel) => pixel / 255);
}

export function imagePng(index: number): Promise<Buffer> {
  return sharp(imagePixels(index), { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer();
}

/** MindSpore's own logits of the image. */
export function logitsOf(index: number): Float32Array {
  return storedLogits.subarray(index * 10, (index + 1) * 10);
}

/** The label that the stored logits give. */
export function labelOf(index: number): number {
  const logits = logitsOf(index);
  return logits.indexOf(Math.max(...logits));
}

/** Largest absolute difference. */
export function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), a.length === b.length ? 0 : Infinity);
}
