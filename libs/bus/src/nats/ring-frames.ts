import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { ServingError } from '@mserve/wire';
import type { RingPlace } from '../ring/rings.js';
import { bodyOf } from './frame.js';

/** Present: a message on a channel's subject that is about a ring, and no list. */
const ringHeader = 'Mserve-Ring';

/**
 * What a message says of rings. ask: its sender wants one for this channel ·
 * begin: what is in the ring comes behind what was sent before
 */
export type RingWord = 'ask' | 'begin';

/** Undefined: it is a list. Other words are of later versions. */
export function ringWordOf(message: Msg): string | undefined {
  const word = message.headers?.get(ringHeader);
  return word === '' ? undefined : word;
}

export function ringHeaders(word: RingWord): MsgHdrs {
  const head = headers();
  head.set(ringHeader, word);
  return head;
}

/** The answer to `ask`: two numbers of 8 bytes, little-endian. */
export function placeFrame({ hub, ring }: RingPlace): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(hub), BigInt(ring)]).buffer);
}

export function placeOf(message: Msg): RingPlace {
  const [hub, ring] = wholesOf(message, 2);
  return { hub: hub as number, ring: ring as number };
}

/** The body of `begin`: the number of the ring, 8 bytes. */
export function ringFrame(ring: number): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(ring)]).buffer);
}

export function ringOf(message: Msg): number {
  return wholesOf(message, 1)[0] as number;
}

/** INVALID_ARGUMENT when there are others, or more. */
function wholesOf(message: Msg, count: number): number[] {
  const { buffer, byteOffset, byteLength } = bodyOf(message);
  if (byteLength !== count * 8) throw new ServingError('INVALID_ARGUMENT', 'not a message about a ring');
  const view = new DataView(buffer, byteOffset, byteLength);
  return Array.from({ length: count }, (_, i) => Number(view.getBigUint64(i * 8, true)));
}
