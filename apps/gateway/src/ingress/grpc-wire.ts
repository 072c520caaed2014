/**
 * What an infer call needs of gRPC's wire format over HTTP/2.
 * Source: the gRPC project's PROTOCOL-HTTP2 document (request and response headers, length-prefixed messages, status in the trailers).
 */

import { fieldSize, ProtobufWriter, refusal, type ServingError } from '@mserve/wire';
import { tooLarge } from '../edge/status.js';
import type { Compression, InflateErrors } from './body-inflater.js';

/** Before each message: one byte, 1 = compressed, and its length as a big-endian uint32. */
export const messagePrefixBytes = 5;

/** Content type of gRPC answers. */
export const grpcContentType = 'application/grpc';

/** Percent-encoded texts are cut here: clients take no more than 8 to 16 KiB of headers. */
const maxStatusTextBytes = 2048;

const unitMs: Readonly<Record<string, number | undefined>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Whether a content type is gRPC's. */
export function isGrpcContentType(contentType: string | undefined): boolean {
  if (contentType === grpcContentType) return true;
  return (
    contentType !== undefined && contentType.startsWith(grpcContentType) && /^(?:[+;]|$)/.test(contentType.slice(grpcContentType.length))
  );
}

/**
 * When the client stops waiting, on performance.now()'s clock: Infinity when it did not say, undefined when what it said is no timeout. A timeout is one to
 * eight digits and a unit.
 */
export function grpcDeadlineAt(timeout: string | undefined): number | undefined {
  if (timeout === undefined) return Infinity;
  const digits = timeout.length - 1;
  const ms = unitMs[timeout[digits] ?? ''];
  if (ms === undefined || digits < 1 || digits > 8) return undefined;
  let amount = 0;
  for (let i = 0; i < digits; i++) {
    const digit = timeout.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    amount = amount * 10 + digit;
  }
  return performance.now() + amount * ms;
}

/** The compression that `grpc-encoding` names, of a message that is flagged as compressed; or why there is none (the codes that gRPC's compression rules give). */
export function grpcCompression(encoding: string): Compression | ServingError {
  if (encoding === 'gzip' || encoding === 'deflate') return encoding;
  if (encoding === 'identity')
    return refusal('call-malformed', { detail: 'the request message is flagged as compressed, grpc-encoding names no compression' });
  return refusal('call-unsupported', {
    detail: `grpc-encoding '${encoding.slice(0, 100)}' is not supported, gzip, deflate and identity are`,
  });
}

/** The refusal of a message that cannot be inflated, over gRPC. */
export const grpcInflateErrors: InflateErrors = {
  tooLarge: (maxBytes) => tooLarge(`Received message larger than max (decompressed, over ${maxBytes})`),
  broken: (compression) => refusal('call-malformed', { detail: `the request message is not ${compression}` }),
};

/** A message in one piece. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}

/** A message of `bytes` bytes with its prefix, in as many pieces as cost least: the prefix is copied together with a small first part. */
export function framed(message: readonly Uint8Array[], bytes: number, isCompressed = false): readonly Uint8Array[] {
  const part = message[0];
  const withFirst = part !== undefined && part.byteLength <= 64 * 1024;
  const first = Buffer.allocUnsafe(withFirst ? messagePrefixBytes + part.byteLength : messagePrefixBytes);
  first[0] = isCompressed ? 1 : 0;
  first.writeUInt32BE(bytes, 1);
  if (!withFirst) return [first, ...message];
  first.set(part, messagePrefixBytes);
  return message.length === 1 ? [first] : [first, ...message.slice(1)];
}

/** A framed ModelStreamInferResponse: a ModelInferResponse (field 2), or the text of an error (field 1). */
export function streamAnswer(message: readonly Uint8Array[] | string): Buffer {
  const isError = typeof message === 'string';
  const content = isError ? Buffer.from(message) : joined(message);
  const size = fieldSize(content.byteLength);
  const writer = new ProtobufWriter(messagePrefixBytes + size);
  writer.bytes[0] = 0;
  writer.bytes.writeUInt32BE(size, 1);
  writer.at = messagePrefixBytes;
  writer.field(isError ? 1 : 2, content);
  return writer.bytes;
}

/** A status text as `grpc-message` has it: what is not printable ASCII, and '%', as %XX of its UTF-8. */
export function statusText(message: string): string {
  if (/^[ -$&-~]*$/.test(message) && message.length <= maxStatusTextBytes) return message;
  let text = '';
  for (const byte of Buffer.from(message)) {
    if (text.length >= maxStatusTextBytes) break;
    text +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}
