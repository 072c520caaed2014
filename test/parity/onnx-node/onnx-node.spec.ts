import { beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCase, type ConformanceCase, type Verdict } from './conformance-case.js';
import { exportCases, findPython } from './exported-cases.js';
import { refusedCases } from './refused-cases.js';

/**
 * The node conformance cases of the `onnx` package (issue "Show 4"): what plain Python ONNX Runtime passes, Session passes too,
 * but for the listed cases whose values are no tensors.
 */
const { python, reason } = findPython();
const describeOrSkip = python === undefined ? describe.skip : describe;

describeOrSkip(`ONNX node conformance${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let cases: ConformanceCase[];
  const verdicts = new Map<string, Verdict>();

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mserve-onnx-node-'));
    cases = exportCases(python!, folder);
    for (const conformance of cases) {
      const isTensors = conformance.sets.every((set) => Object.values(set.inputs).every((tensor) => tensor.kind === undefined));
      // Cases that Python cannot run are run too: they must not harm the process.
      if (isTensors || conformance.python === 'pass') verdicts.set(conformance.name, await runCase(folder, conformance));
    }
    rmSync(folder, { recursive: true });
    const count = (test: (name: string, verdict: Verdict) => boolean): number =>
      [...verdicts].filter(([name, verdict]) => test(name, verdict)).length;
    const pythonPasses = new Set(passing());
    process.stdout.write(
      `onnx node cases: ${cases.length}; Python passes ${pythonPasses.size}; ` +
        `of these Session passes ${count((name, { outcome }) => pythonPasses.has(name) && outcome === 'pass')} ` +
        `(${count((name, { identical }) => pythonPasses.has(name) && identical)} with identical bytes), refuses ${Object.keys(refusedCases).length} as listed; ` +
        `beyond Python it passes ${count((name, { outcome }) => !pythonPasses.has(name) && outcome === 'pass')}\n`,
    );
  }, 600_000);

  const passing = (): string[] => cases.filter(({ python }) => python === 'pass').map(({ name }) => name);

  it('has the cases', () => {
    expect(cases.length).toBeGreaterThan(1800);
    expect(passing().length).toBeGreaterThan(1300);
  });

  it('what Python passes, Session passes, but for the listed cases', () => {
    const failed = passing().filter((name) => verdicts.get(name)!.outcome !== 'pass' && !(name in refusedCases));
    expect(failed.map((name) => [name, verdicts.get(name)])).toEqual([]);
  });

  it('the listed cases are refused, with the reason in the text', () => {
    for (const [name, reason] of Object.entries(refusedCases)) {
      expect([name, verdicts.get(name)]).toEqual([
        name,
        expect.objectContaining({ outcome: 'refused', text: expect.stringContaining(reason) }),
      ]);
    }
  });
});
