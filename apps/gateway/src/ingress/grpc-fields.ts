import { BlockTemplate, encodeFields } from '../http2/hpack-encoder.js';
import { grpcContentType, statusText } from './grpc-wire.js';

/** Fields of an answer, in order. */
export type Fields = (readonly [name: string, value: string])[];

/** An id never comes twice: kept out of the tables of those who pass the answer on. */
const neverIndexed: ReadonlySet<string> = new Set(['x-request-id']);

const ok: Readonly<Fields> = [
  [':status', '200'],
  ['content-type', grpcContentType],
];

const okHead = new BlockTemplate(ok, 'x-request-id', neverIndexed);
const okTrailers = encodeFields([['grpc-status', '0']]);

/** Header block of an answer whose message follows. */
export function answerHead(requestId: string, more?: Readonly<Record<string, string>>): Buffer {
  return more === undefined
    ? okHead.with(requestId)
    : encodeFields([...ok, ['x-request-id', requestId], ...Object.entries(more)], neverIndexed);
}

/** Header block after the last message: the status, and its text where it is not OK. */
export function answerTrailers(status: number, message?: string): Buffer {
  if (status === 0 && message === undefined) return okTrailers;
  const fields: Fields = [['grpc-status', String(status)]];
  if (message !== undefined) fields.push(['grpc-message', statusText(message)]);
  return encodeFields(fields);
}

/** Header block of an answer without a message. */
export function failureHead(status: number, message: string, requestId: string, more?: Readonly<Record<string, string>>): Buffer {
  const fields: Fields = [
    ...ok,
    ['grpc-status', String(status)],
    ['grpc-message', statusText(message)],
    ['x-request-id', requestId],
    ...Object.entries(more ?? {}),
  ];
  return encodeFields(fields, neverIndexed);
}
