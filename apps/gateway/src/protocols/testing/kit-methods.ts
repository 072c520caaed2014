import {
  ServingError,
  stringTensor,
  unpackElements,
  type DType,
  type Instance,
  type InstanceResult,
  type MethodSignature,
  type Tensor,
} from '@mserve/wire';
import { numbersOf } from '../json/value-text.js';
import { method, named } from './fake-catalog.js';

/** A method of the conformance kit's servable and what it computes of one instance: enough to judge the protocols by its cases. */
export interface KitMethod {
  readonly signature: MethodSignature;
  run(inputs: Instance): Instance;
}

const arrays = { int8: Int8Array, int32: Int32Array, float32: Float32Array, int64: BigInt64Array } as const;

function tensorOf(dtype: keyof typeof arrays, shape: readonly number[], values: readonly number[]): Tensor {
  const typed = dtype === 'int64' ? BigInt64Array.from(values, (value) => BigInt(value)) : new arrays[dtype](values);
  return { dtype, shape, bytes: new Uint8Array(typed.buffer) };
}

function values(tensor: Tensor): number[] {
  return Array.from(numbersOf(tensor.dtype, tensor.bytes) as ArrayLike<number>);
}

function elementwise(a: Tensor, b: Tensor, apply: (x: number, y: number) => number, dtype = a.dtype): Tensor {
  const right = values(b);
  return tensorOf(
    dtype as keyof typeof arrays,
    a.shape,
    values(a).map((x, i) => apply(x, right[i] as number)),
  );
}

const add = (x: number, y: number): number => x + y;
const subtract = (x: number, y: number): number => x - y;

function text(tensor: Tensor): string {
  return Buffer.from(unpackElements(tensor)[0] as Uint8Array).toString();
}

function refusal(name: string, functionName: string, message: string): ServingError {
  return new ServingError(
    'ABORTED',
    `Call Function 'kit.${functionName}' Failed, method: '${name}', stage index(begin with 1): 1, error msg: ${message}`,
  );
}

function entry(name: string, inputs: string[], outputs: string[], run: (inputs: Instance) => Instance): [string, KitMethod] {
  return [name, { signature: method(name, named(...inputs), named(...outputs)), run }];
}

const t = (inputs: Instance, index: number): Tensor => inputs[index] as Tensor;

const constants: Record<string, Tensor> = {
  int: tensorOf('int64', [], [7]),
  bool: { dtype: 'bool', shape: [], bytes: Uint8Array.of(1) },
  bytes: { dtype: 'bytes', shape: [], bytes: Uint8Array.of(7, 0, 0, 0, 0, 255, 0x73, 0x65, 0x76, 0x65, 0x6e) },
  np_int8: tensorOf('int8', [], [-3]),
  list0: tensorOf('int32', [0], []),
};

function half(tensor: Tensor): Tensor {
  // Only the numbers that the cases use.
  const bits = new Map(
    [
      [0.1, 0x2e66],
      [1, 0x3c00],
      [2048.5, 0x6800],
    ].map(([value, pattern]) => [Math.fround(value as number), pattern as number]),
  );
  const patterns = Uint16Array.from(values(tensor), (value) => bits.get(value) as number);
  return { dtype: 'float16', shape: tensor.shape, bytes: new Uint8Array(patterns.buffer) };
}

function describe(tensor: Tensor): Tensor {
  const shown = tensor.dtype === 'string' ? `str:${text(tensor).length}` : `${tensor.dtype}:[${tensor.shape.join(', ')}]`;
  return stringTensor(shown);
}

function guarded(name: string, functionName: string, message: string, apply: (x: number) => number): (inputs: Instance) => Instance {
  return (inputs) => {
    if (values(t(inputs, 0)).some((value) => value < 0)) throw refusal(name, functionName, message);
    const tensor = t(inputs, 0);
    return [tensorOf(tensor.dtype as keyof typeof arrays, tensor.shape, values(tensor).map(apply))];
  };
}

function sumAndDifference(inputs: Instance): Instance {
  return [elementwise(t(inputs, 0), t(inputs, 1), add), elementwise(t(inputs, 0), t(inputs, 1), subtract)];
}

const float: DType = 'float32';

/** Methods by name. Model methods of version 1 and 2 are told apart by the caller. */
export const kitMethods: ReadonlyMap<string, KitMethod> = new Map([
  entry('passthrough', ['x'], ['y'], (inputs) => inputs),
  entry('identity', ['x'], ['y'], (inputs) => inputs),
  entry('echo_bytes', ['x'], ['y'], (inputs) => [{ ...t(inputs, 0), shape: [] }]),
  entry('upper', ['s'], ['y'], (inputs) => [stringTensor(text(t(inputs, 0)).toUpperCase())]),
  entry('sum_any', ['a', 'b'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('gen_add', ['a', 'b'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('sum_diff', ['a', 'b'], ['sum', 'diff'], sumAndDifference),
  entry('model_sumdiff', ['x1', 'x2'], ['sum', 'diff'], sumAndDifference),
  entry('describe', ['x'], ['d'], (inputs) => [describe(t(inputs, 0))]),
  entry('py_scalar', ['kind'], ['y'], (inputs) => [constants[text(t(inputs, 0))] as Tensor]),
  entry('fp16', ['x'], ['y'], (inputs) => [half(t(inputs, 0))]),
  entry(
    'raise_neg',
    ['x'],
    ['y'],
    guarded('raise_neg', 'f_raise_neg', 'negative value', (x) => x + 1),
  ),
  entry(
    'gen_raise',
    ['x'],
    ['y'],
    guarded('gen_raise', 'f_gen_raise', 'bad item', (x) => x * 2),
  ),
  entry('batch_raise', ['x'], ['y'], () => {
    throw refusal('batch_raise', 'f_gen_raise_at_start', 'bad batch');
  }),
  entry('add_batch', ['x1', 'x2'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('call_many', ['x1', 'x2'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('call_one', ['x1', 'x2'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('add_cast', ['x1', 'x2'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add, float)]),
  entry('add_bias', ['x', 'bias'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('add_sub', ['x1', 'x2', 'x3'], ['y'], (inputs) => [
    elementwise(elementwise(t(inputs, 0), t(inputs, 1), add), t(inputs, 2), subtract),
  ]),
  entry('add_common', ['x1', 'x2'], ['y'], (inputs) => [elementwise(t(inputs, 0), t(inputs, 1), add)]),
  entry('long_pipe', ['x1', 'x2', 'x3'], ['label', 'y', 'x1'], (inputs) => {
    const y = elementwise(
      elementwise(t(inputs, 0), t(inputs, 1), (x, z) => (x + z) / 2, float),
      t(inputs, 2),
      subtract,
    );
    return [stringTensor(`sum=${values(y).reduce((sum, value) => sum + value, 0)}`), y, t(inputs, 0)];
  }),
]);

/** What a worker would answer for each instance. */
export function runKit(kit: KitMethod, instances: readonly Instance[]): InstanceResult[] {
  return instances.map((inputs) => {
    try {
      return { outputs: kit.run(inputs) };
    } catch (thrown) {
      const { code, message } = ServingError.from(thrown);
      return { failure: { code, message } };
    }
  });
}
