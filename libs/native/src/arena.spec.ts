import { expect, it } from '@jest/globals';
import { onnxModel } from '../../../test/support/onnx-model.js';
import { arenaUse } from './arena.js';
import { Session } from './session.js';
import { floatTensor } from './testing/tensors.js';

const width = 256;
const rows = 1024;
const squareBytes = 4 * width * width;
const value = (name: string) => ({ name, dtype: 'float32', shape: ['rows', width] }) as const;

it('tells what models and their runs allocate, what is kept, and the most that there was', async () => {
  const session = await Session.open(
    onnxModel({
      inputs: [value('x')],
      outputs: [value('y')],
      initializers: [{ name: 'w', dtype: 'float32', shape: [width, width], bytes: new Uint8Array(squareBytes) }],
      // What is between the two is in the arena, whoever has the output
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['between'] },
        { op: 'MatMul', inputs: ['between', 'w'], outputs: ['y'] },
      ],
    }),
  );
  const loaded = arenaUse();
  expect(loaded?.inUseBytes).toBeGreaterThanOrEqual(squareBytes);
  await session.run([floatTensor([rows, width], new Array<number>(rows * width).fill(1))]);
  const ran = arenaUse();
  expect(ran?.peakBytes).toBeGreaterThanOrEqual(squareBytes + 4 * rows * width);
  expect(ran?.allocatedBytes).toBeGreaterThanOrEqual(ran?.inUseBytes ?? Infinity);
  await session.close();
});
