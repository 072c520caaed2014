import type {
  FunctionDeclaration,
  MethodDeclaration,
  ModelDeclaration,
  ServableDeclaration,
  StageDeclaration,
  ValueSource,
} from '@mserve/register';

/** Declarations as servable_config would make them, with only what a spec cares about. */

export function model(file: string, options: Partial<ModelDeclaration> = {}): ModelDeclaration {
  return {
    key: file,
    files: [file],
    format: 'ONNX',
    withBatchDim: true,
    withoutBatchDimInputs: [],
    maxBatchSize: 32,
    batching: 'trust',
    ...options,
  };
}

export function functionOf(index: number, name: string, options: Partial<FunctionDeclaration> = {}): FunctionDeclaration {
  return { index, name, inputsCount: 1, outputsCount: 1, batchSize: undefined, takesContext: false, ...options };
}

export function input(index: number): ValueSource {
  return { from: 'input', index };
}

export function output(stage: number, index = 0): ValueSource {
  return { from: 'stage', stage, output: index };
}

export function stage(
  number: number,
  kind: 'function' | 'model',
  index: number,
  inputs: readonly ValueSource[],
  options: Partial<StageDeclaration> = {},
): StageDeclaration {
  return { number, kind, index, inputs, outputsCount: 1, batchSize: undefined, tag: undefined, context: undefined, ...options };
}

export function method(
  name: string,
  inputs: readonly string[],
  stages: readonly StageDeclaration[],
  returns: readonly ValueSource[],
  outputs?: readonly string[],
): MethodDeclaration {
  const names = outputs ?? returns.map((_, i) => (i === 0 ? 'y' : `y${i}`));
  return { name, inputs: inputs.map((label) => ({ name: label })), outputs: names.map((label) => ({ name: label })), stages, returns };
}

export function servable(parts: Partial<ServableDeclaration>): ServableDeclaration {
  return { servable: 'S', models: [], functions: [], methods: [], ...parts };
}
