import {
  absent,
  dtypeEntry,
  failureOf,
  isVariableSize,
  maxRank,
  ServingError,
  type DType,
  type Failure,
  type Instance,
  type Tensor,
} from '@mserve/wire';
import type { SessionDescription, ValueDescription } from '@mserve/native';
import type { ClassNames } from '@mserve/onnx';
import type { ModelDeclaration } from '@mserve/register';

/**
 * - fixed: runs take exactly `batchSize` instances, shorter ones are padded
 * - dynamic: runs take 1..batchSize instances
 * - none: one instance per run, shapes as in the model
 */
export type Batching = 'fixed' | 'dynamic' | 'none';

/** One input or output of a model as one instance sees it: without the batch dim. */
export interface ValuePlan {
  readonly name: string;
  readonly dtype: DType;
  /** 0 for strings. */
  readonly elementBytes: number;
  /** Per instance; -1 = decided at run time; [] where any shape will do. */
  readonly shape: readonly number[];
  /** Elements per instance; undefined when a dim is decided at run time. */
  readonly elements: number | undefined;
  /** Bytes per instance; undefined when a dim is decided at run time, and for strings. */
  readonly bytes: number | undefined;
  /** The model does not tell the shape. */
  readonly anyShape: boolean;
  /** An input without batch dim in a model that has one: passed whole, one value for the batch. */
  readonly whole: boolean;
  /** An input that may be {@link absent}: the model has a value for it. */
  readonly optional: boolean;
  /** Of an output with a number for each class: their labels. */
  readonly classes?: ClassNames | undefined;
}

/** What is worked out once per model subgraph, at load. */
export interface ModelPlan {
  readonly key: string;
  readonly subgraph: number;
  readonly batching: Batching;
  /** Most instances of one run, >= 1. */
  readonly batchSize: number;
  /** Instances never share a run, although the model has a batch dim: its rows are not known to be independent. */
  readonly alone: boolean;
  /** In the order in which the session takes them: those that may be left out come last. */
  readonly inputs: readonly ValuePlan[];
  /** Where the arguments of a stage or of Model.call go: their order is that of the file. By argument an index in `inputs`; undefined = the same order. */
  readonly order: readonly number[] | undefined;
  readonly outputs: readonly ValuePlan[];
  /** By output its place among those of a run; undefined = they are the first ones. */
  readonly outputPlaces: readonly number[] | undefined;
  /** Why the model has more outputs in its file: one sentence for each that no method can use. */
  readonly unusable: readonly string[];
  /** Instances may only share a run after a look at their tensors: there are dims decided at run time, whole inputs, or inputs that may be left out. */
  readonly picky: boolean;
}

/** How the stages of methods use a model. */
export interface StageUse {
  /** How many inputs they give it; default: all that it takes. With fewer than it takes, the last ones that it has a value for are left out for good. */
  readonly argumentCount?: number | undefined;
  /** How many outputs they take; default: all. With fewer, those are left out that are maps in the file (a classifier's ZipMap). */
  readonly outputCount?: number | undefined;
}

/**
 * What is worked out of a model's declaration and of its file. Throws ServingError INVALID_ARGUMENT (with the original's texts) when the model does not fit its declaration.
 */
export function planModel(
  declaration: ModelDeclaration,
  description: SessionDescription,
  subgraph: number,
  { argumentCount = Infinity, outputCount = Infinity }: StageUse = {},
): ModelPlan {
  const { key, withBatchDim } = declaration;
  const required = description.inputs.length;
  const given = [...description.inputs, ...(description.defaults ?? [])].slice(0, Math.max(required, argumentCount));
  const order = orderOf(description, given.length);
  const wholes = withBatchDim ? unbatchedInputsOf(declaration, given.length, order) : new Set<number>();
  const batch = withBatchDim ? batchOf(declaration, description, wholes) : ({ batching: 'none', batchSize: 1 } as const);
  const inputs = given.map((value, i) => {
    const optional = i >= required;
    const whole = withBatchDim && (wholes.has(i) || (optional && !hasRows(value, batch)));
    return planValue(value, withBatchDim && !whole, whole, optional);
  });
  const places = usedOutputs(description, outputCount);
  const outputs = places.map((place) => planValue(description.outputs[place] as ValueDescription, withBatchDim, false, false));
  const outputPlaces = places.some((place, i) => place !== i) ? places : undefined;
  const picky = batch.batchSize > 1 && inputs.some((input) => input.whole || input.optional || input.elements === undefined);
  return { key, subgraph, ...batch, alone: false, inputs, order, outputs, outputPlaces, unusable: description.unusable ?? [], picky };
}

