import { beforeAll, describe, expect, it } from '@jest/globals';
import { doubleModel } from '../../../test/support/onnx-model.js';
import { outputMemory } from './output-memory.js';
import { Session } from './session.js';
import { ScriptProcess } from './testing/script-process.js';
import { floatTensor } from './testing/tensors.js';

const library = new URL('../dist/index.js', import.meta.url).href;

describe('memory of outputs', () => {
  let scripts: ScriptProcess;
  beforeAll(
    () => void (scripts = new ScriptProcess({ double: doubleModel(['n']) }, `import { outputMemory } from ${JSON.stringify(library)};`)),
    60_000,
  );

  it('is empty when its last reader has left it, and not before', async () => {
    const session = await Session.open(doubleModel(['n']));
    const [output] = await session.run([floatTensor([5000], new Array<number>(5000).fill(1))]);
    const buffer = output?.bytes.buffer ?? new ArrayBuffer(0);
    outputMemory.divide(buffer, 3);
    outputMemory.giveBack(buffer);
    outputMemory.giveBack(buffer);
    expect(output?.bytes.byteLength).toBe(20_000);
    outputMemory.giveBack(buffer);
    expect([output?.bytes.byteLength, buffer.byteLength]).toEqual([0, 0]);
    outputMemory.giveBack(buffer);
    await session.close();
  });

  it('is that of large outputs only: other buffers stay as they are', async () => {
    const session = await Session.open(doubleModel(['n']));
    const [small] = await session.run([floatTensor([2], [1, 2])]);
    for (const { buffer } of [small?.bytes ?? new Uint8Array(1), new Uint8Array(9), new Uint8Array(new SharedArrayBuffer(9))]) {
      outputMemory.divide(buffer, 2);
      for (let i = 0; i < 3; i++) outputMemory.giveBack(buffer);
      expect(buffer.byteLength).toBeGreaterThan(0);
    }
    await session.close();
  });

  it('does not pile up until garbage is collected', async () => {
    const body = `
      const session = await Session.open(double);
      const input = [{ dtype: 'float32', shape: [250_000], bytes: new Uint8Array(1_000_000) }];
      let most = 0;
      for (let i = 0; i < 40; i++) {
        const [output] = await session.run(input);
        outputMemory.giveBack(output.bytes.buffer);
        await new Promise(setImmediate);
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
      console.log(most < 10_000_000);
      await session.close();
    `;
    expect(await scripts.run(body)).toEqual({ ended: 0, stdout: 'true', stderr: '' });
  });
});
