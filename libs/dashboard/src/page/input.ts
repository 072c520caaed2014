import type { TensorSignature } from '@mserve/wire';
import { packElements } from '@mserve/wire/tensors';
import { datatypeOf, readTensor } from './tensor.js';

/** What a form has for an input: text as typed, or bytes of a file. */
export interface GivenInput {
  readonly text: string;
  readonly file?: { readonly name: string; readonly bytes: Uint8Array } | undefined;
}

/** An input of one instance, ready to be sent. */
export interface ReadInput {
  readonly name: string;
  readonly datatype: string;
  /** Of the instance. */
  readonly shape: readonly number[];
  /** Elements as JSON has them; numbers that JavaScript's numbers cannot hold stay texts. */
  readonly elements: readonly (number | boolean | string)[];
  /** In place of elements that are no text. */
  readonly file?: { readonly name: string; readonly bytes: Uint8Array } | undefined;
}

/** Whether an input is text or a file, not numbers. */
export function isBytes({ dtype }: TensorSignature): boolean {
  return dtype === 'bytes' || dtype === 'string';
}

/** Dims for something to begin with: a free one is 1. */
export function startShape({ shape }: TensorSignature): readonly number[] {
  return (shape ?? []).map((dim) => (dim < 0 ? 1 : dim));
}

/** More elements are not written into a field. */
const mostShown = 4096;

/** What the field of an input has first: its example, else zeros, unless it may be left out. */
export function startGiven(input: TensorSignature): GivenInput {
  const given = givenExample(input);
  if (given !== undefined) return given;
  if (isBytes(input) || input.optional === true) return { text: '' };
  const shape = startShape(input);
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { text: count > mostShown ? '' : nestedText(new Array<string>(count).fill(input.dtype === 'bool' ? 'false' : '0'), shape) };
}

/** Undefined without an example, and for one that is no tensor: it comes from another process. */
function givenExample(input: TensorSignature): GivenInput | undefined {
  const { example, name } = input;
  if (example === undefined) return undefined;
  try {
    const raw = Uint8Array.from(atob(example.b64), (char) => char.charCodeAt(0));
    const { values, texts } = readTensor(name, datatypeOf(example.dtype), example.shape, raw);
    if (!isBytes(input)) return values.length > mostShown ? undefined : { text: nestedText(values.map(String), example.shape) };
    const [first] = texts;
    return first === undefined ? undefined : (textOf(first) ?? { text: '', file: { name: 'example', bytes: first } });
  } catch {
    return undefined;
  }
}

function textOf(bytes: Uint8Array): GivenInput | undefined {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return undefined;
  }
}

/** Elements as nested lists, one row a line. */
export function nestedText(elements: readonly string[], shape: readonly number[]): string {
  if (shape.length === 0) return elements[0] ?? '';
  if (shape.length === 1) return `[${elements.join(', ')}]`;
  const [rows = 0, ...rest] = shape;
  const size = rest.reduce((product, dim) => product * dim, 1);
  const parts = Array.from({ length: rows }, (_, i) => nestedText(elements.slice(i * size, (i + 1) * size), rest));
  return `[${parts.join(',\n ')}]`;
}

/** Numbers, also those too large for JSON, keep their digits as texts. */
const element = /"(?:[^"\\]|\\.)*"|-?\d[\w.+-]*|true|false|NaN|-?Infinity/gy;

/**
 * What was typed, as elements and shape: nested lists, or numbers with commas or spaces between for a single dim. Throws Error, in one sentence for people.
 */
