/**
 * The conformance kit's servable (33 methods, 24 functions) for mserve: what the kit's SPEC.json lists, method by method, so that recorded
 * exchanges of the original can be played against it. Version 2's add22 computes x1 + x2 + 100.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleepMs } from 'node:timers/promises';
import { addStage, declareModel, registerMethod, Tensor, type NumericDType } from '@mserve/register';
import { formatG } from './format-g.js';

/** The models as MindSpore exported them, or as ONNX: whichever the version folders hold. */
const format = existsSync(new URL('1/add22.mindir', import.meta.url)) ? 'MindIR' : 'ONNX';
const fileOf = (model: string): string => `${model}.${format.toLowerCase()}`;

const add22 = declareModel(fileOf('add22'), format, false);
const addB4 = declareModel(fileOf('add_b4'), format);
const subB2 = declareModel(fileOf('sub_b2'), format);
const sumdiffB2 = declareModel(fileOf('sumdiff_b2'), format);
const biasB4 = declareModel({ modelFile: fileOf('bias_b4'), modelFormat: format, withoutBatchDimInputs: 1 });
// 33 MB, for load tests only: put there by who runs them.
const hasMlp = existsSync(new URL(`1/${fileOf('mlp_b8')}`, import.meta.url));

type Pair = [Tensor, Tensor];

const isNegative = (x: Tensor): boolean => x.some((value) => Number(value) < 0);

/** Python's words for a value of the wrong kind: the text of the exception is part of the answer. */
function numbers(x: Tensor | string, attribute: string): Tensor {
  if (typeof x === 'string') throw new TypeError(`'str' object has no attribute '${attribute}'`);
  return x;
}
function text(x: Tensor | string, attribute: string): string {
  if (typeof x !== 'string') throw new TypeError(`'numpy.ndarray' object has no attribute '${attribute}'`);
  return x;
}
/** A Python int beside x. NumPy before 2.0, which the cases were recorded with: with a rank 0 array it promotes as an int64 does, else it is weak. */
const intFor = (x: Tensor, value: number): Tensor | number => (x.shape.length === 0 ? Tensor.scalar('int64', BigInt(value)) : value);
const tupleText = (shape: readonly number[]): string => `(${shape.join(',')}${shape.length === 1 ? ',' : ''})`;

function plus(a: Tensor | string, b: Tensor | string) {
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  return broadcast((x, y) => x.add(y), numbers(a, '__add__'), numbers(b, '__add__'));
}
function minus(a: Tensor, b: Tensor) {
  if (a.dtype === 'bool' && b.dtype === 'bool') {
    throw new TypeError(
      'numpy boolean subtract, the `-` operator, is not supported, use the bitwise_xor, the `^` operator, or the logical_xor function instead.',
    );
  }
  return broadcast((x, y) => x.sub(y), a, b);
}
function broadcast(operation: (a: Tensor, b: Tensor) => Tensor, a: Tensor, b: Tensor): Tensor {
  try {
    return operation(a, b);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`operands could not be broadcast together with shapes ${tupleText(a.shape)} ${tupleText(b.shape)} `);
  }
}

