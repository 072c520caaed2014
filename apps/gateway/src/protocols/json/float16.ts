const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** float16 (IEEE half) or bfloat16 bit patterns as numbers; both widen exactly. */
export function float16Values(dtype: 'float16' | 'bfloat16', bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  const widen = dtype === 'float16' ? halfValue : bfloatValue;
  for (let i = 0; i < bits.length; i++) values[i] = widen(bits[i] as number);
  return values;
}

function bfloatValue(bits: number): number {
  word[0] = bits << 16;
  return single[0] as number;
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
