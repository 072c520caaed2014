import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportCases, findPython } from './exported-cases.js';
import { sampleCases } from './sample-cases.js';
import { sweep, tableOf, type Sweep } from './sweep.js';

/**
 * Conformance cases of the `onnx` package as servables, called over the Open Inference Protocol: gRPC, REST binary, REST JSON. `npm test` has a sample;
 * all that Session passes: `npm run conformance`.
 */
const isWhole = process.env['CONFORMANCE'] === 'all';

const { python, reason } = findPython();
const describeOrSkip = python === undefined ? describe.skip : describe;

describeOrSkip(`ONNX node cases as servables${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-served-cases-'));
  let swept: Sweep;
  beforeAll(async () => {
    const cases = exportCases(python as string, folder, isWhole ? [] : sampleCases);
    swept = await sweep(folder, cases, {
      servers: isWhole ? 2 : 1,
      report: (line) => (isWhole ? process.stdout.write(`${line}\n`) : undefined),
    });
    if (isWhole) process.stdout.write(`${tableOf(swept)}\n`);
  }, 1_800_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('there are enough', () => {
    expect(swept.cases).toBeGreaterThanOrEqual(isWhole ? 1370 : 100);
  });

  it('each answers over each way as the case expects', () => {
    expect(swept.failures).toEqual([]);
  });
});
