import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

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

/** Answers what never became a request, as listener of node:http's `clientError`, and ends its connection. */
export function answerMalformed(error: ParseError, socket: Socket): void {
  // An answer of which a part is written already must not be mixed with this one (ADR 12)
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

/** The absolute form of a request target, which servers must take (RFC 9112, 3.2.2), as path and query; others as they are. */
export function originForm(target: string): string {
  if (target.charCodeAt(0) === 0x2f) return target;
  const absolute = /^https?:\/\/[^/?#]*(.*)$/is.exec(target);
  if (absolute === null) return target;
  const rest = absolute[1] as string;
  return rest.startsWith('/') ? rest : `/${rest}`;
}
