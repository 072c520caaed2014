import { dtypeEntry, ServingError, type Tensor } from '@mserve/wire';
import { proveRows, type OnnxModel, type RowProof } from '@mserve/onnx';
import type { SessionDescription } from '@mserve/native';
import type { ModelDeclaration } from '@mserve/register';
import type { LoadedModel } from '../execution/executor.js';
import { planModel, type ModelPlan, type StageUse } from '../execution/model-plan.js';
import { noFinding, probeBatching, type ProbeFinding } from './batching-probe.js';
import { judge, type BatchingVerdict } from './batching-verdict.js';

export interface SettleOptions {
  readonly declaration: ModelDeclaration;
  /** Reads the graph of the model; throws when that cannot be done. */
  readonly readGraph: () => OnnxModel;
  /** By input of the plan: the author's example of one instance. */
  readonly examples: readonly (Tensor | undefined)[];
  readonly budgetMs: number;
  readonly timeoutMs: number;
  /** False: nothing is run, the graph decides alone. */
  readonly runs: boolean;
}

export interface Settled {
  readonly verdict: BatchingVerdict;
  readonly probe: ProbeFinding;
}

/**
 * Decides whether instances may share runs of a model that was just opened, and warms it up on the way; {@link planSettled} makes the plan of it.
 * Rejects with ServingError INVALID_ARGUMENT when its outputs cannot be given out row by row, as the declaration says they can.
 */
export async function settleBatching(model: LoadedModel, options: SettleOptions): Promise<Settled> {
  const { declaration } = options;
  const { plan } = model;
  const key = plan.key;
  const probed = (budgetMs: number): Promise<ProbeFinding> =>
    options.runs ? probeBatching(model, { ...options, budgetMs }) : Promise.resolve(noFinding('it was not run'));
  if (plan.batching === 'none')
    return {
      verdict: { outcome: 'none', runs: 'batched', text: `model ${key} has no batch dim: one instance per run` },
      probe: await probed(0),
    };
  if (declaration.batching === 'trust')
    return {
      verdict: {
        outcome: 'trusted',
        runs: 'batched',
        text: `rows of model ${key} are independent: its author says so (batching: 'trust')`,
      },
      probe: await probed(0),
    };
  if (declaration.batching === 'off') {
    const verdict: BatchingVerdict = {
      outcome: 'off',
      runs: 'alone',
      text: `model ${key} runs one instance at a time: its author says so (batching: 'off')`,
    };
    return { verdict, probe: await probed(0) };
  }
  const description = model.session.describe();
  if (plan.batchSize === 1) {
    const probe = await probed(options.budgetMs);
    const proof = 'at most one instance runs at a time, so nothing is proven';
    const judged = judge(
      key,
      proof,
      probe,
      rowInputs(plan, description).map(({ dimNames }) => dimNames),
    );
    if (judged.outcome === 'refused') throw new ServingError('INVALID_ARGUMENT', judged.text);
    const verdict: BatchingVerdict = {
      outcome: 'none',
      runs: 'batched',
      text: `model ${key} runs one instance at a time: its batch size is 1`,
    };
    return { verdict, probe };
  }
  const startedAt = performance.now();
  const proof = proofOf(plan, description, options.readGraph);
  // A graph that was read slowly, the first one say, leaves time for a short probe
  const probe = await probed(Math.max(options.budgetMs / 2, options.budgetMs - (performance.now() - startedAt)));
  const verdict = judge(
    key,
    proof,
    probe,
    rowInputs(plan, description).map(({ dimNames }) => dimNames),
  );
  if (verdict.outcome === 'refused') throw new ServingError('INVALID_ARGUMENT', verdict.text);
  return { verdict, probe };
}

/** The model with the plan that the verdict asks for. */
export function planSettled(
  model: LoadedModel,
  declaration: ModelDeclaration,
  { runs }: BatchingVerdict,
  use: StageUse | undefined,
): LoadedModel {
  if (runs === 'batched') return model;
  if (runs === 'alone') return alone(model);
  const whole = planModel({ ...declaration, withBatchDim: false }, model.session.describe(), model.plan.subgraph, use);
  const outputs = whole.outputs.map((output, i) => ({ ...output, classes: model.plan.outputs[i]?.classes }));
  return { ...model, plan: { ...whole, outputs } };
}

function rowInputs(plan: ModelPlan, { inputs, defaults = [] }: SessionDescription): SessionDescription['inputs'] {
  return [...inputs, ...defaults].filter((_, i) => plan.inputs[i]?.whole === false);
}

/** More inputs with rows that may be left out are not proven: each doubles what is to be proven. */
const maxOptionalRows = 4;

function proofOf(plan: ModelPlan, description: SessionDescription, readGraph: () => OnnxModel): RowProof | string {
  try {
    const graph = readGraph();
    const known = new Map(graph.graph.inputs.map(({ name, type }) => [name, type]));
    const stranger = description.inputs.find(({ name, dtype }) => known.get(name) !== dtypeEntry(dtype).onnxNumber);
    // The file may have been replaced between the session's look at it and this one.
    if (stranger !== undefined) return `it is not the one that was loaded: '${stranger.name}' is another`;
    const optional = plan.inputs.filter((input) => input.optional && !input.whole).map(({ name }) => name);
    if (optional.length > maxOptionalRows) return `it has ${optional.length} inputs with rows that may be left out`;
    // A value of the model's own that others could have given is a constant like another; rows are not
    const proofs = subsetsOf(optional).map((leftOut) =>
      proveRows(graph, {
        rowInputs: rowInputs(plan, description).flatMap(({ name }) => (leftOut.has(name) ? [] : [name])),
        outputs: plan.outputs.map(({ name }) => name),
        givenInputs: plan.inputs.flatMap(({ name }) => (leftOut.has(name) ? [] : [name])),
        rowCount: plan.batching === 'fixed' ? plan.batchSize : undefined,
      }),
    );
    const rank = ({ outcome }: RowProof): number => ['proven', 'unknown', 'mixed'].indexOf(outcome);
    return proofs.reduce((worst, proof) => (rank(proof) > rank(worst) ? proof : worst));
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

function subsetsOf(names: readonly string[]): ReadonlySet<string>[] {
  return Array.from({ length: 2 ** names.length }, (_, bits) => new Set(names.filter((_name, i) => (bits >> i) % 2 === 1)));
}

/** One instance per run; a fixed batch is filled up with it. */
function alone(model: LoadedModel): LoadedModel {
  const { plan } = model;
  return { ...model, plan: { ...plan, alone: true, picky: false, batchSize: plan.batching === 'fixed' ? plan.batchSize : 1 } };
}

/** What the file says about its outputs and a run need not keep: an announced first dim that is not the batch. */
export function outputRemarks(plan: ModelPlan, { outputs }: SessionDescription): string[] {
  if (plan.batching === 'none') return [];
  const size = plan.batching === 'fixed' ? plan.batchSize : -1;
  return outputs.flatMap(({ name, shape: [first] = [] }, i) =>
    first === undefined || first === -1 || first === size
      ? []
      : [
          `output ${i} '${name}' of model ${plan.key} announces ${first} in its first dim, but the batch is ${size === -1 ? 'of any size' : size}: what a run gives counts`,
        ],
  );
}
