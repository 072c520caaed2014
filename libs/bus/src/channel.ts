import type { TextCache } from '@mserve/wire';

/**
 * A kind of message of the hot path. `name` is part of the subject; the codec is used only where messages leave the process.
 * All messages that one event-loop turn has for one receiver travel as one list.
 */
export interface Channel<M> {
  /** [a-z]+, for example `tickets`. */
  readonly name: string;
  /** Its lists go through a ring in shared memory where there is one. Of all channels from one role to another at most one is: lists of several rings come in no order. */
  readonly takesRing?: boolean;
  encode(messages: readonly M[]): Uint8Array;
  /** Throws ServingError INVALID_ARGUMENT for bytes that are not such a list. Tensors in the messages are views on `bytes`. `texts`: where names that come in every message are looked up. */
  decode(bytes: Uint8Array, texts?: TextCache): M[];
}