/** Indices of the outputs that a stage with so many takes: all, or as many fewer as can be left out. The last that are maps in the file go first. */
function usedOutputs({ outputs }: SessionDescription, count: number): number[] {
  const places = outputs.map((_, i) => i);
  for (let place = outputs.length - 1; place >= 0 && places.length > count; place--)
    if (outputs[place]?.isUnzipped === true) places.splice(place, 1);
  return places.length > count ? outputs.map((_, i) => i) : places;
}

/** The plan with the labels of the classes that its outputs have numbers for, by output name. */
export function withClasses(plan: ModelPlan, classes: ReadonlyMap<string, ClassNames>): ModelPlan {
  const outputs = plan.outputs.map((output): ValuePlan => {
    const own = classes.get(output.name);
    if (own === undefined || !output.anyShape) return { ...output, classes: own };
    // The runtime infers no shape behind operators of ai.onnx.ml
    return { ...output, classes: own, anyShape: false, shape: plan.batching === 'none' ? [-1, own.length] : [own.length] };
  });
  return { ...plan, outputs };
}

function orderOf({ inputOrder }: SessionDescription, count: number): readonly number[] | undefined {
  const order = inputOrder?.filter((index) => index < count);
  return order?.some((index, i) => index !== i) === true ? order : undefined;
}

/** By argument of a stage or of Model.call, put in the order of {@link ModelPlan.inputs}. */
export function inInputOrder<T>({ order }: Pick<ModelPlan, 'order'>, byArgument: readonly T[]): readonly (T | undefined)[] {
  if (order === undefined) return byArgument;
  const ordered: (T | undefined)[] = [];
  for (const [argument, index] of order.entries()) ordered[index] = byArgument[argument];
  return ordered;
}

/**
 * The arguments of a call as inputs of the model; where there are fewer than it takes, the last ones that it has a value for are absent. undefined when they
 * are too many or too few.
 */
export function inputsOfCall({ inputs, order }: ModelPlan, args: Instance): Instance | undefined {
  const surplus = inputs.length - args.length;
  if (surplus === 0 && order === undefined) return args;
  const required = inputs.length - inputs.reduce((count, { optional }) => count + (optional ? 1 : 0), 0);
  if (surplus < 0 || args.length < required) return undefined;
  const places = (order ?? inputs.map((_, i) => i)).filter((index) => index < args.length);
  const arranged = new Array<Tensor>(inputs.length).fill(absent);
  for (const [argument, index] of places.entries()) arranged[index] = args[argument] as Tensor;
  return arranged;
}

function unbatchedInputsOf(
  { key, withoutBatchDimInputs }: ModelDeclaration,
  count: number,
  order: readonly number[] | undefined,
): Set<number> {
  const outside = withoutBatchDimInputs.find((index) => index >= count);
  if (outside !== undefined)
    throw new ServingError('INVALID_ARGUMENT', `withoutBatchDimInputs names input ${outside}, model ${key} has ${count} inputs`);
  return new Set(withoutBatchDimInputs.map((index) => order?.[index] ?? index));
}

function batchOf(
  declaration: ModelDeclaration,
  description: SessionDescription,
  wholes: ReadonlySet<number>,
): { batching: Batching; batchSize: number } {
  const named = description.inputs.map((value, i) => ({ value, label: `input ${i} '${value.name}'` })).filter((_, i) => !wholes.has(i));
  for (const { value, label } of named) {
    if (value.shape?.length === 0) {
      throw new ServingError(
        'INVALID_ARGUMENT',
        `${label} of model ${declaration.key} has no dims: declare the model with withBatchDim false, or the input in withoutBatchDimInputs`,
      );
    }
  }
  // What the file says about its outputs are remarks: the truth is what a run gives, and that is checked at every run.
  const sized = named.flatMap(({ value: { shape }, label }) => (shape?.[0] === undefined ? [] : [{ size: shape[0], label }]));
  const first = sized[0];
  const largest = Math.min(declaration.maxBatchSize, description.maxBatch ?? Infinity);
  if (first === undefined) return { batching: 'dynamic', batchSize: largest };
  const { size } = first;
  for (const { size: other, label } of sized) {
    if (other === size) continue;
    const text = (dim: number): string => (dim === -1 ? 'any' : String(dim));
    throw new ServingError(
      'INVALID_ARGUMENT',
      `Expect batch size to be same, ${first.label} has ${text(size)}, ${label} has ${text(other)}, model: ${declaration.key}: declare the model with withBatchDim false, or what has no batch dim in withoutBatchDimInputs`,
    );
  }
  if (size === 0) throw new ServingError('INVALID_ARGUMENT', `Expect batch size to be greater than 0, model: ${declaration.key}`);
  return size === -1 ? { batching: 'dynamic', batchSize: largest } : { batching: 'fixed', batchSize: size };
}

