import { jsonAnswerHeaders } from '../edge/status.js';
import type { ExchangeResponse } from './http-exchange.js';

/** The headers of nearly all answers. */
const headers = jsonAnswerHeaders(200);

/**
 * Writes what nearly all answers are, JSON with status 200 on a connection that stays, as one text: head and body. node makes each head anew from its parts,
 * checks every name and value, and buffers both before it writes them, which costs a small request some 5 % of its CPU. The head is the one that node would write (ADR 16).
 */
export class PlainAnswers {
  private readonly start = `HTTP/1.1 200 OK\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}content-length: `;
  /** From the date to the end of the head, the same for a second; '' when that is over. */
  private end = '';

  /** `keepAliveTimeoutMs`: what clients are told of how long their connections are kept. */
  constructor(private readonly keepAliveTimeoutMs: number) {}

  /**
   * `body` has `bytes` bytes; `requestId` is visible ASCII. Nothing else may have been said of the response. false: nothing was written, because other headers are to be sent, the connection
   * is to end, or answers before this one are not out.
   */
  write(response: ExchangeResponse, given: Readonly<Record<string, string>>, body: string, bytes: number, requestId: string): boolean {
    const { socket } = response;
    if (given !== headers || socket === null || !response.shouldKeepAlive) return false;
    if (this.end === '') this.renew();
    const head = `${this.start}${bytes}\r\nx-request-id: ${requestId}${this.end}`;
    response._header = head;
    response._headerSent = true;
    socket.write(head + body, bytes === body.length ? 'latin1' : 'utf8');
    response.end();
    return true;
  }

  private renew(): void {
    const date = new Date();
    setTimeout(() => (this.end = ''), 1000 - date.getUTCMilliseconds()).unref();
    const seconds = Math.floor(this.keepAliveTimeoutMs / 1000);
    const keepAlive = seconds > 0 ? `Keep-Alive: timeout=${seconds}\r\n` : '';
    this.end = `\r\nDate: ${date.toUTCString()}\r\nConnection: keep-alive\r\n${keepAlive}\r\n`;
  }
}
