import type { IncomingMessage, ServerResponse } from 'node:http';

/** Of the headers of answers, those that a page may read beside the usual ones. */
const exposedHeaders = 'Inference-Header-Content-Length, x-request-id, retry-after';
/** How long a browser may remember the answer to a preflight. */
const preflightSeconds = 600;
/** Header names of a preflight that are told back, in sum. */
const maxAskedLength = 1024;

/**
 * Which pages of other origins may read the answers of the REST port (the Fetch standard, "HTTP extensions", https://fetch.spec.whatwg.org/#http-cors-protocol).
 * It keeps nobody out: requests are answered all the same, browsers keep the answers from pages that are not allowed. Credentials are not allowed to any.
 */
export class Cors {
  private readonly origins: ReadonlySet<string>;
  private readonly allowsAll: boolean;

  /** `origins`: as browsers send them, `https://app.example`; `*` = any. */
  constructor(origins: readonly string[]) {
    this.allowsAll = origins.includes('*');
    this.origins = new Set(origins.map((origin) => origin.toLowerCase()));
  }

  /** Sets the headers that the answer to this request is to have. true: it was a preflight, and is answered. */
  answer({ method, headers }: IncomingMessage, response: ServerResponse): boolean {
    if (!this.allowsAll) response.setHeader('vary', 'origin');
    const { origin } = headers;
    const isAllowed = origin !== undefined && (this.allowsAll || this.origins.has(origin.toLowerCase()));
    if (isAllowed) {
      response.setHeader('access-control-allow-origin', this.allowsAll ? '*' : origin);
      response.setHeader('access-control-expose-headers', exposedHeaders);
    }
    if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false;
    if (isAllowed) {
      response.setHeader('access-control-allow-methods', 'GET, HEAD, POST');
      const asked = headers['access-control-request-headers'];
      if (typeof asked === 'string' && asked.length <= maxAskedLength) response.setHeader('access-control-allow-headers', asked);
      response.setHeader('access-control-max-age', String(preflightSeconds));
    }
    response.writeHead(204).end();
    return true;
  }
}
