import { dtypeEntry, dtypeOfB64Type, elementCount, packElements, type DType, type Tensor, type TensorSignature } from '@mserve/wire';
import { unreadable, type JsonReader } from '../json/json-reader.js';
import type { ElementSink } from '../json/element-sink.js';
import type { ElementSinks } from '../json/element-sinks.js';
import { readArray } from '../json/nested-array.js';
import { strictBase64 } from './base64.js';

/**
 * How number literals become elements. `original`: an integer literal is an integer, whatever the input's dtype, and a list is of one kind. `declared`: any
 * number, NaN and the infinities too, is a float where the input is declared as one (JavaScript writes 1.0 as 1).
 */
export type NumberRule = 'original' | 'declared';

/** What values are read with, the same for all requests. */
export interface ValueContext {
  readonly rule: NumberRule;
  readonly sinks: ElementSinks;
}

/** The declared dtype when it is a float that takes every number literal, else undefined. */
export function declaredFloat(signature: TensorSignature | undefined, context: ValueContext): DType | undefined {
  const dtype = signature?.dtype;
  return context.rule === 'declared' && dtype !== undefined && dtype.includes('float') ? dtype : undefined;
}

/** Whether the value under the cursor may be a number: a digit, a sign, or the first letter of NaN, "NaN", Infinity. Consumes nothing. */
function isNumberLike(reader: JsonReader): boolean {
  const byte = reader.peek();
  if (byte !== 0x22) return byte === 0x2d || (byte >= 0x30 && byte <= 0x39) || byte === 0x4e || byte === 0x49;
  const { at } = reader;
  try {
    reader.notFinite();
    return true;
  } catch {
    return false;
  } finally {
    reader.at = at;
  }
}

/** Rank 0 shape, shared: tensors are never written to. */
const scalar: readonly number[] = [];
const one: readonly number[] = [1];

/**
 * Reads one JSON value as a tensor by the original's rules (docs/protocols.md, "ms-rest"); the cursor is before it. `signature` is that of the input when the method is known:
 * an integer literal takes the declared integer dtype (int32 without one), a fractional literal a declared float64 (float32 without one).
 * Throws `unreadable` for everything that is not a tensor: explainValue then says why.
 */
export function readValue(reader: JsonReader, signature: TensorSignature | undefined, context: ValueContext): Tensor {
  const byte = reader.peek();
  if (byte === 0x5b) return readArrayValue(reader, signature, context);
  const float = declaredFloat(signature, context);
  if (float !== undefined && isNumberLike(reader)) {
    const sink = context.sinks.of(float, 'any');
    if (sink === undefined) throw unreadable;
    sink.one(reader);
    return { dtype: float, shape: scalar, bytes: sink.finish() };
  }
  if (byte === 0x22) return { dtype: 'string', shape: scalar, bytes: packElements([reader.string()]) };
  if (byte === 0x7b) return readObjectValue(reader, scalar, 0);
  const dtype = literalDType(reader, signature);
  const sink = context.sinks.of(dtype, 'fractional') as ElementSink;
  sink.one(reader);
  return { dtype, shape: scalar, bytes: sink.finish() };
}

/** What the literal under the cursor becomes: the element type of a whole array is decided by its first leaf. Consumes nothing. */
export function literalDType(reader: JsonReader, signature: TensorSignature | undefined): DType {
  const byte = reader.peek();
  if (byte === 0x74 || byte === 0x66) return 'bool';
  if (byte === 0x22) return 'string';
  if (!reader.numbers.scan(reader.at)) throw unreadable;
  const declared = signature?.dtype;
  // An integer past 2^64 is a float to the original's parser; here it stays an integer that no dtype holds.
  if (reader.numbers.integral) return declared !== undefined && declared.includes('int') ? declared : 'int32';
  return declared === 'float64' ? 'float64' : 'float32';
}

function readArrayValue(reader: JsonReader, signature: TensorSignature | undefined, context: ValueContext): Tensor {
  const begin = reader.at;
  let byte = reader.peek();
  while (byte === 0x5b) {
    reader.at++;
    byte = reader.peek();
  }
  if (byte === 0x7b) return readB64Element(reader, begin);
  if (byte === 0x5d) throw unreadable;
  const float = declaredFloat(signature, context);
  const isFloat = float !== undefined && isNumberLike(reader);
  const dtype = isFloat ? float : literalDType(reader, signature);
  const sink = context.sinks.of(dtype, isFloat ? 'any' : 'fractional');
  if (sink === undefined) throw unreadable;
  reader.at = begin;
  const shape = readArray(reader, sink);
  if (dtype === 'string' && elementCount(shape) !== 1) throw unreadable;
  return { dtype, shape, bytes: sink.finish() };
}

/** An array that holds one b64 object, at any depth; the cursor is on the object. */
function readB64Element(reader: JsonReader, begin: number): Tensor {
  let depth = 0;
  for (let i = begin; i < reader.at; i++) if (reader.bytes[i] === 0x5b) depth++;
  const shape = depth === 1 ? one : new Array<number>(depth).fill(1);
  const tensor = readObjectValue(reader, shape, depth);
  for (; depth > 0; depth--) if (reader.more(0x5d)) throw unreadable;
  return tensor;
}

/**
 * `{"b64": text, "type": t, "shape": [..]}`. As an array's element (`arrays` > 0 around it) only bytes and str are allowed, and for str the original
 * takes the text as it stands, not decoded; `type` and `b64` alone count there, other members are passed over.
 */
function readObjectValue(reader: JsonReader, elementShape: readonly number[], arrays: number): Tensor {
  const inArray = arrays > 0;
  // The body, its instances, the instance, the arrays, this object.
  const around = 4 + arrays;
  let text: Uint8Array | undefined;
  let dtype: DType | undefined = 'bytes';
  let shape = elementShape;
  if (!reader.enter(0x7b)) throw unreadable;
  do {
    switch (reader.text()) {
      case 'b64':
        reader.expect(0x3a);
        text = reader.string();
        break;
      case 'type':
        reader.expect(0x3a);
        dtype = dtypeOfB64Type(reader.text());
        break;
      case 'shape':
        reader.expect(0x3a);
        if (inArray) reader.skip(around);
        else shape = readShape(reader);
        break;
      default:
        if (!inArray) throw unreadable;
        reader.expect(0x3a);
        reader.skip(around);
    }
  } while (reader.more(0x7d));
  if (text === undefined || dtype === undefined) throw unreadable;
  const variable = dtype === 'bytes' || dtype === 'string';
  if (variable ? elementCount(shape) !== 1 : inArray) throw unreadable;
  const bytes = inArray && dtype === 'string' ? text : strictBase64(text);
  if (bytes === undefined) throw unreadable;
  if (!variable && bytes.byteLength !== elementCount(shape) * dtypeEntry(dtype).elementBytes) throw unreadable;
  return { dtype, shape, bytes: variable ? packElements([bytes]) : bytes };
}

function readShape(reader: JsonReader): number[] {
  const shape: number[] = [];
  if (!reader.enter(0x5b)) return shape;
  let zero = false;
  do {
    const { value, integral, exact } = reader.number();
    if (zero || !integral || !exact || value < 0 || value > 0x7fffffff || Object.is(value, -0)) throw unreadable;
    zero = value === 0;
    shape.push(value);
  } while (reader.more(0x5d));
  return shape;
}
