import type { InferRoute } from '../edge/ingress.js';

/**
 * Where in a message the first tensor's bytes begin, as the numbers of the fields that lead there: raw_input_contents of a ModelInferRequest; instances, items,
 * value and data of a PredictRequest.
 */
const fieldsToTensor: Readonly<Partial<Record<InferRoute, readonly number[]>>> = { 'oip-grpc': [7], 'ms-grpc': [2, 1, 2, 3] };

const varintType = 0;
const fixed64Type = 1;
const bytesType = 2;
const fixed32Type = 5;

/** Reads the heads of protobuf fields; what it reads is a stranger's, and may end anywhere. */
class FieldHeads {
  at = 0;
  field = 0;
  type = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** Reads on to the next field's content. false where there is none in these bytes. */
  next(): boolean {
    const tag = this.varint();
    if (tag === undefined) return false;
    this.field = Math.floor(tag / 8);
    this.type = tag % 8;
    return this.field > 0;
  }

  /** The number at this place; undefined where there is none. */
  varint(): number | undefined {
    let value = 0;
    for (let shift = 1; shift < 2 ** 49; shift *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) return undefined;
      value += (byte % 128) * shift;
      if (byte < 128) return value;
    }
    return undefined;
  }
}

/**
 * Where the first tensor begins in an infer message, told from the message's first bytes. 0 where they do not tell: it is a hint, for a body that is put
 * together so that its tensor lies at an aligned address.
 */
export function tensorOffset(route: InferRoute, head: Uint8Array): number {
  const path = fieldsToTensor[route] ?? [];
  const heads = new FieldHeads(head);
  let depth = 0;
  while (depth < path.length && heads.next()) {
    if (heads.type === varintType) heads.varint();
    else if (heads.type === fixed64Type) heads.at += 8;
    else if (heads.type === fixed32Type) heads.at += 4;
    else if (heads.type !== bytesType) return 0;
    else {
      const length = heads.varint();
      if (length === undefined) return 0;
      if (heads.field === path[depth]) depth++;
      else heads.at += length;
    }
  }
  return path.length > 0 && depth === path.length ? heads.at : 0;
}
