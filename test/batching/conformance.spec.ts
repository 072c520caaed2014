import { beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Session } from '@mserve/native';
import { proveRows, readOnnxModel } from '@mserve/onnx';
import { probeBatching } from '../../apps/device-worker/src/replica/batching-probe.js';
import { planModel } from '../../apps/device-worker/src/execution/model-plan.js';
import { model } from '../support/declarations.js';
import { exportCases, findPython } from '../parity/onnx-node/exported-cases.js';

/**
 * The node conformance cases of the `onnx` package, taken as models with a batch in dim 0: what the graph proves, no probe may refute.
 */
const { python, reason } = findPython();
const describeOrSkip = python === undefined ? describe.skip : describe;

interface Finding {
  readonly name: string;
  readonly proof: string;
  /** undefined: it could not be run so. */
  readonly probe: string | undefined;
}

/** Inputs with the first one's first dim have rows; undefined when that is no batch of several. */
async function tried(folder: string, file: string): Promise<Finding | undefined> {
  const path = join(folder, file);
  const onnx = readOnnxModel(path);
  const inputs = onnx.graph.inputs.filter(({ name }) => !onnx.graph.initializers.has(name));
  const size = inputs[0]?.dims?.[0];
  if (typeof size !== 'number' || size < 2) return undefined;
  const hasRows = inputs.map(({ dims }) => dims?.[0] === size);
  const rowInputs = inputs.filter((_, i) => hasRows[i]).map(({ name }) => name);
  const proof = proveRows(onnx, { rowInputs, givenInputs: inputs.map(({ name }) => name), rowCount: size }).outcome;
  try {
    const session = await Session.open(path);
    const declared = model(file, { withoutBatchDimInputs: hasRows.flatMap((rows, i) => (rows ? [] : [i])) });
    const plan = planModel(declared, session.describe(), 0);
    const { kind } = await probeBatching({ plan, session, concurrentRuns: 1 }, { examples: [], budgetMs: 2000, timeoutMs: 2000 });
    await session.close();
    return { name: file, proof, probe: kind };
  } catch {
    return { name: file, proof, probe: undefined };
  }
}

describeOrSkip(`what the graph proves${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-rows-'));
  const findings: Finding[] = [];
  beforeAll(async () => {
    for (const { name } of exportCases(python as string, folder)) {
      const finding = await tried(folder, `${name}.onnx`);
      if (finding !== undefined) findings.push(finding);
    }
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('no probe refutes', () => {
    expect(findings.filter(({ proof, probe }) => proof === 'proven' && (probe === 'differs' || probe === 'uncounted'))).toEqual([]);
  });

  it('is most of what the probe finds independent', () => {
    const independent = findings.filter(({ probe }) => probe === 'agrees');
    expect(independent.filter(({ proof }) => proof === 'proven').length).toBeGreaterThan(independent.length * 0.7);
    expect(independent.length).toBeGreaterThan(500);
  });
});
