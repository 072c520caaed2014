import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { loadMindir, MindirError } from '@mserve/mindir';

/** How long the fuzzing goes on: MSERVE_FUZZ_SECONDS, 60 in CI's own step, a short look otherwise. */
const seconds = Number(process.env['MSERVE_FUZZ_SECONDS'] ?? 3);
const slowestMs = 5000;
const root = join(dirname(fileURLToPath(import.meta.url)), '../../../libs/mindir/test-cases');

/** A small generator with a seed, so that a failure can be run again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function mutated(original: Uint8Array, random: () => number): Uint8Array {
  const bytes = Buffer.from(original);
  const place = (): number => Math.floor(random() * bytes.byteLength);
  switch (Math.floor(random() * 5)) {
    case 0: return bytes.subarray(0, place());
    case 1:
      for (let count = 1 + Math.floor(random() * 8); count > 0; count--) {
        const at = place();
        bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
      }
      return bytes;
    case 2:
      for (let count = 1 + Math.floor(random() * 4); count > 0; count--) bytes[place()] = random() < 0.5 ? 0xff : Math.floor(random() * 256);
      return bytes;
    case 3: {
      const [at, from] = [place(), place()];
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + Math.floor(random() * 200)), bytes.subarray(at)]);
    }
    default: {
      const at = place();
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + Math.floor(random() * 50))]);
    }
  }
}

describe('mutated files', () => {
  it(`are converted or refused with a MindirError, in bounded time, for ${seconds} s`, async () => {
    const files = ['ops', 'nets'].flatMap((folder) => readdirSync(join(root, folder)).filter((name) => name.endsWith('.mindir')).map((name) => join(root, folder, name)));
    const contents = files.map((file) => readFileSync(file));
    const end = performance.now() + seconds * 1000;
    for (let seed = 1; performance.now() < end; seed++) {
      const random = randomOf(seed);
      const index = Math.floor(random() * contents.length);
      const bytes = mutated(contents[index] as Buffer, random);
      const start = performance.now();
      const thrown: unknown = await loadMindir({ bytes }).then(() => undefined, (error: unknown) => error);
      const context = `seed ${seed}, ${files[index]}`;
      if (thrown !== undefined && !(thrown instanceof MindirError)) throw new Error(`${context}: ${String(thrown)}`);
      if (performance.now() - start > slowestMs) throw new Error(`${context}: took ${performance.now() - start} ms`);
    }
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 31);
  }, seconds * 1000 + 60_000);
});
