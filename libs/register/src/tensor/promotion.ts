import { isInteger, type NumericDType } from './element.js';

/** numpy's promotion of two element types (NEP 50): the smallest type that holds both. bfloat16, which numpy has not, goes to float32 with any other. */

const floatBits: Readonly<Partial<Record<NumericDType, number>>> = { float16: 16, bfloat16: 16, float32: 32, float64: 64 };

function bitsOf(dtype: NumericDType): number {
  return Number(/\d+/.exec(dtype)?.[0] ?? 8);
}

/** Whether a dtype is a floating-point one. */
export function isFloat(dtype: NumericDType): boolean {
  return floatBits[dtype] !== undefined;
}

/** The smallest dtype that holds both, as numpy promotes two arrays (NEP 50). */
export function promote(a: NumericDType, b: NumericDType): NumericDType {
  if (a === b) return a;
  if (a === 'bool') return b;
  if (b === 'bool') return a;
  if (isFloat(a) && isFloat(b)) return promoteFloats(a, b);
  if (isFloat(a)) return promoteFloats(a, floatFor(b));
  if (isFloat(b)) return promoteFloats(floatFor(a), b);
  return promoteIntegers(a, b);
}

function promoteFloats(a: NumericDType, b: NumericDType): NumericDType {
  if (a === b) return a;
  const bits = Math.max(floatBits[a] ?? 0, floatBits[b] ?? 0);
  return bits === 64 ? 'float64' : bits === 32 || a === 'bfloat16' || b === 'bfloat16' ? 'float32' : 'float16';
}

/** The smallest float that holds every value of an integer type (int64 goes to float64 as in numpy). */
function floatFor(integer: NumericDType): NumericDType {
  const bits = bitsOf(integer);
  return bits <= 8 ? 'float16' : bits === 16 ? 'float32' : 'float64';
}

function promoteIntegers(a: NumericDType, b: NumericDType): NumericDType {
  const aSigned = !a.startsWith('u');
  const bSigned = !b.startsWith('u');
  const [aBits, bBits] = [bitsOf(a), bitsOf(b)];
  if (aSigned === bSigned) return aBits >= bBits ? a : b;
  const [signedBits, unsignedBits] = aSigned ? [aBits, bBits] : [bBits, aBits];
  if (signedBits > unsignedBits) return aSigned ? a : b;
  return unsignedBits === 64 ? 'float64' : (`int${unsignedBits * 2}` as NumericDType);
}

/**
 * The result type of a tensor with a plain number, which is "weak" as a Python number is for numpy: it takes the tensor's type,
 * but a fraction makes integers float64, and any number makes bool int64.
 */
export function promoteWeak(dtype: NumericDType, value: number | bigint | boolean): NumericDType {
  if (typeof value === 'boolean' || isFloat(dtype)) return dtype;
  const whole = typeof value === 'bigint' || Number.isInteger(value);
  if (!whole) return 'float64';
  return dtype === 'bool' ? 'int64' : dtype;
}

/** The result type of a division: integers and bool give float64. */
export function promoteDivision(dtype: NumericDType): NumericDType {
  return isInteger(dtype) || dtype === 'bool' ? 'float64' : dtype;
}
