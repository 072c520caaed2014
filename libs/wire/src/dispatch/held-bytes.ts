import type { HeldBytes } from '../ticket.js';
import { decodeMessage, encodeMessage, type MessageCodec } from './message-codec.js';
import { address, tableCodec, uint } from './table-codec.js';

const fieldsCodec = tableCodec<HeldBytes>('a reference to held bytes', {
  owner: [1, address],
  id: [2, uint],
  offset: [3, uint],
  length: [4, uint],
});

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

export function decodeHeldBytes(bytes: Uint8Array): HeldBytes {
  return decodeMessage(heldBytesCodec, bytes);
}
