import type { ElementType } from './tensor.js';

/** ONNX's numbers of the element types, which the addon uses too. */
const codes: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

const sizes: Readonly<Record<ElementType, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
  float64: 8,
  string: 0,
};

const names: ElementType[] = [];
for (const [name, code] of Object.entries(codes)) names[code] = name as ElementType;

/** ONNX's number of an element type; undefined for a name that is none. */
export function codeOf(dtype: ElementType): number | undefined {
  return Object.hasOwn(codes, dtype) ? codes[dtype] : undefined;
}

/** Name by ONNX's number. The addon only gives supported numbers. */
export function elementTypeOf(code: number): ElementType {
  return names[code]!;
}

/** Bytes of one element; 0 for strings, whose size varies. */
export function elementSizeOf(dtype: ElementType): number {
  return sizes[dtype];
}