// Functions, called as in the original: their names are part of error texts.
function f_identity(x: Tensor | string) {
  return x;
}
function f_to_f32(a: Tensor | string, b: Tensor | string) {
  return [numbers(a, 'astype').astype('float32'), numbers(b, 'astype').astype('float32')];
}
function f_bytes(x: Tensor | string) {
  return numbers(x, 'tobytes').bytes;
}
function f_upper(s: Tensor | string) {
  return text(s, 'upper').toUpperCase();
}
function f_concat_str(a: Tensor | string, b: Tensor | string) {
  return plus(a, b);
}
function f_sum(a: Tensor | string, b: Tensor | string) {
  return plus(a, b);
}
function f_sumdiff(a: Tensor, b: Tensor) {
  return [plus(a, b), minus(a, b)];
}
function f_describe(x: Tensor | string) {
  return typeof x === 'string' ? `str:${[...x].length}` : `${x.dtype}:[${x.shape.join(', ')}]`;
}
function f_raise_neg(x: Tensor | string) {
  if (typeof x === 'string') throw new TypeError("'<' not supported between instances of 'str' and 'int'");
  if (isNegative(x)) throw new Error('negative value');
  return x.add(intFor(x, 1));
}
function f_py_scalar(kind: Tensor | string) {
  if (typeof kind !== 'string') throw new TypeError("unhashable type: 'numpy.ndarray'");
  const values = new Map<string, unknown>([
    ['int', 7],
    ['float', 2.5],
    ['bool', true],
    ['str', 'seven'],
    ['bytes', Buffer.from('\x00\xffseven', 'latin1')],
    ['big', 2 ** 40],
    ['np_int8', Tensor.scalar('int8', -3)],
    ['np_f16', Tensor.scalar('float16', 0.5)],
    ['list0', Tensor.zeros('int32', [0])],
    [
      'arr2',
      Tensor.of('int64', [
        [1, 2],
        [3, 4],
      ]),
    ],
  ]);
  if (!values.has(kind)) throw new Error(keyErrorText(kind));
  return values.get(kind);
}
/** Python's repr of a str. */
function keyErrorText(key: string): string {
  const quote = key.includes("'") && !key.includes('"') ? '"' : "'";
  const inner = key.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');
  return quote + (quote === "'" ? inner.replace(/'/g, "\\'") : inner) + quote;
}
function f_fp16(x: Tensor | string) {
  return numbers(x, 'astype').astype('float16');
}
function f_astype(x: Tensor | string, t: string) {
  return numbers(x, 'astype').astype(t as NumericDType);
}
function f_half(x: Tensor) {
  return x.div(2);
}
function f_label(x: Tensor) {
  return `sum=${formatG(Number(x.sum()))}`;
}
function f_size(x: Tensor | string) {
  const { size, shape } = numbers(x, 'size');
  return [size, shape[0] ?? 0];
}
async function f_sleep(x: Tensor, ms: Tensor) {
  await sleepMs(Number(ms.item()));
  return x;
}
async function f_call1(a: Tensor, b: Tensor) {
  return add22.call(a, b);
}
async function f_call_sub(a: Tensor, b: Tensor) {
  return subB2.call(a, b);
}
function* f_gen_add(instances: Pair[]) {
  for (const [a, b] of instances) yield plus(a, b);
}
function f_list_add(instances: Pair[]) {
  return instances.map(([a, b]) => [plus(a, b)]);
}
function* f_gen_raise(instances: [Tensor][]) {
  for (const [x] of instances) {
    if (isNegative(x)) throw new Error('bad item');
    yield x.mul(intFor(x, 2));
  }
}
function f_gen_raise_at_start(instances: [Tensor][]) {
  if (instances.some(([x]) => isNegative(x))) throw new Error('bad batch');
  return instances.map(([x]) => [x.mul(intFor(x, 2))]);
}
function* f_count(instances: [Tensor][]) {
  for (const [x] of instances) yield [x, instances.length];
}
async function* f_call_many(instances: Pair[]) {
  for (const [y] of await addB4.call(instances)) yield y;
}

registerMethod(['y'], function passthrough(x) {
  return x;
});
registerMethod(['b', 'a'], function swap(a, b) {
  return [a, b];
});
registerMethod('y', function identity(x) {
  return addStage(f_identity, x);
});
registerMethod(['y'], function echo_bytes(x) {
  return addStage(f_bytes, x);
});
registerMethod(['y'], function upper(s) {
  return addStage(f_upper, s);
});
registerMethod(['y'], function concat_str(a, b) {
  return addStage(f_concat_str, a, b);
});
registerMethod(['y'], function sum_any(a, b) {
  return addStage(f_sum, a, b);
});
registerMethod(['sum', 'diff'], function sum_diff(a, b) {
  return addStage(f_sumdiff, a, b, { outputsCount: 2 });
});
registerMethod(['d'], function describe(x) {
  return addStage(f_describe, x);
});
registerMethod(['y'], function raise_neg(x) {
  return addStage(f_raise_neg, x);
});
registerMethod(['y'], function raise_neg_tagged(x) {
  return addStage(f_raise_neg, x, { tag: 'Guard' });
});
registerMethod(['y'], function py_scalar(kind) {
  return addStage(f_py_scalar, kind);
});
registerMethod(['y'], function fp16(x) {
  return addStage(f_fp16, x);
});
registerMethod(['y'], function astype(x, t) {
  return addStage(f_astype, x, t);
});
registerMethod(['size', 'dim0'], function size_of(x) {
  return addStage(f_size, x, { outputsCount: 2 });
});
registerMethod(['y'], function sleep(x, ms) {
  return addStage(f_sleep, x, ms);
});
registerMethod(['y'], function add_common(x1, x2) {
  return addStage(add22, x1, x2);
});
registerMethod(['y'], function add_cast(x1, x2) {
  const [a, b] = addStage(f_to_f32, x1, x2, { outputsCount: 2 });
  return addStage(add22, a, b);
});
registerMethod(['y'], function add_batch(x1, x2) {
  return addStage(addB4, x1, x2);
});
registerMethod(['sum', 'diff'], function model_sumdiff(x1, x2) {
  return addStage(sumdiffB2, x1, x2, { outputsCount: 2 });
});
registerMethod(['y'], function add_bias(x, bias) {
  return addStage(biasB4, x, bias);
});
registerMethod(['y'], function add_sub(x1, x2, x3) {
  const sum = addStage(addB4, x1, x2);
  return addStage(subB2, sum, x3);
});
registerMethod(['label', 'y', 'x1'], function long_pipe(x1, x2, x3) {
  const [a, b] = addStage(f_to_f32, x1, x2, { outputsCount: 2 });
  const sum = addStage(addB4, a, b);
  const half = addStage(f_half, sum);
  const y = addStage(subB2, half, x3);
  const label = addStage(f_label, y);
  return [label, y, x1];
});
registerMethod(['y'], function call_one(x1, x2) {
  return addStage(f_call1, x1, x2);
});
registerMethod(['y'], function call_many(x1, x2) {
  return addStage(f_call_many, x1, x2, { batchSize: 4 });
});
registerMethod(['y'], function call_sub(x1, x2) {
  return addStage(f_call_sub, x1, x2);
});
registerMethod(['y'], function gen_add(a, b) {
  return addStage(f_gen_add, a, b, { batchSize: 3 });
});
registerMethod(['y'], function list_add(a, b) {
  return addStage(f_list_add, a, b, { batchSize: 2 });
});
registerMethod(['y'], function gen_add_auto(a, b) {
  return addStage(f_gen_add, a, b, { batchSize: 0 });
});
registerMethod(['y'], function gen_raise(x) {
  return addStage(f_gen_raise, x, { batchSize: 4 });
});
registerMethod(['y'], function batch_raise(x) {
  return addStage(f_gen_raise_at_start, x, { batchSize: 4 });
});
registerMethod(['y', 'n'], function count3(x) {
  return addStage(f_count, x, { outputsCount: 2, batchSize: 3 });
});
if (hasMlp) {
  const mlpB8 = declareModel(fileOf('mlp_b8'), format);
  registerMethod(['y'], function mlp(x) {
    return addStage(mlpB8, x);
  });
}
