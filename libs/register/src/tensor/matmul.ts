import { elementCount } from '@mserve/wire';
import { broadcastShape, indexer } from './arithmetic.js';
import type { Elements } from './axes.js';
import { arrayClass, elementReader, elementWriter, isInteger, type NumericDType } from './element.js';

/**
 * numpy's matmul of two tensors of one dtype: matrices in the last two axes, leading axes broadcast; rank 1 counts as a row on the left and a column on
 * the right and loses that axis again. Floats are added up in double precision and rounded once, integers wrap around, bool is "or" of "and".
 * Throws RangeError for rank 0 and for sizes that do not fit. Three plain loops: for small matrices (a model is the place for large ones).
 */
export function matrixProduct<D extends NumericDType>(dtype: D, a: Elements, b: Elements): Elements<D> {
  if (a.shape.length === 0 || b.shape.length === 0) throw new RangeError('matmul needs tensors of rank 1 or more');
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [rows = 1, inner = 1] = left.slice(-2);
  const [depth = 1, columns = 1] = right.slice(-2);
  if (inner !== depth)
    throw new RangeError(
      `shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}] do not fit for matmul: ${inner} columns against ${depth} rows`,
    );
  const batch = broadcastShape(left.slice(0, -2), right.slice(0, -2));
  const count = elementCount(batch);
  const data = new (arrayClass(dtype))(count * rows * columns);
  const product = lineProduct(dtype, a, b, inner, columns);
  const write = elementWriter(dtype, data);
  const leftAt = indexer(left.slice(0, -2), batch, elementCount(left.slice(0, -2)));
  const rightAt = indexer(right.slice(0, -2), batch, elementCount(right.slice(0, -2)));
  for (let n = 0; n < count; n++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++)
        write((n * rows + r) * columns + c, product((leftAt(n) * rows + r) * inner, rightAt(n) * inner * columns + c));
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [rows]), ...(b.shape.length === 1 ? [] : [columns])];
  return { dtype, shape, data };
}

/** The product of a row that begins at `i` of a and a column that begins at `j` of b. */
function lineProduct(
  dtype: NumericDType,
  a: Elements,
  b: Elements,
  inner: number,
  columns: number,
): (i: number, j: number) => number | bigint | boolean {
  const [readA, readB] = [elementReader(dtype, a.data), elementReader(dtype, b.data)];
  if (isInteger(dtype))
    return (i, j) => {
      let sum = 0n;
      for (let k = 0; k < inner; k++) sum += BigInt(readA(i + k)) * BigInt(readB(j + k * columns));
      return BigInt.asIntN(64, sum);
    };
  return (i, j) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += Number(readA(i + k)) * Number(readB(j + k * columns));
    return dtype === 'bool' ? sum !== 0 : sum;
  };
}
