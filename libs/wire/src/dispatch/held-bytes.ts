import type { DirectPlace, HeldBytes, SharedPlace } from '../ticket.js';
import { decodeMessage, encodeMessage, type MessageCodec } from './message-codec.js';
import { address, nested, optional, string, tableCodec, uint } from './table-codec.js';

const sharedPlaceCodec = tableCodec<SharedPlace>('a place in shared memory', {
  slab: [1, uint],
  token: [2, uint],
  slot: [3, uint],
  generation: [4, uint],
});

const directPlaceCodec = tableCodec<DirectPlace>('a direct place', { address: [1, string], token: [2, uint] });

const fieldsCodec = tableCodec<HeldBytes>('a reference to held bytes', {
  owner: [1, address],
  id: [2, uint],
  offset: [3, uint],
  length: [4, uint],
  shared: [5, optional(nested(sharedPlaceCodec))],
  direct: [6, optional(nested(directPlaceCodec))],
});

/** Writes and reads HeldBytes of proto/mserve/bus/v1/dispatch.proto. */
export const heldBytesCodec: MessageCodec<HeldBytes> = {
  ...fieldsCodec,
  read(from) {
    const held = fieldsCodec.read(from);
    if (!Number.isSafeInteger(held.offset + held.length)) throw from.reader.fault('a range of held bytes is out of range');
    return held;
  },
};

/** One HeldBytes message by itself: what the bus sends to the owner to ask for these bytes. */
export function encodeHeldBytes(held: HeldBytes): Uint8Array {
  return encodeMessage(heldBytesCodec, held);
}

/** Reads one HeldBytes. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export function decodeHeldBytes(bytes: Uint8Array): HeldBytes {
  return decodeMessage(heldBytesCodec, bytes);
}
