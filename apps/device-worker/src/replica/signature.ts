import {
  ServingError,
  type ExampleTensor,
  type MethodSignature,
  type ServableSignature,
  type StageGraph,
  type TensorSignature,
} from '@mserve/wire';
import type { MethodDeclaration, ServableDeclaration, StageDeclaration, ValueSource } from '@mserve/register';
import type { BatchingVerdict } from './batching-verdict.js';
import type { ModelPlan, ValuePlan } from '../execution/model-plan.js';

/**
 * What gateways and schedulers need to know of a loaded servable version. `models` are those of the declaration, in its order.
 * Types come from the models where an input feeds one or an output comes from one, else from the author; unknown parts stay undefined.
 * Throws ServingError INVALID_ARGUMENT when the author's dtype contradicts the model's, or an example is not of its input's dtype and shape.
 */
export function signatureOf(
  declaration: ServableDeclaration,
  version: number,
  models: readonly ModelPlan[],
  verdicts: readonly BatchingVerdict[] = [],
): ServableSignature {
  // As in the original: one batch size for the servable, the largest of its models, whether a method uses them or not.
  const batchSize = Math.max(1, ...models.map((model) => model.batchSize));
  const methods = declaration.methods.map((method) => {
    const signature = methodSignature(method, models, batchSize, verdicts);
    const graph = graphOf(method, declaration);
    return graph === undefined ? signature : { ...signature, graph };
  });
  return { servable: declaration.servable, version, methods };
}

function methodSignature(
  method: MethodDeclaration,
  models: readonly ModelPlan[],
  batchSize: number,
  verdicts: readonly BatchingVerdict[],
): MethodSignature {
  const used = method.stages.filter((stage) => stage.kind === 'model').map((stage) => models[stage.index]);
  const batched = used.length === 0 || used.some((model) => model?.batching !== 'none');
  const inputs = method.inputs.map((input, i) => {
    const merged = merge(method, input, fedModelInput(method, models, i));
    return isOptional(method, models, i) ? { ...merged, optional: true } : merged;
  });
  const outputs = method.outputs.map((output, i) => merge(method, output, origin(method, models, inputs, method.returns[i])));
  const doc = method.doc === undefined ? {} : { doc: method.doc };
  return { name: method.name, inputs, outputs, batched, batchSize, ...batchingOf(method, verdicts), ...contextOf(method), ...doc };
}

/** Signatures are part of every catalog: what has more stages is not drawn. */
const maxDrawnStages = 64;

/** The stages as people see them. */
function graphOf(method: MethodDeclaration, { functions, models }: ServableDeclaration): StageGraph | undefined {
  if (method.stages.length > maxDrawnStages) return undefined;
  const stages = method.stages.map(({ number, kind, index, inputs, tag }) => ({
    number,
    kind,
    name: tag ?? (kind === 'function' ? functions[index]?.name : models[index]?.files.join(', ') || 'a distributed model') ?? '',
    inputs,
  }));
  return { stages, returns: method.returns };
}

/** Signatures are part of every catalog. */
const maxReasonLength = 1000;
const maxClasses = 1000;
/** Characters of all labels of an output together. */
const maxClassesLength = 16_384;

/** From best to worst. */
const outcomes: readonly BatchingVerdict['outcome'][] = ['proven', 'none', 'trusted', 'off', 'unproven', 'refuted'];

/** The worst of the models that the method uses. */
function batchingOf(method: MethodDeclaration, verdicts: readonly BatchingVerdict[]): Pick<MethodSignature, 'batching'> {
  let worst: BatchingVerdict | undefined;
  for (const { kind, index } of method.stages) {
    const verdict = kind === 'model' ? verdicts[index] : undefined;
    if (verdict !== undefined && (worst === undefined || outcomes.indexOf(verdict.outcome) > outcomes.indexOf(worst.outcome)))
      worst = verdict;
  }
  return worst === undefined ? {} : { batching: { outcome: worst.outcome, reason: worst.text.slice(0, maxReasonLength) } };
}

