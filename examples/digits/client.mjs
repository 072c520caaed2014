// @ts-check
/**
 * Classifies images: `node client.mjs ADDRESS FILE...`. ADDRESS is http://127.0.0.1:1500, grpc://127.0.0.1:5500 or another one that docs/client.md knows. All
 * images are sent at once, so that the server makes batches of them.
 */
import { readFile } from 'node:fs/promises';
import { Client, Tensor } from '@mserve/client';

const [address = 'http://127.0.0.1:1500', ...files] = process.argv.slice(2);

const client = new Client(address, { timeoutMs: 10_000 });
const images = await Promise.all(files.map(async (file) => ({ image: await readFile(file) })));
for await (const { index, outputs, error } of client.inferMany('digits', 'classify', images)) {
  if (error !== undefined) {
    console.error(`${files[index]}: ${error.code}: ${error.message}`);
    process.exitCode = 1;
    continue;
  }
  const { label, probabilities } = outputs;
  const share = probabilities instanceof Tensor ? Math.max(...probabilities.toFloat32()) : NaN;
  console.log(`${files[index]}: ${label} (probability ${share.toFixed(4)})`);
}
await client.close();
