import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { jsonAnswerHeaders } from '../edge/status.js';
import { ExchangeRequest, ExchangeResponse } from './http-exchange.js';
import { PlainAnswers } from './plain-answers.js';

const keepAliveTimeoutMs = 7_000;
const headers = jsonAnswerHeaders(200);

describe('PlainAnswers', () => {
  const options = { IncomingMessage: ExchangeRequest, ServerResponse: ExchangeResponse, keepAliveTimeout: 0 };
  const server = createServer(options, (request, response) => {
    response._keepAliveTimeout = keepAliveTimeoutMs;
    answers.push(() => answer(request.url ?? '', response));
    if (answers.length === expected) for (const each of answers.splice(0).reverse()) each();
  });
  const plain = new PlainAnswers(keepAliveTimeoutMs);
  const answers: (() => void)[] = [];
  /** Answered together, the last one first. */
  let expected = 1;
  let written: boolean[] = [];

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    answers.length = 0;
    written = [];
    expected = 1;
  });

  /** /plain/TEXT by PlainAnswers, /node/TEXT by node. */
  function answer(url: string, response: ExchangeResponse): void {
    const body = decodeURIComponent(url.slice(url.indexOf('/', 1) + 1));
    const bytes = Buffer.byteLength(body);
    if (url.startsWith('/plain/')) {
      const isWritten = plain.write(response, headers, body, bytes, 'id-1');
      written.push(isWritten);
      if (isWritten) return;
    }
    response.writeHead(200, ['content-type', 'application/json', 'content-length', `${bytes}`, 'x-request-id', 'id-1']);
    response.end(body);
  }

  /** What comes back for these requests on one connection, until it has `bytes` of the ends of answers. */
  async function exchange(requests: readonly string[], ends: string): Promise<string> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(requests.join(''));
    let text = '';
    for await (const chunk of socket) {
      text += (chunk as Buffer).toString();
      if (text.endsWith(ends)) break;
    }
    return text.replace(/Date: [^\r]*/g, 'Date: now');
  }

  const post = (path: string, more = ''): string => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n${more}\r\n`;

  it.each(['{"a":1}', '{"a":"é€😀"}', ''])('writes what node writes: %p', async (text) => {
    const end = text === '' ? '\r\n\r\n' : text;
    const ours = await exchange([post(`/plain/${encodeURIComponent(text)}`)], end);
    expect(written).toEqual([true]);
    server.close();
    await once(server, 'close');
    expect(ours).toBe(await exchange([post(`/node/${encodeURIComponent(text)}`)], end));
    expect(ours).toContain('\r\nKeep-Alive: timeout=7\r\n');
  });

  it('answers one request after the other on a connection, also those answered in another order', async () => {
    expected = 3;
    const text = await exchange([post('/plain/1'), post('/plain/2'), post('/node/3')], '3');
    expect(text.match(/\r\n\r\n\d/g)).toEqual(['\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3']);
    // The second one is not on its connection before the first is out
    expect(written).toEqual([false, true]);
  });

  it('leaves an answer to node after which the connection ends', async () => {
    expect(await exchange([post('/plain/1', 'Connection: close\r\n')], '1')).toContain('Connection: close');
    expect(await exchangeAgain('POST /plain/1 HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n')).toContain('Connection: close');
    expect(written).toEqual([false, false]);
  });

  async function exchangeAgain(request: string): Promise<string> {
    server.close();
    await once(server, 'close');
    return exchange([request], '1');
  }

  it('leaves other headers to node', () => {
    expect(plain.write({} as ExchangeResponse, { ...headers }, '1', 1, 'id-1')).toBe(false);
  });

  it('shows the date of now', async () => {
    const began = Math.floor(Date.now() / 1000) * 1000;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const shown = await fetch(`http://127.0.0.1:${port}/plain/1`, { method: 'POST' });
    const date = Date.parse(shown.headers.get('date') ?? '');
    expect(date).toBeGreaterThanOrEqual(began);
    expect(date).toBeLessThanOrEqual(Date.now());
  });
});