/** Whether an input that may be left out has a row for each instance, as those that must be given have. */
function hasRows({ shape }: ValueDescription, { batching, batchSize }: { batching: Batching; batchSize: number }): boolean {
  return shape?.[0] === (batching === 'fixed' ? batchSize : -1);
}

function planValue(value: ValueDescription, batched: boolean, whole: boolean, optional: boolean): ValuePlan {
  const declared = value.shape;
  const anyShape = declared === undefined || (batched && declared.length === 0);
  const shape = anyShape ? [] : batched ? declared.slice(1) : declared;
  const elements = anyShape || shape.includes(-1) ? undefined : shape.reduce((product, dim) => product * dim, 1);
  const elementBytes = dtypeEntry(value.dtype).elementBytes;
  const bytes = elements === undefined || isVariableSize(value.dtype) ? undefined : elements * elementBytes;
  return { name: value.name, dtype: value.dtype, elementBytes, shape, elements, bytes, anyShape, whole, optional };
}

/** The first thing wrong with an instance as this model's input (inputs in order, size before dtype, as in the original), or undefined. */
export function checkInputs(plan: ModelPlan, instance: Instance): Failure | undefined {
  const { inputs } = plan;
  if (instance.length < inputs.length) return failureOf('model-input-count', { given: `${instance.length}`, expected: `${inputs.length}` });
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i] as ValuePlan;
    const tensor = instance[i] as Tensor;
    if (tensor === absent && input.optional) continue;
    // Fixed sizes are compared by bytes only: float32[4] is fine for [2, 2], as in the original.
    if (input.bytes !== undefined ? dataSize(tensor) !== input.bytes : !fits(input, tensor)) return misfit(input, i, tensor);
    if (tensor.dtype !== input.dtype && !(input.dtype === 'string' && tensor.dtype === 'bytes')) {
      const given = dtypeEntry(tensor.dtype).msName;
      return failureOf('model-input-dtype', { input: `${i}`, given, expected: dtypeEntry(input.dtype).msName });
    }
  }
  return undefined;
}

/** As the original counts it: strings and bytes lie apart from a tensor's data, whose size is 0 then. */
function dataSize(tensor: Tensor): number {
  return isVariableSize(tensor.dtype) ? 0 : tensor.bytes.byteLength;
}

/** For inputs with dims decided at run time, and strings. */
function fits(input: ValuePlan, tensor: Tensor): boolean {
  const { shape } = tensor;
  if (shape.length > maxRank) return false;
  let elements = 1;
  for (const dim of shape) elements *= dim;
  if (input.anyShape) {
    if (elements > Number.MAX_SAFE_INTEGER) return false;
  } else if (input.elements === undefined) {
    if (shape.length !== input.shape.length) return false;
    for (let i = 0; i < shape.length; i++) {
      if (input.shape[i] !== -1 && input.shape[i] !== shape[i]) return false;
    }
  } else if (elements !== input.elements) {
    return false;
  }
  return isVariableSize(tensor.dtype) || tensor.bytes.byteLength === elements * dtypeEntry(tensor.dtype).elementBytes;
}

function misfit(input: ValuePlan, index: number, tensor: Tensor): Failure {
  if (input.bytes !== undefined)
    return failureOf('model-input-size', { input: `${index}`, given: `${dataSize(tensor)}`, expected: `${input.bytes}` });
  const allowed = input.anyShape ? 'any' : `[${input.shape.map((dim) => (dim === -1 ? 'any' : String(dim))).join(', ')}]`;
  return failureOf('model-input-shape', { input: `${index}`, given: `[${tensor.shape.join(', ')}]`, expected: allowed });
}

/**
 * For {@link ModelPlan.picky} models: may `other` be in a run with `first`, whose whole inputs are those of all? Same shapes, and the same value of whole
 * inputs; for `companion`, which came in one request with a member of the run, its own value does not count, as in the original; one of an input that may be left out always does.
 */
export function mayShareRun(plan: ModelPlan, first: Instance, other: Instance, companion: boolean): boolean {
  for (let i = 0; i < plan.inputs.length; i++) {
    const input = plan.inputs[i] as ValuePlan;
    const a = first[i] as Tensor;
    const b = other[i] as Tensor;
    if (a === b) continue;
    if (a === absent || b === absent) return false;
    if (input.elements === undefined && !sameShape(a.shape, b.shape)) return false;
    if (input.whole && (!companion || input.optional) && !sameBytes(a.bytes, b.bytes)) return false;
  }
  return true;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0;
}
