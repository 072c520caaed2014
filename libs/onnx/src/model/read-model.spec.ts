import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProtobufError } from '@mserve/wire';
import { float32Bytes, int64Bytes, onnxModel } from '../../../../test/support/onnx-model.js';
import { readOnnxModel } from './read-model.js';

const folder = mkdtempSync(join(tmpdir(), 'mserve-onnx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const large = 100_000;
const bytes = onnxModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 3, -1] }],
  outputs: [{ name: 'y', dtype: 'int64' }],
  initializers: [
    { name: 'small', dtype: 'int64', shape: [2], bytes: int64Bytes([0, -1]) },
    { name: 'large', dtype: 'float32', shape: [large], bytes: float32Bytes(Array.from({ length: large }, () => 1)) },
    { name: 'elsewhere', dtype: 'float32', shape: [4, 5], external: { location: 'w.bin', offset: 0, length: 80 } },
  ],
  nodes: [
    {
      op: 'Reshape',
      inputs: ['x', 'small'],
      outputs: ['r'],
      attributes: { allowzero: { int: -1 }, axes: { ints: [1, -2] }, how: { string: 'up' } },
    },
    {
      op: 'If',
      inputs: ['c', ''],
      outputs: ['y'],
      domain: 'ai.onnx',
      attributes: {
        then_branch: {
          graph: { inputs: [], outputs: [{ name: 'a', dtype: 'float32' }], nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['a'] }] },
        },
      },
    },
  ],
});

describe('readOnnxModel', () => {
  it.each([
    ['bytes', bytes],
    ['a file', file('m.onnx', bytes)],
  ])('reads the graph from %s, without weights', (_, source) => {
    const { opsets, graph } = readOnnxModel(source);
    expect([...opsets]).toEqual([['', 17]]);
    expect(graph.inputs).toEqual([{ name: 'x', type: 1, dims: ['N', 3, ''] }]);
    expect(graph.outputs).toEqual([{ name: 'y', type: 7, dims: undefined }]);
    expect(graph.nodes.map(({ op, domain, inputs, outputs }) => ({ op, domain, inputs, outputs }))).toEqual([
      { op: 'Reshape', domain: '', inputs: ['x', 'small'], outputs: ['r'] },
      { op: 'If', domain: '', inputs: ['c', ''], outputs: ['y'] },
    ]);
    const attributes = graph.nodes[0]?.attributes;
    expect([attributes?.get('allowzero')?.int, attributes?.get('axes')?.ints, attributes?.get('how')?.text]).toEqual([-1, [1, -2], 'up']);
    expect(graph.nodes[1]?.attributes.get('then_branch')?.graph?.nodes.map(({ op }) => op)).toEqual(['Neg']);
    const weights = ['small', 'large', 'elsewhere'].map((name) => graph.initializers.get(name));
    expect(weights.map((tensor) => [tensor?.dims, tensor?.bytes?.byteLength])).toEqual([
      [[2], 16],
      [[large], undefined],
      [[4, 5], undefined],
    ]);
  });

  it.each([
    ['nothing', new Uint8Array(0), 'has no graph'],
    ['what is no protobuf', Buffer.from('<html>not a model</html>'), ''],
    ['a file that is cut off', bytes.subarray(0, bytes.byteLength - 100), 'longer than its message'],
  ])('refuses %s', (_, content, text) => {
    expect(() => readOnnxModel(content)).toThrow(text);
    expect(() => readOnnxModel(file('broken.onnx', content))).toThrow(text);
  });

  it('reads through a symbolic link: who may be linked to is for those who open the model', () => {
    const link = join(folder, 'link.onnx');
    symlinkSync(file('target.onnx', bytes), link);
    expect(readOnnxModel(link).graph.nodes).toHaveLength(2);
  });

  it('any bytes changed: read or refused, never endless, never another kind of error', () => {
    let seed = 1;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    const small = bytes.subarray(bytes.byteLength - 700);
    for (let round = 0; round < 2000; round++) {
      const changed = Uint8Array.from(small);
      for (let i = 0; i < 4; i++) changed[random(changed.length)] = random(256);
      try {
        readOnnxModel(changed);
      } catch (thrown) {
        expect(thrown instanceof RangeError || thrown instanceof ProtobufError ? '' : thrown).toBe('');
      }
    }
  });
});
