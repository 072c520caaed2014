import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LoadingProgress } from './loading-progress.js';

const model = { servable: 'net', version: 2, deviceId: 0, model: 'net.onnx' };

describe('LoadingProgress', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('says what loads, that it still does, and that it is ready', () => {
    const lines: string[] = [];
    const progress = new LoadingProgress((line) => lines.push(line));
    progress.tell({ ...model, state: 'loading', ms: 0 });
    jest.advanceTimersByTime(10_000);
    progress.tell({ ...model, state: 'ready', ms: 10_400 });
    jest.advanceTimersByTime(20_000);
    progress.end();
    expect(lines).toEqual([
      '… net version 2, device 0, net.onnx: loading',
      '… net version 2, device 0, net.onnx: still loading, 5 s',
      '… net version 2, device 0, net.onnx: still loading, 10 s',
      '✓ net version 2, device 0, net.onnx: ready in 10400 ms',
    ]);
  });
});
