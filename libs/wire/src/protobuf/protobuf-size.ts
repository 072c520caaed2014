/** Bytes of a varint of a non-negative safe integer. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 5;
  for (let rest = value / 0x800000000; rest >= 1; rest /= 128) size++;
  return size;
}

/** Bytes of a varint field; none for 0, which is not written. The field number is below 16, here and in all below. */
export function uintFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

/** Bytes of a length-delimited field with `length` bytes in it. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Bytes of a string field; none for '', which is not written. */
export function stringFieldSize(text: string): number {
  return text.length === 0 ? 0 : fieldSize(textBytes(text));
}

/** Bytes of a text in UTF-8. Names are short and ASCII: a loop is faster than a call into the runtime. */
function textBytes(text: string): number {
  const { length } = text;
  if (length >= 64) return Buffer.byteLength(text, 'utf8');
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text, 'utf8');
  return length;
}

/** Bytes of the contents of a packed field of non-negative safe integers. */
export function packedSize(values: readonly number[]): number {
  let size = 0;
  for (let i = 0; i < values.length; i++) size += varintSize(values[i] as number);
  return size;
}
