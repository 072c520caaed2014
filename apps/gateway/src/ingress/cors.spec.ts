import { afterEach, describe, expect, it } from '@jest/globals';
import type { RequestListener } from 'node:http';
import type { IngressAnswer, IngressListener, IngressRequest } from '../edge/ingress.js';
import { NodeIngress } from './node-ingress.js';

const ingress = { current: new NodeIngress() };

class Echo implements IngressListener {
  onRequests(requests: readonly IngressRequest[]): void {
    ingress.current.answer(requests.map((request) => this.answerOf(request)));
  }
  onGone(): void {}
  refusalOf(request: IngressRequest): IngressAnswer {
    return this.answerOf(request);
  }
  private answerOf({ token }: IngressRequest): IngressAnswer {
    return { token, kind: 'http', status: 200, headers: { 'content-type': 'application/json' }, body: ['{}'] };
  }
}

const fallback: RequestListener = (_, response) => void response.end('from Nest');

async function open(corsOrigins?: readonly string[]): Promise<string> {
  ingress.current = new NodeIngress();
  return ingress.current.listen({ kind: 'rest', address: '127.0.0.1:0', listener: new Echo(), fallback, corsOrigins });
}

async function ask(address: string, path: string, headers: Record<string, string>, method = 'POST'): Promise<Response> {
  return fetch(`http://${address}${path}`, { method, headers, ...(method === 'POST' && { body: '{}' }) });
}

describe('pages of other origins', () => {
  afterEach(() => ingress.current.close());

  const infer = '/model/net:predict';
  const allowOrigin = (response: Response): string | null => response.headers.get('access-control-allow-origin');

  it('may read nothing unless they are allowed to', async () => {
    const address = await open();
    const answer = await ask(address, infer, { origin: 'https://app.example' });
    expect([answer.status, allowOrigin(answer), answer.headers.get('vary')]).toEqual([200, null, null]);
    expect(
      allowOrigin(await ask(address, infer, { origin: 'https://app.example', 'access-control-request-method': 'POST' }, 'OPTIONS')),
    ).toBeNull();
  });

  it.each([infer, '/v2/models/net/infer', '/v2/health/ready'])(
    'may read %s when their origin is listed, its own headers too',
    async (path) => {
      const address = await open(['https://app.example', 'http://localhost:3000']);
      for (const origin of ['https://app.example', 'http://localhost:3000']) {
        const answer = await ask(address, path, { origin });
        expect([answer.status, allowOrigin(answer), answer.headers.get('vary')]).toEqual([200, origin, 'origin']);
        expect(answer.headers.get('access-control-expose-headers')).toContain('Inference-Header-Content-Length');
        expect(answer.headers.get('x-request-id')).not.toBeNull();
      }
      for (const origin of ['https://other.example', 'http://app.example', 'null'])
        expect(allowOrigin(await ask(address, path, { origin }))).toBeNull();
    },
  );

  it('are told by a preflight what they may send', async () => {
    const address = await open(['https://app.example']);
    const asked = {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,inference-header-content-length',
    };
    const allowed = await ask(address, infer, { ...asked, origin: 'https://app.example' }, 'OPTIONS');
    expect([allowed.status, allowOrigin(allowed)]).toEqual([204, 'https://app.example']);
    expect(allowed.headers.get('access-control-allow-methods')).toBe('GET, HEAD, POST');
    expect(allowed.headers.get('access-control-allow-headers')).toBe(asked['access-control-request-headers']);
    const other = await ask(address, infer, { ...asked, origin: 'https://other.example' }, 'OPTIONS');
    expect([other.status, allowOrigin(other), other.headers.get('access-control-allow-methods')]).toEqual([204, null, null]);
  });

  it('of any origin may read when all are allowed', async () => {
    const answer = await ask(await open(['*']), infer, { origin: 'https://anything.example' });
    expect([allowOrigin(answer), answer.headers.get('vary')]).toEqual(['*', null]);
  });
});
