import { ServingError, type Instance } from '@mserve/wire';
import type { FunctionDeclaration, MethodDeclaration, ServableDeclaration, StageDeclaration, ValueSource } from '@mserve/register';
import { declaredInputs, type DeclaredInput } from './declared-inputs.js';
import { inInputOrder, type ModelPlan } from './model-plan.js';

/** One stage of a method. */
export interface StagePlan {
  readonly declaration: StageDeclaration;
  /** Which of the instance's values the stage takes, see {@link MethodPlan}. */
  readonly inputSlots: readonly number[];
  /** The stage's inputs are exactly the method's inputs: the instance is passed on as it is. */
  readonly takesInstance: boolean;
  /** Of a function stage. */
  readonly function: FunctionDeclaration | undefined;
  /** Most instances given to the function at once; of a function called per instance: undefined, the dispatcher chooses. */
  readonly batchSize: number | undefined;
}

/**
 * What is worked out once per method, at load. The values of an instance on its way through the method lie in slots: first the method's
 * inputs, then the outputs of stage 1, of stage 2, and so on. Stages run in order, so outputs are appended.
 */
export interface MethodPlan {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly declaredInputs: readonly DeclaredInput[];
  readonly stages: readonly StagePlan[];
  readonly returnSlots: readonly number[];
  /** The results are exactly the last stage's outputs: they are passed on as they are. */
  readonly returnsStage: boolean;
}

/** `models` are those of the servable's declaration, in its order (subgraph 0). Throws ServingError INVALID_ARGUMENT with the original's texts. */
export function planMethod(servable: ServableDeclaration, method: MethodDeclaration, models: readonly ModelPlan[]): MethodPlan {
  const inputCount = method.inputs.length;
  const firstSlots: number[] = [];
  let slots = inputCount;
  for (const stage of method.stages) {
    firstSlots.push(slots);
    slots += stage.outputsCount;
  }
  const slotOf = (source: ValueSource): number =>
    source.from === 'input' ? source.index : slotOfStage(method, firstSlots, source.stage, source.output);
  const stages = method.stages.map((stage): StagePlan => {
    if (stage.kind === 'model') checkCounts(stage, models[stage.index]);
    const slots = stage.inputs.map(slotOf);
    const model = stage.kind === 'model' ? models[stage.index] : undefined;
    const inputSlots = model?.order?.length === slots.length ? (inInputOrder(model, slots) as number[]) : slots;
    const declared = stage.kind === 'function' ? servable.functions[stage.index] : undefined;
    if (stage.kind === 'function' && declared === undefined)
      throw new ServingError('INTERNAL', `stage ${stage.number} of method '${method.name}' names no function`);
    const batchSize = stage.kind === 'function' && stage.batchSize === 0 ? automaticBatchSize(method, stage, models) : stage.batchSize;
    return { declaration: stage, inputSlots, takesInstance: isRange(inputSlots, 0, inputCount), function: declared, batchSize };
  });
  const returnSlots = method.returns.map(slotOf);
  const last = stages[stages.length - 1];
  const returnsStage = last !== undefined && isRange(returnSlots, slots - last.declaration.outputsCount, slots);
  return {
    name: method.name,
    inputNames: method.inputs.map((input) => input.name),
    declaredInputs: declaredInputs(method),
    stages,
    returnSlots,
    returnsStage,
  };
}

function slotOfStage(method: MethodDeclaration, firstSlots: readonly number[], stageNumber: number, output: number): number {
  const position = method.stages.findIndex((stage) => stage.number === stageNumber);
  const first = firstSlots[position];
  if (first === undefined)
    throw new ServingError('INTERNAL', `method '${method.name}' uses an output of stage ${stageNumber}, which it does not have`);
  return first + output;
}

function checkCounts(stage: StageDeclaration, model: ModelPlan | undefined): void {
  if (model === undefined) throw new ServingError('INTERNAL', `stage ${stage.number} names no model`);
  const where = `model info: ${model.key}, subgraph: 0`;
  if (stage.inputs.length !== model.inputs.length) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `The inputs count ${stage.inputs.length} in registerMethod not equal to the count ${model.inputs.length} defined in model, ${where}`,
    );
  }
  if (stage.outputsCount !== model.outputs.length) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `The outputs count ${stage.outputsCount} in registerMethod not equal to the count ${model.outputs.length} defined in model, ${where}${model.unusable.map((text) => `; ${text}`).join('')}`,
    );
  }
}

/** As in the original: the smallest model batch size of the method when the stage only has method inputs, else the largest; 1 without models. */
function automaticBatchSize(method: MethodDeclaration, stage: StageDeclaration, models: readonly ModelPlan[]): number {
  const sizes = method.stages.filter((other) => other.kind === 'model').map((other) => models[other.index]?.batchSize ?? 1);
  if (sizes.length === 0) return 1;
  const onlyMethodInputs = stage.inputs.every((source) => source.from === 'input');
  return onlyMethodInputs ? Math.min(...sizes) : Math.max(...sizes);
}

function isRange(slots: readonly number[], from: number, to: number): boolean {
  return slots.length === to - from && slots.every((slot, i) => slot === from + i);
}

/** The values of these slots. */
export function pick(values: Instance, slots: readonly number[]): Instance {
  const picked = new Array<Instance[number]>(slots.length);
  for (let i = 0; i < slots.length; i++) picked[i] = values[slots[i] as number] as Instance[number];
  return picked;
}