export function readInput(input: TensorSignature, given: GivenInput): ReadInput {
  const { name, dtype } = input;
  const datatype = datatypeOf(dtype);
  if (given.file !== undefined) return { name, datatype: 'BYTES', shape: fixedShape(input, 1), elements: [], file: given.file };
  if (isBytes(input)) {
    if (given.text === '') throw new Error(`${name}: type a text or choose a file`);
    return { name, datatype, shape: fixedShape(input, 1), elements: [given.text] };
  }
  const text = given.text.trim();
  if (text === '') throw new Error(`${name}: numbers are missing`);
  const { elements, shape } = /^\[/.test(text) ? parseNested(name, text) : parseFlat(name, text);
  return {
    name,
    datatype,
    shape: checkedShape(input, elements.length, shape),
    elements: elements.map((one) => elementOf(name, datatype, one)),
  };
}

function elementOf(name: string, datatype: string, text: string): number | boolean | string {
  if (datatype === 'BOOL') {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new Error(`${name}: '${text}' is neither true nor false`);
  }
  const number = Number(text);
  if (text === 'true' || text === 'false' || (Number.isNaN(number) && text !== 'NaN'))
    throw new Error(`${name}: '${text}' is not a number`);
  if (/INT/.test(datatype)) {
    if (!/^-?\d+$/.test(text) && !Number.isInteger(number)) throw new Error(`${name}: '${text}' is not a whole number`);
    return Number.isSafeInteger(number) ? number : text;
  }
  return number;
}

function parseFlat(name: string, text: string): { elements: string[]; shape: number[] } {
  const elements = text.split(/[\s,;]+/).filter((one) => one !== '');
  if (elements.length === 0) throw new Error(`${name}: numbers are missing`);
  return { elements, shape: elements.length === 1 ? [] : [elements.length] };
}

function parseNested(name: string, text: string): { elements: string[]; shape: number[] } {
  const elements: string[] = [];
  const shape: number[] = [];
  let at = 0;
  const skip = (): void => {
    while (/[\s,]/.test(text[at] ?? '')) at += 1;
  };
  const list = (depth: number): void => {
    at += 1;
    let count = 0;
    for (skip(); text[at] !== ']'; skip()) {
      if (at >= text.length) throw new Error(`${name}: a ] is missing`);
      if (text[at] === '[') list(depth + 1);
      else {
        element.lastIndex = at;
        const found = element.exec(text)?.[0];
        if (found === undefined) throw new Error(`${name}: '${text.slice(at, at + 10)}' is not understood`);
        elements.push(found);
        at += found.length;
        if (shape.length > depth + 1) throw new Error(`${name}: lists and numbers are mixed`);
      }
      count += 1;
    }
    at += 1;
    if (shape[depth] === undefined) shape[depth] = count;
    else if (shape[depth] !== count) throw new Error(`${name}: lists of ${shape[depth]} and of ${count} are mixed`);
  };
  list(0);
  if (text.slice(at).trim() !== '') throw new Error(`${name}: '${text.slice(at).trim().slice(0, 10)}' is left over`);
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count !== elements.length) throw new Error(`${name}: lists and numbers are mixed`);
  return { elements, shape };
}

/** The declared shape, with what was typed for free dims. */
function checkedShape({ name, shape }: TensorSignature, count: number, typed: readonly number[]): readonly number[] {
  if (shape === undefined) return typed;
  const fits = (dims: readonly number[]): boolean =>
    dims.length === shape.length && dims.every((dim, i) => (shape[i] ?? -1) < 0 || shape[i] === dim);
  if (fits(typed)) return typed;
  const free = shape.filter((dim) => dim < 0).length;
  const known = shape.reduce((product, dim) => product * Math.max(1, dim < 0 ? 1 : dim), 1);
  if (free <= 1 && count % known === 0 && (free === 1 || count === known)) return shape.map((dim) => (dim < 0 ? count / known : dim));
  throw new Error(
    `${name}: ${count} values in the shape [${typed.join(', ')}] are given, [${shape.map((dim) => (dim < 0 ? 'any' : dim)).join(', ')}] is expected`,
  );
}

function fixedShape({ shape }: TensorSignature, count: number): readonly number[] {
  return shape === undefined ? [] : shape.map((dim) => (dim < 0 ? count : dim));
}

/** The body of an infer request, and how long its JSON is when bytes come behind it. */
export interface InferBody {
  readonly json: string;
  readonly binary: readonly Uint8Array[];
}

/** A call of one instance by the Open Inference Protocol; outputs come in binary, so that nothing is lost on the way. */
export function inferBody(inputs: readonly ReadInput[], isBatched: boolean): InferBody {
  const binary: Uint8Array[] = [];
  const listed = inputs.map(({ name, datatype, shape, elements, file }) => {
    const whole = isBatched ? [1, ...shape] : shape.length === 0 && datatype === 'BYTES' ? [1] : shape;
    if (file === undefined) return { name, datatype, shape: whole, data: elements };
    const packed = packElements([file.bytes]);
    binary.push(packed);
    return { name, datatype, shape: whole, parameters: { binary_data_size: packed.byteLength } };
  });
  return { json: jsonOf({ inputs: listed, parameters: { binary_data_output: true } }), binary };
}

interface JsonInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
  readonly parameters?: object;
}

/** JSON in which numbers that are kept as texts in `data` of whole-number tensors are numbers again. */
export function jsonOf(body: { readonly inputs: readonly JsonInput[]; readonly parameters?: object }): string {
  const raw = new Map<string, string>();
  const inputs = body.inputs.map((input) => {
    if (input.data === undefined || !/INT/.test(input.datatype)) return input;
    const data = input.data.map((one) => {
      if (typeof one !== 'string') return one;
      const mark = `@${raw.size}@`;
      raw.set(mark, one);
      return mark;
    });
    return { ...input, data };
  });
  const text = JSON.stringify({ ...body, inputs });
  return raw.size === 0 ? text : text.replace(/"(@\d+@)"/g, (all, mark: string) => raw.get(mark) ?? all);
}
