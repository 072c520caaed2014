import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionRefusal } from '../edge/ingress.js';

interface ParseError extends Error {
  readonly code?: string;
  /** Of node's parser: what it did not like. */
  readonly reason?: string;
}

/** The same statuses as node:http's own, which say nothing more. */
function refusalOf({ code, reason }: ParseError): [status: string, text: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', 'the head of the request is too large'];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ['413 Payload Too Large', 'the chunk extensions of the request are too large'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'the request did not come in in time'];
    default:
      return ['400 Bad Request', `the request is not HTTP/1.1${reason === undefined ? '' : `: ${reason}`}`];
  }
}

/** As the operator is told. */
export function connectionRefusalOf({ code }: NodeJS.ErrnoException): ConnectionRefusal {
  if (code === 'HPE_HEADER_OVERFLOW') return 'head-too-large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'head-too-slow' : 'malformed';
}

/** Answers what never became a request, as listener of node:http's `clientError`, and ends its connection. */
export function answerMalformed(error: ParseError, socket: Socket): void {
  // An answer of which a part is written already must not be mixed with this one (ADR 16)
  const { _httpMessage: answering } = socket as Socket & { _httpMessage?: ServerResponse | null };
  if (socket.writable && answering?.headersSent !== true) {
    const [status, text] = refusalOf(error);
    const body = JSON.stringify({ error: text });
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}

/** Percent-encoded characters of a path that mean the same unencoded (RFC 3986, 6.2.2.2): letters, digits, `-._~`; and the colon, which URL libraries encode. */
const needlesslyEncoded = /%(?:3a|2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/gi;

/** A target whose path has no character percent-encoded without need, so that routes are found however a client wrote them. */
function withPlainPath(target: string): string {
  if (!target.includes('%')) return target;
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  return path.replace(needlesslyEncoded, decodeURIComponent) + target.slice(path.length);
}

/**
 * A request target as path and query. The absolute form, which servers must take (RFC 9112, 3.2.2), loses its origin; characters of the path that are
 * percent-encoded without need are decoded, once.
 */
export function originForm(target: string): string {
  if (target.charCodeAt(0) === 0x2f) return withPlainPath(target);
  const absolute = /^https?:\/\/[^/?#]*(.*)$/is.exec(target);
  if (absolute === null) return target;
  const rest = absolute[1] as string;
  return withPlainPath(rest.startsWith('/') ? rest : `/${rest}`);
}
