import { isUtf8 } from 'node:buffer';
import { absent, refusal, ServingError, dtypeEntry, elementCount, elementEnds, isVariableSize } from '@mserve/wire';
import type { DType, DTypeEntry, Instance, Tensor, TensorSignature } from '@mserve/wire';
import { clip } from '../../edge/clip.js';
import type { DecodeLimits } from '../decode-limits.js';
import { absentInput } from '../ms-tensors.js';
import { checkTextCount } from '../text-count.js';
import type { ResolvedMethod } from '../protocol.js';
import { tooLarge } from '../../edge/status.js';

/** One input as a client sent it: the whole batch. */
export interface OipInput {
  readonly entry: DTypeEntry;
  readonly shape: readonly number[];
  /** Elements as tensors have them; their number is that of the shape (numbers) or was counted when they were read (BYTES of JSON). */
  readonly bytes: Uint8Array;
}

/** The refusal of an input that is wrong in itself; `detail` is the whole sentence. */
export function invalidInput(input: string, detail: string): ServingError {
  return refusal('input-malformed', { input, detail });
}

/** The refusal of a request whose parts do not make one; `detail` is the whole sentence. */
export function malformed(detail: string): ServingError {
  return refusal('body-malformed', { detail });
}

/** `[2, 3]` */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The refusal of an input that the method does not have. */
export function unexpectedInput(name: string, target: ResolvedMethod): ServingError {
  const names = target.method.inputs.map((input) => `'${input.name}'`).join(', ');
  return refusal('input-unexpected', { input: clip(name), servable: target.servable, method: target.method.name, expected: names });
}

/**
 * Splits the inputs of a request, in the order of the signature, into its instances, as views. Batched methods: the first dim of every
 * input is the instance count; others: one instance. Throws ServingError INVALID_ARGUMENT naming the input, what was given and expected,
 * or RESOURCE_EXHAUSTED for what is over `limits`.
 */
export function splitInputs(target: ResolvedMethod, given: readonly (OipInput | undefined)[], limits: DecodeLimits): readonly Instance[] {
  const { inputs, batched } = target.method;
  let count = 1;
  let counted: string | undefined;
  for (let i = 0; i < inputs.length; i++) {
    const signature = inputs[i] as TensorSignature;
    const input = given[i];
    if (input === undefined) {
      absentInput(signature, target);
      continue;
    }
    checkAgainst(signature, input, batched);
    if (!batched) continue;
    const first = input.shape[0];
    if (first === undefined)
      throw invalidInput(signature.name, `input '${signature.name}' has shape [], its first dim must be the instance count`);
    if (counted === undefined) {
      count = first;
      counted = signature.name;
    } else if (first !== count) {
      throw invalidInput(signature.name, `input '${signature.name}' has ${first} instances, input '${counted}' has ${count}`);
    }
  }
  if (count < 1) throw malformed('the first dim of the inputs is the instance count, it must be at least 1');
  if (count > limits.maxRequestInstances)
    throw tooLarge(`the request has ${count} instances, at most ${limits.maxRequestInstances} are allowed`);
  const instances: Tensor[][] = [];
  for (let n = 0; n < count; n++) instances.push(new Array<Tensor>(inputs.length));
  for (let i = 0; i < inputs.length; i++) {
    const input = given[i];
    if (input === undefined) for (const instance of instances) instance[i] = absent;
    else splitInput(inputs[i] as TensorSignature, input, instances, i, batched, limits.maxTensorStrings);
  }
  return instances;
}

function checkAgainst(signature: TensorSignature, { entry, shape, bytes }: OipInput, batched: boolean): void {
  const expected = signature.dtype === undefined ? entry : dtypeEntry(signature.dtype);
  if (expected.oipName !== entry.oipName)
    throw refusal('input-mismatch', { input: signature.name, given: `datatype ${entry.oipName}`, expected: expected.oipName });
  const own = batched ? 1 : 0;
  const declared = signature.shape;
  if (declared !== undefined) {
    let same = shape.length === declared.length + own;
    for (let i = 0; same && i < declared.length; i++) same = declared[i] === -1 || declared[i] === shape[i + own];
    if (!same)
      throw refusal('input-mismatch', {
        input: signature.name,
        given: `shape ${shapeText(shape)}`,
        expected: shapeText(batched ? [-1, ...declared] : declared),
      });
  }
  const count = elementCount(shape);
  if (!isVariableSize(entry.dtype) && bytes.byteLength !== count * entry.elementBytes) {
    throw invalidInput(
      signature.name,
      `input '${signature.name}' of shape ${shapeText(shape)} needs ${count * entry.elementBytes} bytes, it has ${bytes.byteLength}`,
    );
  }
}

function splitInput(
  signature: TensorSignature,
  input: OipInput,
  instances: readonly Tensor[][],
  at: number,
  batched: boolean,
  maxTensorStrings: number,
): void {
  const { shape, bytes } = input;
  const ends = isVariableSize(input.entry.dtype) ? elementEndsOf(signature.name, input, maxTensorStrings) : undefined;
  const dtype = ends === undefined ? input.entry.dtype : textDType(signature, bytes, ends);
  if (!batched) {
    (instances[0] as Tensor[])[at] = { dtype, shape, bytes };
    return;
  }
  const own = shape.slice(1);
  if (instances.length === 1) {
    (instances[0] as Tensor[])[at] = { dtype, shape: own, bytes };
    return;
  }
  const each = (ends ?? bytes).length / instances.length;
  let from = 0;
  for (let n = 0; n < instances.length; n++) {
    // Elements lie one after the other, each behind its length: an instance's are one run of bytes.
    const to = ends === undefined ? from + each : each === 0 ? 0 : (ends[(n + 1) * each - 1] as number);
    (instances[n] as Tensor[])[at] = { dtype, shape: own, bytes: bytes.subarray(from, to) };
    from = to;
  }
}

/** Where the elements of a BYTES input end, counted against its shape. */
function elementEndsOf(name: string, { entry, shape, bytes }: OipInput, maxTensorStrings: number): Uint32Array {
  let ends;
  try {
    ends = elementEnds({ dtype: entry.dtype, shape, bytes });
  } catch (thrown) {
    throw invalidInput(name, `input '${name}': ${ServingError.from(thrown).message}`);
  }
  checkTextCount(ends.length, maxTensorStrings);
  return ends;
}

/**
 * The dtype that a BYTES input has inside mserve: what the signature declares. An undeclared one is string when all its elements are UTF-8, so that
 * text reaches a function as text over every protocol, else bytes. Throws ServingError for a declared string with an element that is not UTF-8.
 */
function textDType({ name, dtype }: TensorSignature, bytes: Uint8Array, ends: Uint32Array): DType {
  if (dtype === undefined ? ends.length === 0 : dtype !== 'string') return 'bytes';
  let begin = 0;
  for (const end of ends) {
    if (!isUtf8(bytes.subarray(begin + 4, end))) {
      if (dtype === undefined) return 'bytes';
      throw invalidInput(name, `input '${name}' is text, it has an element that is not UTF-8`);
    }
    begin = end;
  }
  return 'string';
}
