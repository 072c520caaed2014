import { ServingError } from '@mserve/wire';

/** What a control message may have; a larger one is refused before it is parsed. */
export const maxControlBytes = 1 << 20;

const utf8 = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** The JSON value in these bytes. INVALID_ARGUMENT when they are too many, no UTF-8 or no JSON. Empty bytes are `{}`. */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.byteLength > maxControlBytes) {
    throw new ServingError('INVALID_ARGUMENT', `a control message of ${bytes.byteLength} bytes, at most ${maxControlBytes} are allowed`);
  }
  if (bytes.byteLength === 0) return {};
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch {
    throw new ServingError('INVALID_ARGUMENT', 'a control message is not JSON');
  }
}

/** undefined becomes null. RESOURCE_EXHAUSTED for what the other side would refuse. */
export function encodeJson(value: unknown): Uint8Array {
  const bytes = encoder.encode(JSON.stringify(value ?? null));
  if (bytes.byteLength > maxControlBytes) {
    throw new ServingError('RESOURCE_EXHAUSTED', `a control message of ${bytes.byteLength} bytes, at most ${maxControlBytes} are allowed`);
  }
  return bytes;
}
