import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OpsHandler } from '@mserve/ops';

/** Nothing from elsewhere, no inline script, no frame around it. Charts set styles by script, which a policy for `style` attributes does not concern. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const files = [
  ['/dashboard', 'index.html', 'text/html; charset=utf-8'],
  ['/dashboard/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/page.css', 'page.css', 'text/css; charset=utf-8'],
  ['/dashboard/icon.svg', 'icon.svg', 'image/svg+xml'],
] as const;

const headers = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** The files of the page, by path. Read when they are first asked for; one that the build has not made is answered 503. */
export function pageHandlers(): readonly (readonly [path: string, handler: OpsHandler])[] {
  return files.map(([path, name, type]) => {
    let kept: { readonly body: Buffer; readonly tag: string } | undefined;
    const read = (): { readonly body: Buffer; readonly tag: string } => {
      const body = readFileSync(new URL(`../assets/${name}`, import.meta.url));
      return { body, tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
    };
    return [
      path,
      (request, response) => {
        if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, 'only GET and HEAD are answered');
        try {
          kept ??= read();
        } catch {
          return end(response, 503, 'the dashboard was not built: run npm run build');
        }
        answer(request, response, type, kept);
      },
    ];
  });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  { body, tag }: { readonly body: Buffer; readonly tag: string },
): void {
  const common = { ...headers, 'cache-control': 'no-cache', etag: tag };
  if (request.headers['if-none-match'] === tag) {
    response.writeHead(304, common).end();
    return;
  }
  response.writeHead(200, { ...common, 'content-type': type, 'content-length': body.byteLength });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(text);
}
