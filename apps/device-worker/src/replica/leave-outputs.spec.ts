import { describe, expect, it } from '@jest/globals';
import { outputMemory, type ValueDescription } from '@mserve/native';
import type { InstanceResult, PlacedResult, Tensor } from '@mserve/wire';
import { model } from '../../../../test/support/declarations.js';
import { split } from '../execution/batch.js';
import { planModel } from '../execution/model-plan.js';
import { leaveOutputs } from './leave-outputs.js';

const held = { owner: 'w', id: 1, offset: 0, length: 1, shared: undefined, direct: undefined };
const elsewhere: PlacedResult = { held };

/** A buffer as runs give them, and views of its parts. */
function output(parts: number): { readonly buffer: ArrayBuffer; readonly views: Tensor[] } {
  const buffer = new ArrayBuffer(16 * parts);
  outputMemory.add(buffer);
  outputMemory.divide(buffer, parts);
  const views = Array.from({ length: parts }, (_, i) => ({
    dtype: 'uint8' as const,
    shape: [16],
    bytes: new Uint8Array(buffer, 16 * i, 16),
  }));
  return { buffer, views };
}

const resultOf = (...outputs: readonly (Tensor | undefined)[]): InstanceResult => ({ outputs: outputs.filter((one) => one !== undefined) });

describe('the outputs of an answer', () => {
  it('are given back where they were copied, and kept where they go along', () => {
    const [copied, along] = [output(1), output(1)];
    const results = [resultOf(...copied.views), resultOf(...along.views)];
    leaveOutputs(results, [elsewhere, ...results.slice(1)]);
    expect([copied.buffer.byteLength, along.buffer.byteLength]).toEqual([0, 16]);
  });

  it('stay while another instance of their batch is not answered, however often one has them', () => {
    const { buffer, views } = output(2);
    leaveOutputs([resultOf(views[0], views[0])], [elsewhere]);
    leaveOutputs([{ failure: { code: 'INTERNAL', message: '' } }], [elsewhere]);
    expect(buffer.byteLength).toBe(32);
    leaveOutputs([resultOf(views[1])], [elsewhere]);
    expect(buffer.byteLength).toBe(0);
  });

  it('of a batch are given back with the last of its instances', () => {
    const value = (name: string): ValueDescription => ({ name, dtype: 'float32', shape: [-1, 4], dimNames: ['n', ''] });
    const plan = planModel(model('m.onnx'), { inputs: [value('x')], outputs: [value('y')] }, 0);
    const buffer = new ArrayBuffer(48);
    outputMemory.add(buffer);
    const results = split(plan, [{ dtype: 'float32', shape: [3, 4], bytes: new Uint8Array(buffer) }], 3).map((outputs) => ({ outputs }));
    const lengths = results.map((result) => {
      leaveOutputs([result], [elsewhere]);
      return buffer.byteLength;
    });
    expect(lengths).toEqual([48, 48, 0]);
  });
});
