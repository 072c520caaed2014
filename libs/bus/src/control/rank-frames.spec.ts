import { describe, expect, it } from '@jest/globals';
import type { Tensor } from '@mserve/wire';
import { decodeRankAnswer, decodeRankBatch, encodeRankFrame, type RankBatch } from './rank-frames.js';

const head: RankBatch = { worker: 'worker-1', epoch: 5, subgraph: 0, batch: 7, wantResults: true, deadlineMs: 1000 };
const tensors: Tensor[] = [
  { dtype: 'float32', shape: [2, 1], bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  { dtype: 'bool', shape: [], bytes: Uint8Array.of(1) },
  { dtype: 'int64', shape: [0], bytes: new Uint8Array(0) },
];

describe('messages of ranks', () => {
  it('carry a batch and its inputs', () => {
    expect(decodeRankBatch(encodeRankFrame(head, tensors))).toEqual({ head, tensors });
  });

  it('carry results, or why there are none', () => {
    expect(decodeRankAnswer(encodeRankFrame({}, tensors))).toEqual({ head: {}, tensors });
    const failure = { kind: 'run', message: 'no', runtimeCode: 'Fail' };
    expect(decodeRankAnswer(encodeRankFrame({ failure }, []))).toEqual({ head: { failure }, tensors: [] });
  });

  it('are refused when they are cut off at any place, or longer', () => {
    const frame = encodeRankFrame(head, tensors);
    for (let length = 0; length < frame.byteLength; length++)
      expect(() => decodeRankBatch(frame.subarray(0, length))).toThrow('not a message of the ranks');
    expect(() => decodeRankBatch(Buffer.concat([frame, Buffer.alloc(1)]))).toThrow('longer than its tensors');
  });

  it.each<[string, object]>([
    ['no worker', { ...head, worker: 3 }],
    ['a negative epoch', { ...head, epoch: -1 }],
    ['a broken deadline', { ...head, deadlineMs: 1.5 }],
  ])('with %s are refused', (_, wrong) => {
    expect(() => decodeRankBatch(encodeRankFrame(wrong as RankBatch, []))).toThrow('not a message of the ranks');
  });

  it('with tensors of strings are refused', () => {
    const strings: Tensor = { dtype: 'string', shape: [], bytes: new Uint8Array(4) };
    expect(() => decodeRankBatch(encodeRankFrame(head, [strings]))).toThrow('no dtype of fixed size');
  });
});
