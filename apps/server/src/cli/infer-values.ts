import { readFileSync } from 'node:fs';
import { Tensor, type ClientInput, type ClientOutput, type NestedTexts, type Nested, type ValueDescription } from '@mserve/client';
import { b64Types, dtypeOfB64Type, isRecord, isVariableSize, type DType } from '@mserve/wire';
import { CliError } from '../cli-error.js';
import { fileProblem } from '../file-problem.js';
import { readNpyFile } from '../npy-file.js';

/** A number of JSON, as it was written: 1.0 is a float and 1 an integer, which JavaScript's numbers would not keep apart, and integers have up to 64 bits. */
class Literal {
  constructor(readonly text: string) {}

  get isWhole(): boolean {
    return !/[.eE]/.test(this.text);
  }
}

/** What an input was given as: a tensor, bytes, or a value of JSON whose numbers are literals. */
export type GivenValue = { readonly tensor: Tensor } | { readonly bytes: Uint8Array } | { readonly json: unknown };

const numberOrText = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const literalKey = '\0literal';

/** Reads JSON. Throws SyntaxError for what is none. */
function parsed(text: string): unknown {
  JSON.parse(text);
  const marked = text.replace(numberOrText, (token) => (token.startsWith('"') ? token : JSON.stringify({ [literalKey]: token })));
  return JSON.parse(marked, (_key, value: unknown) => {
    if (!isObject(value)) return value;
    const literal = value[literalKey];
    return typeof literal === 'string' ? new Literal(literal) : value;
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return isRecord(value) && !(value instanceof Literal);
}

function readFile(path: string): GivenValue {
  try {
    if (!path.endsWith('.npy')) return { bytes: readFileSync(path) };
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${fileProblem(error)}`, 2);
  }
  const { dtype, shape, bytes } = readNpyFile(path);
  if (isVariableSize(dtype))
    throw new CliError(`a .npy file of dtype ${dtype} cannot be sent; give the text as JSON, for example name='"text"'`, 2);
  return { tensor: Tensor.fromBytes(dtype, shape, bytes) };
}

/** `name=@file` (.npy = tensor, anything else = its bytes) or `name=json`. CliError for what is neither. */
export function givenInput(text: string): [name: string, value: GivenValue] {
  const at = text.indexOf('=');
  if (at <= 0) throw new CliError(`--input '${text}' is neither name=@file nor name=json`, 2);
  const name = text.slice(0, at);
  const value = text.slice(at + 1);
  if (value.startsWith('@')) return [name, readFile(value.slice(1))];
  try {
    return [name, { json: parsed(value) }];
  } catch {
    throw new CliError(
      `--input ${name}: '${value.slice(0, 60)}' is not JSON (text needs quotes: ${name}='"text"'; a file needs @: ${name}=@file)`,
      2,
    );
  }
}

const notFinite: ReadonlySet<unknown> = new Set(['NaN', 'Infinity', '-Infinity']);

/**
 * What is sent for an input. Numbers take the dtype that the method declares; where it declares none, integers are int32 and others float32, by the first one.
 * `{"b64": text, "type": dtype, "shape": [...]}` is what the original's REST protocol has for it. CliError for a value that is none of these.
 */
export function clientInput(name: string, given: GivenValue, declared: ValueDescription | undefined): ClientInput {
  if ('tensor' in given) return given.tensor;
  if ('bytes' in given) return given.bytes;
  try {
    return inputOf(given.json, declared?.dtype);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new CliError(`--input ${name}: ${error.message}`);
    throw error;
  }
}

function inputOf(json: unknown, declared: DType | undefined): ClientInput {
  if (isObject(json)) return encoded(json);
  let first = json;
  while (Array.isArray(first)) first = first[0];
  if (isObject(first)) return nested<NestedTexts>(json, (leaf) => textIn(encoded(expectRecord(leaf))));
  const isFloat = declared !== undefined && declared.includes('float');
  if (typeof first === 'string' && !(isFloat && notFinite.has(first))) return nested<NestedTexts>(json, textIn);
  const numeric = declared === undefined || isVariableSize(declared) ? undefined : declared;
  const guessed = first instanceof Literal ? (first.isWhole ? 'int32' : 'float32') : 'bool';
  const dtype = numeric ?? guessed;
  return Tensor.of(dtype, nested<Nested>(json, dtype.includes('float') ? (leaf) => Number(numberIn(leaf)) : numberIn));
}

/** The same lists with other leaves. */
function nested<T>(json: unknown, leaf: (value: unknown) => T): T | T[] {
  return Array.isArray(json) ? json.map((one) => nested(one, leaf) as T) : leaf(json);
}

function numberIn(leaf: unknown): number | bigint | boolean {
  if (typeof leaf === 'boolean') return leaf;
  if (typeof leaf === 'string' && notFinite.has(leaf)) return Number(leaf);
  if (!(leaf instanceof Literal)) throw new TypeError('numbers are expected, or texts, or booleans, not several kinds');
  const number = Number(leaf.text);
  return leaf.isWhole && !Number.isSafeInteger(number) ? BigInt(leaf.text) : number;
}

function textIn(leaf: unknown): string | Uint8Array {
  if (typeof leaf === 'string' || leaf instanceof Uint8Array) return leaf;
  throw new TypeError('texts are expected, not several kinds');
}

function expectRecord(leaf: unknown): Readonly<Record<string, unknown>> {
  if (isObject(leaf)) return leaf;
  throw new TypeError('objects with b64 are expected, not several kinds');
}

function encoded({ b64, type = 'bytes', shape = [] }: Readonly<Record<string, unknown>>): Tensor | Uint8Array | string {
  if (typeof b64 !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(b64) || b64.length % 4 !== 0)
    throw new TypeError('an object is {"b64": base64, "type": dtype, "shape": [...]}');
  const bytes = Buffer.from(b64, 'base64');
  const dtype = typeof type === 'string' ? dtypeOfB64Type(type) : undefined;
  if (dtype === undefined) throw new TypeError(`type is one of ${b64Types.join(', ')}`);
  if (dtype === 'bytes') return bytes;
  if (dtype === 'string') return bytes.toString();
  if (!Array.isArray(shape) || !shape.every((dim) => dim instanceof Literal && dim.isWhole))
    throw new TypeError('shape is a list of whole numbers');
  return Tensor.fromBytes(
    dtype,
    shape.map((dim) => Number(dim instanceof Literal ? dim.text : NaN)),
    bytes,
  );
}

/** Outputs as JSON, by name: lists for tensors, 64-bit integers with all their digits, `{"b64": ...}` for bytes. `indent`: spaces a level, 0: one line. */
export function outputsText(outputs: Readonly<Record<string, ClientOutput>>, indent: number): string {
  const sorted = Object.entries(outputs).sort(([a], [b]) => (a < b ? -1 : 1));
  return jsonText(Object.fromEntries(sorted.map(([name, value]) => [name, plain(value)])), indent, '');
}

function plain(value: ClientOutput | readonly (string | Uint8Array)[]): unknown {
  if (value instanceof Tensor) return value.toArray();
  if (value instanceof Uint8Array) return { b64: Buffer.from(value).toString('base64') };
  return Array.isArray(value) ? value.map(plain) : value;
}

/** As JSON.stringify, but for bigints. */
function jsonText(value: unknown, indent: number, before: string): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = before + ' '.repeat(indent);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const colon = indent === 0 ? ':' : ': ';
  const items = Array.isArray(value)
    ? value.map((item) => jsonText(item, indent, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}${colon}${jsonText(item, indent, inner)}`);
  if (items.length === 0) return `${open}${close}`;
  return indent === 0 ? `${open}${items.join(',')}${close}` : `${open}\n${inner}${items.join(`,\n${inner}`)}\n${before}${close}`;
}
