import { dtypeEntry, isVariableSize, packElements, refusal } from '@mserve/wire';
import { invalidInput, shapeText } from '../oip/oip-inputs.js';
import type { ResolvedMethod } from '../protocol.js';
import type { OipBody } from './oip-body.js';

/**
 * A raw request of the binary tensor extension: no JSON, the body is the bytes of the only input. It is one instance of a batched method; one dim that
 * may be any follows from the length. A BYTES input is one element, the body itself. All outputs are answered binary.
 * Throws ServingError INVALID_ARGUMENT for a method with other than one input, or with one whose shape cannot follow from the length.
 */
export function rawBody(body: Uint8Array, target: ResolvedMethod): OipBody {
  const { inputs, outputs, batched } = target.method;
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    const detail = `a raw request (inference-header-content-length 0) is the bytes of one input, ${target.servable}.${target.method.name} has ${inputs.length}`;
    throw refusal('body-malformed', { detail });
  }
  const entry = dtypeEntry(input.dtype ?? 'bytes');
  const own = isVariableSize(entry.dtype)
    ? elementShape(input.shape)
    : rawShape(input.name, input.shape, body.byteLength / entry.elementBytes);
  const shape = batched ? [1, ...own] : own;
  return {
    id: '',
    inputs: [{ entry, shape, bytes: isVariableSize(entry.dtype) ? packElements([body]) : body }],
    outputs: outputs.map((_, index) => ({ index, binary: true, classes: 0 })),
    priority: 0,
    timeoutMicroseconds: 0,
    parametersFrom: 0,
    parametersTo: 0,
  };
}

/** The shape of one element: ones only; where the declared one has other dims, it is refused for its shape. */
function elementShape(declared: readonly number[] | undefined): readonly number[] {
  return (declared ?? []).map(() => 1);
}

function rawShape(name: string, declared: readonly number[] | undefined, elements: number): readonly number[] {
  const open = declared?.filter((dim) => dim === -1).length ?? 2;
  if (declared === undefined || open > 1) {
    const text = declared === undefined ? 'any shape' : `shape ${shapeText(declared)}`;
    throw invalidInput(name, `input '${name}' has ${text}: that of a raw request cannot follow from its length`);
  }
  if (open === 0) return declared;
  let known = 1;
  for (const dim of declared) if (dim !== -1) known *= dim;
  const rest = elements / known;
  if (!Number.isSafeInteger(rest)) {
    throw invalidInput(name, `input '${name}' has shape ${shapeText(declared)}, ${elements} elements do not make one of it`);
  }
  return declared.map((dim) => (dim === -1 ? rest : dim));
}
