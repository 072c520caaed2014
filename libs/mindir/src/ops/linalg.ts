import { positiveAxis } from '../graph/shapes.js';
import type { TensorValue, Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import { explicitPads, spatial } from './convolution.js';
import type { OpCall } from './op-call.js';
import { reduced } from './reduction.js';
import { family, op, type Emit } from './op-table.js';
import { elementAt, sequence } from '../graph/sequence.js';

/** A rows x columns mask of one diagonal. */
function diagonalMask(call: OpCall, rows: number, columns: number, offset: number): TensorValue {
  const values = sequence(call.bounded(rows * columns), (_, index) => Number((index % columns) - Math.floor(index / columns) === offset));
  return call.graph.constant('bool', [rows, columns], values);
}

/** Number k of the diagonal; bands (two numbers) are refused. */
function diagonalIndex(call: OpCall): number {
  const k = call.numbersOr('k') ?? call.refuse('takes diagonals whose numbers are not known before the run');
  return k.length === 1 || k[0] === k[1] ? elementAt(k, 0) : call.refuse('takes several diagonals at once');
}

/** The k-th diagonal of each matrix. */
function matrixDiagonalPart(call: OpCall): Value {
  const x = operandOf(call);
  const k = diagonalIndex(call);
  const [rows, columns] = [call.dim(x, -2), call.dim(x, -1)];
  const length = Math.min(rows - Math.max(0, -k), columns - Math.max(0, k));
  const flat = call.node('Reshape', [x, call.graph.ints([...(x.shape ?? []).slice(0, -2), rows * columns])]);
  const places = sequence(length, (_, index) => (index + Math.max(0, -k)) * columns + index + Math.max(0, k));
  return call.node('Gather', [flat, call.graph.ints(places)], { axis: call.rank(flat) - 1 });
}

/** Vectors onto the diagonals of fresh matrices. */
function matrixDiagonal(call: OpCall): Value {
  const x = operandOf(call);
  const k = call.find('k') === undefined ? 0 : diagonalIndex(call);
  const size = call.dim(x, -1) + Math.abs(k);
  const wanted = (name: string): number => {
    const number = call.find(name) === undefined ? -1 : call.number(name);
    return number > 0 ? number : size;
  };
  const [rows, columns] = [wanted('num_rows'), wanted('num_cols')];
  const padding =
    call.find('padding_value') === undefined ? call.like(x, 0) : call.graph.cast(call.tensor('padding_value', x.dtype), x.dtype);
  return onDiagonal(call, x, padding, rows, columns, k);
}

/** `values` on the k-th diagonal, `rest` elsewhere. */
function onDiagonal(call: OpCall, values: TensorValue, rest: TensorValue, rows: number, columns: number, k: number): TensorValue {
  const { graph } = call;
  // Column c of row r shows element min(r, c - k) of its vector; only the diagonal is kept.
  const length = call.dim(values, -1);
  const places = sequence(call.bounded(rows * columns), (_, index) =>
    Math.min(Math.max(Math.floor(index / columns) - Math.max(0, -k), 0), length - 1),
  );
  const spread = call.node('Gather', [values, graph.constant('int64', [rows, columns], places)], { axis: call.rank(values) - 1 });
  return call.node('Where', [diagonalMask(call, rows, columns, k), spread, rest]);
}

function setMatrixDiagonal(call: OpCall): Value {
  const [x, values] = [operandOf(call, 0), operandOf(call, 1)];
  return onDiagonal(call, values, x, call.dim(x, -2), call.dim(x, -1), call.find('k') === undefined ? 0 : diagonalIndex(call));
}

function fillDiagonal(call: OpCall): Value {
  const x = operandOf(call);
  if (call.bool('wrap')) return call.refuse('wraps the diagonal of a tall matrix');
  const mask = diagonalMask(call, call.dim(x, 0), call.dim(x, 1), 0);
  if (call.rank(x) !== 2) return call.refuse('fills the diagonal of more than two dims');
  return call.node('Where', [mask, call.like(x, call.number('fill_value')), x]);
}

/** The diagonal of a matrix, or of a tensor that repeats its dims. */
function diagonalPart(call: OpCall): Value {
  const x = operandOf(call);
  const half = call.rank(x) / 2;
  const sizes = sequence(half, (_, axis) => call.dim(x, axis));
  const count = call.bounded(sizes.reduce((a, b) => a * b, 1));
  const flat = call.node('Reshape', [x, call.graph.ints([-1])]);
  const picked = call.node('Gather', [flat, call.graph.ints(sequence(count, (_, index) => index * (count + 1)))], { axis: 0 });
  return call.node('Reshape', [picked, call.graph.ints(sizes)]);
}

/** Determinant and inverse by elimination without pivots would lose digits: adjugates for sizes up to 3. */
function matrixInverse(call: OpCall): Value {
  const x = operandOf(call);
  const size = call.dim(x, -1);
  if (size > 3) return call.refuse(`inverts matrices of ${size} rows; 3 is the most`);
  const axis = call.rank(x) - 1;
  const entry = (row: number, column: number): TensorValue =>
    call.node('Gather', [call.node('Gather', [x, call.graph.int(row)], { axis: axis - 1 }), call.graph.int(column)], { axis: axis - 1 });
  const mul = (a: TensorValue, b: TensorValue): TensorValue => call.node('Mul', [a, b]);
  const sub = (a: TensorValue, b: TensorValue): TensorValue => call.node('Sub', [a, b]);
  if (size === 1) return call.node('Reciprocal', [x]);
  const cofactor = (row: number, column: number): TensorValue => {
    if (size === 2) return row === column ? entry(1 - row, 1 - column) : call.node('Neg', [entry(1 - row, 1 - column)]);
    const [r1, r2, c1, c2] = [(row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3];
    return sub(mul(entry(r1, c1), entry(r2, c2)), mul(entry(r1, c2), entry(r2, c1)));
  };
  const cells = sequence(size * size, (_, index) =>
    call.node('Unsqueeze', [cofactor(index % size, Math.floor(index / size)), call.graph.ints([-1])]),
  );
  const adjugate = call.node('Reshape', [call.node('Concat', cells, { axis: -1 }), call.node('Shape', [x])]);
  const determinant = sequence(size, (_, column) => mul(entry(0, column), cofactor(0, column))).reduce((a, b) => call.node('Add', [a, b]));
  const inverse = call.node('Div', [adjugate, call.node('Unsqueeze', [determinant, call.graph.ints([-1, -2])])]);
  return call.bool('adjoint')
    ? call.node('Transpose', [inverse], { perm: [...sequence(axis - 1, (_, index) => index), axis, axis - 1] })
    : inverse;
}

/** Rows whose p-norm is above maxnorm are scaled down to it. */
function renorm(call: OpCall): Value {
  const x = operandOf(call);
  const axis = positiveAxis(call.number('dim'), call.rank(x));
  const others = sequence(call.rank(x), (_, index) => index).filter((index) => index !== axis);
  const p = call.number('p');
  const size =
    p === 2
      ? reduced(call, 'ReduceL2', x, others, true)
      : p === 1
        ? reduced(call, 'ReduceL1', x, others, true)
        : call.node('Pow', [
            reduced(call, 'ReduceSum', call.node('Pow', [call.node('Abs', [x]), call.like(x, p)]), others, true),
            call.like(x, 1 / p),
          ]);
  const limit = call.like(x, call.number('maxnorm'));
  const factor = call.node('Div', [limit, call.node('Add', [size, call.like(x, 1e-7)])]);
  return call.node('Mul', [x, call.node('Where', [call.node('Greater', [size, limit]), factor, call.like(x, 1)])]);
}

/** Which elements each window of an image covers: for sizes known before the run, one Gather of the padded image. */
function windows(call: OpCall, height: number, width: number): { places: number[]; kernel: number[]; positions: number; pads: number[] } {
  const kernel = spatial(call.numbersOr('ksizes|kernel_size'), 2, 1);
  const strides = spatial(call.numbersOr('strides|stride'), 2, 1);
  const dilations = spatial(call.numbersOr('dilations|dilation'), 2, 1);
  const pads = explicitPads(spatial(call.numbersOr('pads|padding'), 2, 0), 2);
  const [kh, kw] = kernel as [number, number];
  const [sh, sw] = strides as [number, number];
  const [dh, dw] = dilations as [number, number];
  const [ph, pw] = [height + elementAt(pads, 0) + elementAt(pads, 2), width + elementAt(pads, 1) + elementAt(pads, 3)];
  const [rows, columns] = [Math.floor((ph - (kh - 1) * dh - 1) / sh) + 1, Math.floor((pw - (kw - 1) * dw - 1) / sw) + 1];
  call.bounded(kh * kw * rows * columns, 4_000_000);
  const places: number[] = [];
  for (let i = 0; i < kh; i++)
    for (let j = 0; j < kw; j++)
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) places.push((r * sh + i * dh) * pw + c * sw + j * dw);
  return { places, kernel, positions: rows * columns, pads: [...pads] };
}

/** Image to columns: [batch, channels, kernel area, positions]. */
function imageToColumns(call: OpCall): TensorValue {
  const x = operandOf(call);
  const { graph } = call;
  const { places, kernel, positions, pads } = windows(call, call.dim(x, 2), call.dim(x, 3));
  const padded = call.node('Pad', [x, graph.ints([0, 0, ...pads.slice(0, 2), 0, 0, ...pads.slice(2)]), call.like(x, 0)]);
  const flat = call.node('Reshape', [padded, graph.ints([0, 0, -1])]);
  const area = elementAt(kernel, 0) * elementAt(kernel, 1);
  return call.node('Gather', [flat, graph.constant('int64', [area, positions], places)], { axis: 2 });
}

/** As {@link imageToColumns}, with channels and kernel area in one dim: [batch, channels * kernel area, positions]. */
function imageToFlatColumns(call: OpCall): Value {
  const columns = imageToColumns(call);
  return call.node('Reshape', [columns, call.graph.ints([0, call.dim(operandOf(call), 1) * call.dim(columns, 2), call.dim(columns, 3)])]);
}

/** Columns back to an image; overlapping windows add up. `isFlat` = channels and kernel area are one dim. */
function columnsToImage(isFlat: boolean): Emit {
  return (call) => {
    const x = operandOf(call);
    const { graph } = call;
    const [height, width] = call.numbers('output_size') as [number, number];
    const { places, kernel, positions, pads } = windows(call, height, width);
    const area = elementAt(kernel, 0) * elementAt(kernel, 1);
    const channels = isFlat ? call.dim(x, 1) / area : call.dim(x, 1);
    const [ph, pw] = [height + elementAt(pads, 0) + elementAt(pads, 2), width + elementAt(pads, 1) + elementAt(pads, 3)];
    const flat = call.node('Reshape', [x, graph.ints([-1, channels, area * positions])]);
    const lead = call.node('Shape', [flat], { start: 0, end: 2 });
    const empty = call.node('Expand', [call.like(x, 0), call.node('Concat', [lead, graph.ints([ph * pw])], { axis: 0 })]);
    const index = call.node('Expand', [graph.ints(places), call.node('Shape', [flat])]);
    const summed = call.node('ScatterElements', [empty, index, flat], { axis: 2, reduction: 'add' });
    const image = call.node('Reshape', [summed, graph.ints([-1, channels, ph, pw])]);
    return call.node('Slice', [
      image,
      graph.ints([elementAt(pads, 0), elementAt(pads, 1)]),
      graph.ints([elementAt(pads, 0) + height, elementAt(pads, 1) + width]),
      graph.ints([2, 3]),
    ]);
  };
}

/** Maxima put back to where they were in each plane. */
function maxUnpool(call: OpCall): Value {
  const [x, places] = [operandOf(call, 0), operandOf(call, 1)];
  const { graph } = call;
  const wanted = call.output()?.shape?.slice(2);
  if (wanted === undefined || wanted.includes(-1)) return call.refuse('unpools to a size that is not known before the run');
  const lead = call.node('Shape', [x], { start: 0, end: 2 });
  const empty = call.node('Expand', [
    call.like(x, 0),
    call.node('Concat', [lead, graph.ints([wanted.reduce((a, b) => a * b, 1)])], { axis: 0 }),
  ]);
  const flat = (tensor: TensorValue): TensorValue => call.node('Reshape', [tensor, graph.ints([0, 0, -1])]);
  const filled = call.node('ScatterElements', [empty, graph.cast(flat(places), 'int64'), flat(x)], { axis: 2 });
  return call.node('Reshape', [filled, graph.ints([0, 0, ...wanted])]);
}

/** The first n elements of each row along seq_dim reversed, n given per batch element. */
function reverseSequence(call: OpCall): Value {
  const x = operandOf(call);
  const lengths = call.graph.cast(operandOf(call, 1), 'int64');
  const [time, batch] = [positiveAxis(call.number('seq_dim'), call.rank(x)), positiveAxis(call.number('batch_dim', 0), call.rank(x))];
  if (time + batch === 1) return call.node('ReverseSequence', [x, lengths], { time_axis: time, batch_axis: batch });
  const rest = sequence(call.rank(x), (_, axis) => axis).filter((axis) => axis !== time && axis !== batch);
  const perm = [batch, time, ...rest];
  const reversed = call.node('ReverseSequence', [call.node('Transpose', [x], { perm }), lengths], { time_axis: 1, batch_axis: 0 });
  return call.node('Transpose', [reversed], { perm: perm.map((_, axis) => perm.indexOf(axis)) });
}

/** Rows of matrix and window operators. */
export const linalg = family('Matrices and windows', [
  op('MatrixInverse MatrixInverseExt', 'x', matrixInverse),
  op('MatrixDiagV3', 'x k num_rows num_cols padding_value', matrixDiagonal),
  op('MatrixDiagPartV3', 'x k padding_value', matrixDiagonalPart),
  op('MatrixSetDiagV3', 'x diagonal k', setMatrixDiagonal),
  op('FillDiagonal', 'x', fillDiagonal),
  op('DiagPart', 'x', diagonalPart),
  op('Renorm', 'x', renorm),
  op('Im2Col', 'x', imageToColumns),
  op('Im2ColExt', 'x kernel_size dilation padding stride', imageToFlatColumns),
  op('Col2Im', 'x output_size', columnsToImage(false)),
  op('Col2ImExt', 'x output_size kernel_size dilation padding stride', columnsToImage(true)),
  op('MaxUnpool2D MaxUnpool3D', 'x argmax', maxUnpool),
  op('ReverseSequence', 'x lengths', reverseSequence),
]);
