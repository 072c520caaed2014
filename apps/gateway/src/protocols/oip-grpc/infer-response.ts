import {
  type DType,
  fieldSize,
  isVariableSize,
  linkedBytes,
  messageBytes,
  packedSize,
  ProtobufWriter,
  stringFieldSize,
  varintSize,
} from '@mserve/wire';
import { numbersOf } from '../json/value-text.js';
import { unpackedParts, type OipEcho } from '../oip/oip-outputs.js';
import type { StackedOutput } from '../oip/stacked-output.js';
import { contentsField } from './oip-contents.js';

/** The typed contents of one output, measured. */
interface Contents {
  readonly size: number;
  write(writer: ProtobufWriter): void;
}

/**
 * Writes a ModelInferResponse. Outputs are raw when the request was (or had no inputs), or when one of them has no typed form (FP16, BF16); else all are typed.
 */
export function inferResponse(echo: OipEcho, version: number, outputs: readonly StackedOutput[]): readonly Uint8Array[] {
  const raw = echo.raw || outputs.some(({ entry }) => contentsField(entry) === undefined);
  const versionText = `${version}`;
  const heads = outputs.map((output) => new OutputHead(output, raw ? undefined : contentsOf(output)));
  let size = stringFieldSize(echo.model) + stringFieldSize(versionText) + stringFieldSize(echo.id);
  for (const head of heads) size += fieldSize(head.size);
  if (raw) for (const output of outputs) size += fieldSize(messageBytes(output.parts));
  let linked = 0;
  for (const output of outputs) if (raw || isPacked(output)) for (const part of output.parts) linked += linkedBytes(part);
  const writer = new ProtobufWriter(size, linked);
  writer.string(1, echo.model);
  writer.string(2, versionText);
  writer.string(3, echo.id);
  for (const head of heads) head.write(writer);
  if (raw) {
    for (const output of outputs) {
      writer.head(6, messageBytes(output.parts));
      for (const part of output.parts) writer.raw(part);
    }
  }
  return writer.message();
}

class OutputHead {
  readonly size: number;
  readonly #dims: number;

  constructor(
    readonly output: StackedOutput,
    readonly contents: Contents | undefined,
  ) {
    this.#dims = packedSize(output.shape);
    this.size =
      stringFieldSize(output.name) +
      stringFieldSize(output.entry.oipName) +
      (this.#dims > 0 ? fieldSize(this.#dims) : 0) +
      (contents === undefined ? 0 : fieldSize(contents.size));
  }

  write(writer: ProtobufWriter): void {
    writer.head(5, this.size);
    writer.string(1, this.output.name);
    writer.string(2, this.output.entry.oipName);
    if (this.#dims > 0) writer.packed(3, this.output.shape, this.#dims);
    if (this.contents === undefined) return;
    writer.head(5, this.contents.size);
    this.contents.write(writer);
  }
}

/** Whether its typed form is the tensor's own bytes. */
function isPacked({ entry: { dtype } }: StackedOutput): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'bool';
}

function contentsOf(output: StackedOutput): Contents {
  const { dtype } = output.entry;
  const field = contentsField(output.entry) as number;
  if (isVariableSize(dtype)) return elementContents(output);
  if (isPacked(output)) return packedContents(field, output.parts, messageBytes(output.parts));
  return integerContents(field, dtype, output.parts);
}

/** Fields whose packed form is the tensor's own bytes. */
function packedContents(field: number, parts: readonly Uint8Array[], length: number): Contents {
  return {
    size: length === 0 ? 0 : fieldSize(length),
    write(writer): void {
      if (length === 0) return;
      writer.head(field, length);
      for (const part of parts) writer.raw(part);
    },
  };
}

function elementContents(output: StackedOutput): Contents {
  const elements = unpackedParts(output);
  let size = 0;
  for (const element of elements) size += fieldSize(element.byteLength);
  return {
    size,
    write(writer): void {
      for (const element of elements) writer.field(8, element);
    },
  };
}

/** Varints; negative ones take ten bytes, as protobuf has it. */
function integerContents(field: number, dtype: Exclude<DType, 'string' | 'bytes'>, parts: readonly Uint8Array[]): Contents {
  const values = parts.map((part) => numbersOf(dtype, part));
  let length = 0;
  for (const numbers of values) for (let i = 0; i < numbers.length; i++) length += integerSize(numbers[i] as number | bigint);
  return {
    size: length === 0 ? 0 : fieldSize(length),
    write(writer): void {
      if (length === 0) return;
      writer.head(field, length);
      for (const numbers of values) {
        for (let i = 0; i < numbers.length; i++) {
          const value = numbers[i] as number | bigint;
          if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) writer.varint(Number(value));
          else writer.varint64(BigInt(value));
        }
      }
    },
  };
}

function integerSize(value: number | bigint): number {
  if (value < 0) return 10;
  if (value <= Number.MAX_SAFE_INTEGER) return varintSize(Number(value));
  let size = 0;
  for (let rest = BigInt(value); rest > 0n; rest >>= 7n) size++;
  return size;
}
