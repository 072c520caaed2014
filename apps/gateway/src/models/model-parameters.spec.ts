import { describe, expect, it } from '@jest/globals';
import { wantedOfParameters } from './model-parameters.js';

const there = [1, 2, 5];
const config = (value: unknown): Record<string, unknown> => ({ config: typeof value === 'string' ? value : JSON.stringify(value) });

describe('parameters of a load', () => {
  it.each<[parameters: Record<string, unknown>, wanted: readonly number[] | undefined]>([
    [{}, undefined],
    [config({}), undefined],
    [config({ name: 'digits' }), undefined],
    [config({ version_policy: { all: {} } }), [1, 2, 5]],
    [config({ version_policy: { latest: {} } }), [5]],
    [config({ version_policy: { latest: { num_versions: 2 } } }), [2, 5]],
    [config({ version_policy: { specific: { versions: [2, '1'] } } }), [1, 2]],
    [config({ version_policy: { specific: { versions: [9] } } }), [9]],
  ])('%j ask for %j', (parameters, wanted) => {
    expect(wantedOfParameters(parameters)?.(there)).toEqual(wanted);
  });

  it.each<[parameters: Record<string, unknown>, text: string]>([
    [{ 'file:1/model.onnx': 'AAAA' }, "parameter 'file:1/model.onnx' is not supported"],
    [{ other: 1 }, "parameter 'other' is not known"],
    [{ config: 5 }, 'must be a text'],
    [config('{'), 'is not JSON'],
    [config('[]'), 'must be a JSON object'],
    [config({ max_batch_size: 8 }), "'max_batch_size' cannot be set by a load"],
    [config({ version_policy: 'latest' }), 'version_policy must be'],
    [config({ version_policy: {} }), 'version_policy must be'],
    [config({ version_policy: { all: {}, latest: {} } }), 'version_policy must be'],
    [config({ version_policy: { latest: { num_versions: 0 } } }), 'version_policy must be'],
    [config({ version_policy: { specific: { versions: [] } } }), 'version_policy must be'],
    [config({ version_policy: { specific: { versions: ['1x'] } } }), 'version_policy must be'],
    [config({ version_policy: { specific: { versions: [1.5] } } }), 'version_policy must be'],
  ])('%j are refused', (parameters, text) => {
    expect(() => wantedOfParameters(parameters)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(text) }),
    );
  });
});
