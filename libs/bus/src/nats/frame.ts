import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { ServingError, decodeHeldBytes, encodeHeldBytes, servingErrorCodes, type HeldBytes, type ServingErrorCode } from '@mserve/wire';

/** Present: the body is a HeldBytes message; the bytes themselves are to be pulled from its owner. */
const heldHeader = 'Mserve-Held';
/** Present: the body is an error text, the header's value its ServingError code. */
const errorHeader = 'Mserve-Error';
const utf8 = new TextDecoder();

/** The body of a message as a plain Uint8Array on the same memory (Buffer.slice does not copy, Uint8Array.slice does). */
export function bodyOf(message: Msg): Uint8Array {
  const { data } = message;
  return data.constructor === Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Whether this is the server's answer that nobody listens to the subject. */
export function isNoResponders(message: Msg): boolean {
  return message.data.byteLength === 0 && message.headers?.code === 503;
}

/** A NATS message that says where the bytes of a large message can be fetched. */
export function heldFrame(held: HeldBytes): { readonly body: Uint8Array; readonly headers: MsgHdrs } {
  const head = headers();
  head.set(heldHeader, '1');
  return { body: encodeHeldBytes(held), headers: head };
}

/** The reference that a message carries instead of its bytes, or undefined. INVALID_ARGUMENT when it is malformed. */
export function heldOf(message: Msg): HeldBytes | undefined {
  return message.headers?.has(heldHeader) === true ? decodeHeldBytes(bodyOf(message)) : undefined;
}

/** A NATS message that carries a ServingError as the answer to a request. */
export function errorFrame(error: ServingError): { readonly body: Uint8Array; readonly headers: MsgHdrs } {
  const head = headers();
  head.set(errorHeader, error.code);
  return { body: new TextEncoder().encode(error.message.slice(0, 16_384)), headers: head };
}

/** The error that a reply carries, or undefined. */
export function errorOf(message: Msg): ServingError | undefined {
  const code = message.headers?.get(errorHeader) ?? '';
  if (code === '') return undefined;
  const known = servingErrorCodes.includes(code as ServingErrorCode) ? (code as ServingErrorCode) : 'INTERNAL';
  return new ServingError(known, utf8.decode(message.data));
}
