import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchingVerdict } from '../../apps/device-worker/src/replica/batching-verdict.js';
import { loadModels } from '../../apps/device-worker/src/replica/load-models.js';
import { workerDefaults } from '../../apps/device-worker/src/replica/worker-defaults.js';
import { silentLog } from '@mserve/app';
import { model } from '../support/declarations.js';
import { onnxModel } from '../support/onnx-model.js';
import { batchingCases } from './models.js';

const folder = mkdtempSync(join(tmpdir(), 'mserve-batching-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('whether instances share runs', () => {
  it('is told for at least 60 models', () => {
    expect(batchingCases.length).toBeGreaterThanOrEqual(60);
  });

  it.each(batchingCases)('$title: $outcome', async ({ model: parts, outcome, text, runs, declared }) => {
    const path = join(folder, 'm.onnx');
    writeFileSync(path, onnxModel(parts));
    const verdicts: BatchingVerdict[] = [];
    const loading = loadModels([model('m.onnx', { ...declared, batching: 'proven' })], {
      openers: workerDefaults(silentLog).openers,
      paths: [[path]],
      session: {},
      warmUp: true,
      probeBudgetMs: 5000,
      onProgress: () => undefined,
      onWarning: () => undefined,
      onVerdict: (_, verdict) => verdicts.push(verdict),
    });
    if (outcome === 'refused') {
      await expect(loading).rejects.toThrow(/is not the batch.*withBatchDim: false/);
      if (text !== undefined) await expect(loading).rejects.toThrow(text);
      return;
    }
    const { models, close } = await loading;
    await close();
    expect(verdicts).toEqual([
      {
        outcome,
        runs: outcome === 'proven' ? 'batched' : runs,
        text: expect.stringContaining(text ?? 'comparisons of the probe, all agree'),
      },
    ]);
    const plan = models[0]?.[0]?.plan;
    expect(plan?.alone).toBe(runs === 'alone');
    expect(plan?.batching === 'none').toBe(runs === 'whole');
  });
});
