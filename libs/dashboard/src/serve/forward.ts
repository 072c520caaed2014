import {
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import { sendJson, type OpsHandler } from '@mserve/ops';

/** A port of this very process. */
export interface OwnPort {
  /** As bound, `host:port`; undefined while it is not open. */
  readonly address: string | undefined;
  readonly isTls: boolean;
}

/** Headers that go along. Cookies, proxies' and hop-by-hop headers do not. */
const requestHeaders = [
  'content-type',
  'content-length',
  'inference-header-content-length',
  'authorization',
  'x-request-id',
  'traceparent',
  'tracestate',
];
const responseHeaders = ['content-type', 'content-length', 'inference-header-content-length', 'x-request-id', 'retry-after', 'allow'];

/** Nobody who looks at the page waits longer. Loading a large model takes minutes. */
const timeoutMs = 600_000;

/**
 * Hands requests of the page on to another port of this process: what is below `prefix` and matches `paths`, and nothing else. Only the page itself
 * may ask: a request that a browser sends for a page of another origin is refused, by its Sec-Fetch-Site or Origin header.
 */
export function forward(prefix: string, paths: RegExp, port: () => OwnPort): OpsHandler {
  return (request, response) => {
    const url = (request.url ?? '').slice(prefix.length - 1);
    if (!paths.test(url)) return refuse(request, response, 404, `nothing of this name is handed on: ${url.slice(0, 100)}`);
    if (!isOfThePage(request)) return refuse(request, response, 403, 'this is for the dashboard itself; other pages use the REST port');
    const { address, isTls } = port();
    if (address === undefined) return refuse(request, response, 503, 'this server has no such port');
    send(request, response, url, address, isTls);
  };
}

function isOfThePage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin, host } = headers;
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
}

function send(request: IncomingMessage, response: ServerResponse, path: string, address: string, isTls: boolean): void {
  const colon = address.lastIndexOf(':');
  const options: RequestOptions & { rejectUnauthorized?: boolean } = {
    host: connectable(address.slice(0, colon)),
    port: Number(address.slice(colon + 1)),
    method: request.method,
    path,
    headers: chosen(request.headers, requestHeaders),
    timeout: timeoutMs,
    // The other end is this process, whatever its certificate says
    ...(isTls && { rejectUnauthorized: false }),
  };
  const sent = (isTls ? httpsRequest : httpRequest)(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, {
      ...chosen(answer.headers, responseHeaders),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
  sent.on('error', (error: NodeJS.ErrnoException) => {
    if (response.headersSent) response.destroy();
    else sendJson(response, 502, { error: `the port at ${address} did not answer: ${error.code ?? error.message}` });
    request.resume();
  });
  response.on('close', () => sent.destroy());
  request.pipe(sent);
}

/** Where a server that listens everywhere can be reached. */
function connectable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === '::' ? '::1' : bare;
}

function chosen(headers: IncomingMessage['headers'], names: readonly string[]): OutgoingHttpHeaders {
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, error: string): void {
  request.resume();
  sendJson(response, status, { error });
}
