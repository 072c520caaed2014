import {
  dtypeEntry,
  fieldSize,
  isFailure,
  isVariableSize,
  linkedBytes,
  packedSize,
  ProtobufWriter,
  refusal,
  unpackElements,
  varintSize,
  type InstanceResult,
  type MethodSignature,
  type Tensor,
} from '@mserve/wire';
import { planOf } from '../plan.js';
import { msCodeOf } from '../../edge/status.js';
import { msText } from '../../edge/words.js';
import type { MsSpec } from './ms-request.js';

/** A PredictReply is written in two steps: every part is measured, then all go into one buffer. */
interface Part {
  readonly size: number;
  /** Of the size, those of large values. */
  readonly linked: number;
  write(writer: ProtobufWriter): void;
}

function specSize({ name, method, version, versionBytes }: MsSpec): number {
  const texts = (name.byteLength > 0 ? fieldSize(name.byteLength) : 0) + (method.byteLength > 0 ? fieldSize(method.byteLength) : 0);
  return texts + (version > 0 ? 1 + versionBytes.byteLength : 0);
}

function writeSpec(writer: ProtobufWriter, spec: MsSpec): void {
  writer.head(1, specSize(spec));
  if (spec.name.byteLength > 0) writer.field(1, spec.name);
  if (spec.method.byteLength > 0) writer.field(2, spec.method);
  if (spec.version > 0) {
    writer.byte(0x18);
    writer.raw(spec.versionBytes);
  }
}

/** The original's FAILED: for an instance whose failure would be a gRPC status if it were the request's. */
const failed = 1;

/** An ErrorMsg; code 0 with an empty text is an empty message. */
function errorPart(code: number, text: string): Part {
  const bytes = Buffer.from(text);
  const inner = (code > 0 ? 1 + varintSize(code) : 0) + (bytes.byteLength > 0 ? fieldSize(bytes.byteLength) : 0);
  return {
    size: fieldSize(inner),
    linked: 0,
    write(writer): void {
      writer.head(4, inner);
      if (code > 0) {
        writer.byte(0x08);
        writer.varint(code);
      }
      if (bytes.byteLength > 0) writer.field(2, bytes);
    },
  };
}

const noInstance: Part = { size: 2, linked: 0, write: (writer) => writer.head(3, 0) };

/** One output of an instance: a map entry. */
class OutputPart implements Part {
  readonly size: number;
  readonly linked: number;
  readonly #number: number;
  readonly #dims: number;
  readonly #shapeSize: number;
  readonly #tensorSize: number;
  readonly #entrySize: number;
  readonly #elements: readonly Uint8Array[] | undefined;

  constructor(
    readonly name: Uint8Array,
    readonly tensor: Tensor,
  ) {
    const { dtype, shape, bytes } = tensor;
    const { msNumber } = dtypeEntry(dtype);
    if (msNumber === undefined) throw refusal('answer-failed', { detail: `an output is ${dtype}, which this protocol does not have` });
    this.#number = msNumber;
    this.#dims = packedSize(shape);
    this.#shapeSize = this.#dims === 0 ? 0 : fieldSize(this.#dims);
    let contents = 0;
    this.linked = isVariableSize(dtype) ? 0 : linkedBytes(bytes);
    if (isVariableSize(dtype)) {
      this.#elements = unpackElements(tensor);
      for (const element of this.#elements) contents += fieldSize(element.byteLength);
    } else if (bytes.byteLength > 0) contents = fieldSize(bytes.byteLength);
    this.#tensorSize = fieldSize(this.#shapeSize) + 2 + contents;
    this.#entrySize = fieldSize(name.byteLength) + fieldSize(this.#tensorSize);
    this.size = fieldSize(this.#entrySize);
  }

  write(writer: ProtobufWriter): void {
    writer.head(1, this.#entrySize);
    writer.field(1, this.name);
    writer.head(2, this.#tensorSize);
    writer.head(1, this.#shapeSize);
    if (this.#shapeSize > 0) writer.packed(1, this.tensor.shape, this.#dims);
    writer.byte(0x10);
    writer.byte(this.#number);
    if (this.#elements !== undefined) for (const element of this.#elements) writer.field(4, element);
    else if (this.tensor.bytes.byteLength > 0) writer.field(3, this.tensor.bytes);
  }
}

function instancePart(method: MethodSignature, result: InstanceResult): Part {
  if (isFailure(result)) return noInstance;
  const { outputNames } = planOf(method);
  const parts: Part[] = [];
  let inner = 0;
  let linked = 0;
  for (let i = 0; i < outputNames.length; i++) {
    const tensor = result.outputs[i];
    if (tensor === undefined) throw refusal('answer-failed', { detail: `output ${method.outputs[i]?.name} is missing` });
    const part = new OutputPart(outputNames[i] as Uint8Array, tensor);
    parts.push(part);
    inner += part.size;
    linked += part.linked;
  }
  return {
    size: fieldSize(inner),
    linked,
    write(writer): void {
      writer.head(3, inner);
      for (const part of parts) part.write(writer);
    },
  };
}

/** The reply of a request that failed as a whole: the spec and one error. */
export function errorReply(spec: MsSpec, code: number, text: string): readonly Uint8Array[] {
  return assembled(spec, [errorPart(code, text)]);
}

/**
 * The reply of a request not all of whose instances failed alike: an entry per instance, and an error per instance when one
 * failed. Throws ServingError INTERNAL for an output that the protocol does not have.
 */
export function instancesReply(spec: MsSpec, method: MethodSignature, results: readonly InstanceResult[]): readonly Uint8Array[] {
  const parts = results.map((result) => instancePart(method, result));
  if (results.some(isFailure)) {
    for (const result of results)
      parts.push(isFailure(result) ? errorPart(msCodeOf(result.failure) ?? failed, msText(result.failure)) : errorPart(0, ''));
  }
  return assembled(spec, parts);
}

function assembled(spec: MsSpec, parts: readonly Part[]): readonly Uint8Array[] {
  let size = fieldSize(specSize(spec));
  let linked = 0;
  for (const part of parts) {
    size += part.size;
    linked += part.linked;
  }
  const writer = new ProtobufWriter(size, linked);
  writeSpec(writer, spec);
  for (const part of parts) part.write(writer);
  return writer.message();
}
