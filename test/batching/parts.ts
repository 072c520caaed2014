import type { ModelDeclaration } from '@mserve/register';
import {
  float32Bytes,
  int64Bytes,
  type OnnxDtype,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from '../support/onnx-model.js';

/** One small model, and what must be found out about its rows. */
export interface BatchingCase {
  readonly title: string;
  readonly model: OnnxModel;
  /** 'refused': the servable does not load, because its outputs are not row by row. */
  readonly outcome: 'proven' | 'refuted' | 'unproven' | 'refused';
  /** In the text that people get. */
  readonly text?: string;
  /** How a model that is not batched runs. */
  readonly runs?: 'alone' | 'whole';
  /** What the author declares besides the file. */
  readonly declared?: Partial<Pick<ModelDeclaration, 'withoutBatchDimInputs'>>;
}

export const ints = (name: string, values: readonly number[], shape: readonly number[] = [values.length]): OnnxTensor => ({
  name,
  dtype: 'int64',
  shape,
  bytes: int64Bytes(values),
});
/** Weights: small numbers that differ. */
export const weights = (name: string, ...shape: readonly number[]): OnnxTensor => ({
  name,
  dtype: 'float32',
  shape,
  bytes: float32Bytes(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + 1) / 2)),
});
export const filled = (name: string, value: number, ...shape: readonly number[]): OnnxTensor => ({
  name,
  dtype: 'float32',
  shape,
  bytes: float32Bytes(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => value)),
});
export const node = (op: string, inputs: string, outputs: string, attributes: OnnxNode['attributes'] = {}, domain?: string): OnnxNode => ({
  op,
  inputs: inputs.split(' ').map((name) => (name === '_' ? '' : name)),
  outputs: outputs.split(' '),
  attributes,
  ...(domain !== undefined && { domain }),
});
export const value = (name: string, shape: readonly (number | string)[] | undefined, dtype: OnnxDtype = 'float32'): OnnxValue => ({
  name,
  dtype,
  ...(shape && { shape }),
});

interface Parts {
  readonly x?: readonly (number | string)[];
  readonly xs?: readonly OnnxValue[];
  readonly y?: readonly (number | string)[];
  readonly ys?: readonly OnnxValue[];
  readonly dtype?: OnnxDtype;
  readonly opset?: number;
}

/** y from x through these nodes; x is float32 ['N', 4] and y ['N', 'M'] unless said otherwise. */
export function graph(nodes: readonly OnnxNode[], initializers: readonly OnnxTensor[] = [], parts: Parts = {}): OnnxModel {
  return {
    inputs: parts.xs ?? [value('x', parts.x ?? ['N', 4])],
    outputs: parts.ys ?? [value('y', parts.y ?? ['N', 'M'], parts.dtype)],
    nodes,
    initializers,
    ...(parts.opset !== undefined && { opset: parts.opset }),
  };
}

export const image = ['N', 2, 6, 6] as const;
export const hidden = 3;

export const lstmWeights = (input: number): OnnxTensor[] => [weights('W', 1, 4 * hidden, input), weights('R', 1, 4 * hidden, hidden)];
export const gruWeights = (input: number): OnnxTensor[] => [weights('W', 1, 3 * hidden, input), weights('R', 1, 3 * hidden, hidden)];

/** The number of rows of `x`, and a shape that begins with it, as exporters write them. */
export const rowCount = [node('Shape', 'x', 'shape'), node('Gather', 'shape zero', 'n'), node('Unsqueeze', 'n at0', 'n1')];
export const rowCountConstants = [ints('zero', [0], []), ints('at0', [0])];
export const shapeOf = (name: string, rest: string): OnnxNode => node('Concat', `n1 ${rest}`, name, { axis: { int: 0 } });
export const scalar = (name: string, value: number): OnnxTensor => filled(name, value);