/** All that the method's functions want to know: the gateway sends it along. */
function contextOf(method: MethodDeclaration): Pick<MethodSignature, 'context'> {
  const wanted = method.stages.flatMap(({ context }) => (context === undefined ? [] : [context]));
  return wanted.length === 0 ? {} : { context: { headers: [...new Set(wanted.flatMap(({ headers }) => headers))] } };
}

/** The first model input that method input `index` feeds directly. */
function fedModelInput(method: MethodDeclaration, models: readonly ModelPlan[], index: number): Partial<TensorSignature> | undefined {
  const [first] = method.stages.flatMap((stage) => (stage.kind === 'model' ? fedInputs(stage, models, index) : []));
  return first && { dtype: first.dtype, shape: first.anyShape ? undefined : first.shape };
}

/** The inputs of a stage's model that method input `index` feeds directly. */
function fedInputs(stage: StageDeclaration, models: readonly ModelPlan[], index: number): ValuePlan[] {
  const model = models[stage.index];
  return stage.inputs.flatMap((source, argument) => {
    const fed = source.from === 'input' && source.index === index ? model?.inputs[model.order?.[argument] ?? argument] : undefined;
    return fed === undefined ? [] : [fed];
  });
}

/** Models take the input, nothing else does, and all of them have a value for it. */
function isOptional(method: MethodDeclaration, models: readonly ModelPlan[], index: number): boolean {
  const isInput = (source: ValueSource): boolean => source.from === 'input' && source.index === index;
  const users = method.stages.filter(({ inputs }) => inputs.some(isInput));
  if (users.length === 0 || users.some(({ kind }) => kind === 'function') || method.returns.some(isInput)) return false;
  return users.every((stage) => fedInputs(stage, models, index).every(({ optional }) => optional));
}

function origin(
  method: MethodDeclaration,
  models: readonly ModelPlan[],
  inputs: readonly TensorSignature[],
  source: ValueSource | undefined,
): Partial<TensorSignature> | undefined {
  if (source === undefined) return undefined;
  if (source.from === 'input') return inputs[source.index];
  const stage = method.stages.find((candidate) => candidate.number === source.stage);
  const value = stage?.kind === 'model' ? models[stage.index]?.outputs[source.output] : undefined;
  return value && { dtype: value.dtype, shape: value.anyShape ? undefined : value.shape, classes: fitClasses(value.classes) };
}

/** Signatures are part of every catalog: long lists of classes are left out. */
function fitClasses(classes: ValuePlan['classes']): ValuePlan['classes'] {
  if (classes === undefined || classes.length > maxClasses) return undefined;
  return classes.join('').length > maxClassesLength ? undefined : classes;
}

function merge(method: MethodDeclaration, given: TensorSignature, known: Partial<TensorSignature> | undefined): TensorSignature {
  if (
    given.dtype !== undefined &&
    known?.dtype !== undefined &&
    given.dtype !== known.dtype &&
    !(given.dtype === 'bytes' && known.dtype === 'string')
  ) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `'${given.name}' of method '${method.name}' is declared ${given.dtype}, the model has ${known.dtype}`,
    );
  }
  const dtype = given.dtype ?? known?.dtype;
  const shape = given.shape ?? known?.shape;
  const merged = {
    name: given.name,
    ...(dtype && { dtype }),
    ...(shape && { shape }),
    ...(known?.classes && { classes: known.classes }),
    ...(given.doc === undefined ? {} : { doc: given.doc }),
  };
  const { example } = given;
  if (example === undefined) return merged;
  if (!isExampleOf(merged, example)) {
    const shown = `${dtype ?? 'of any type'}${shape === undefined ? '' : ` [${shape.join(', ')}]`}`;
    throw new ServingError(
      'INVALID_ARGUMENT',
      `the example of '${given.name}' of method '${method.name}' is ${example.dtype} [${example.shape.join(', ')}], the input is ${shown}`,
    );
  }
  return { ...merged, example };
}

function isExampleOf({ dtype, shape }: TensorSignature, example: ExampleTensor): boolean {
  if (dtype !== undefined && dtype !== example.dtype) return false;
  return shape === undefined || (shape.length === example.shape.length && shape.every((dim, i) => dim < 0 || dim === example.shape[i]));
}
