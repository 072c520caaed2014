import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { schemaChecker } from '../support/openapi-checks.mjs';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';

/** What /openapi.json says of the servables in examples/, tried. */

type Content = Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;

interface Operation {
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, { readonly post?: Operation; readonly get?: Operation }>>;
  readonly components: object;
  readonly servers: readonly { readonly url: string }[];
}

const jsonType = 'application/json';

describe('the API document of the examples', () => {
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    server = await serveDirectory('examples');
  }, 60_000);
  afterAll(() => server?.stop());

  it('has an example for every way to call a method, which is answered as it stands', async () => {
    const document = (await (await fetch(`http://${server.rest}/openapi.json`)).json()) as Document;
    const check = schemaChecker(document);
    const calls = Object.entries(document.paths).filter(([path]) => path.startsWith('/model/') || path.endsWith('/infer'));
    // Eight methods, each with and without version, in both REST interfaces
    expect(calls).toHaveLength(8 * 2 * 2);
    for (const [path, { post }] of calls) {
      const { schema = {}, example } = post?.requestBody?.content[jsonType] ?? {};
      expect([path, check(schema, example)]).toEqual([path, []]);
      const answer = await fetch(`http://${server.rest}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(example),
      });
      const text = await answer.text();
      expect({ path, status: answer.status, text }).toMatchObject({ path, status: 200, text: expect.not.stringContaining('"error') });
      expect([path, text, check(post?.responses['200']?.content[jsonType]?.schema ?? {}, JSON.parse(text))]).toEqual([path, text, []]);
      // Its author's example, not a guess
      if (path === '/model/digits:classify') expect(JSON.parse(text)).toMatchObject({ instances: [{ label: 7 }] });
      if (path === '/v2/models/digits.classify/infer')
        expect(JSON.parse(text)).toMatchObject({ outputs: [{ name: 'label', data: [7] }, {}] });
    }
  });

  it('describes every answer to a GET', async () => {
    const document = (await (await fetch(`http://${server.rest}/openapi.json`)).json()) as Document;
    const check = schemaChecker(document);
    for (const [path, { get }] of Object.entries(document.paths)) {
      if (get === undefined) continue;
      const url = path.replace('{model}', 'digits.logits').replace('{version}', '1');
      const answer: unknown = await (await fetch(`http://${server.rest}${url}`)).json();
      const { schema } = get.responses['200']?.content[jsonType] ?? {};
      expect([url, schema !== undefined, check(schema ?? {}, answer)]).toEqual([url, true, []]);
    }
  });

  it('works behind a proxy that takes a prefix off, whether it says so or not', async () => {
    for (const isSaid of [true, false]) {
      const proxy = await startProxy(server.rest, '/models', isSaid);
      try {
        const page = await fetch(`${proxy.url}/models/docs`);
        const links = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => new URL(link ?? '', page.url).href);
        expect(links).toHaveLength(4);
        for (const link of links) {
          const answer = await fetch(link);
          await answer.arrayBuffer();
          expect([link, answer.status]).toEqual([link, 200]);
        }
        const document = (await (await fetch(`${proxy.url}/models/openapi.json`)).json()) as Document;
        expect(document.servers).toEqual([{ url: isSaid ? '/models' : '/' }]);
        if (!isSaid) continue;
        const path = '/model/digits:classify';
        const example = document.paths[path]?.post?.requestBody?.content[jsonType]?.example;
        const called = await fetch(`${proxy.url}${document.servers[0]?.url}${path}`, { method: 'POST', body: JSON.stringify(example) });
        expect([called.status, await called.json()]).toMatchObject([200, { instances: [{ label: 7 }] }]);
      } finally {
        await proxy.close();
      }
    }
  });
});

/** A proxy that takes `prefix` off the paths of requests, and says so in X-Forwarded-Prefix when asked to. */
async function startProxy(target: string, prefix: string, isSaid: boolean): Promise<{ url: string; close: () => Promise<void> }> {
  const { hostname, port } = new URL(`http://${target}`);
  const server = createServer((incoming, outgoing) => {
    if (incoming.url?.startsWith(`${prefix}/`) !== true) return void outgoing.writeHead(404).end();
    const headers = { ...incoming.headers, ...(isSaid ? { 'x-forwarded-prefix': prefix } : {}) };
    const path = incoming.url.slice(prefix.length);
    const passed = request({ hostname, port, path, method: incoming.method, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    passed.once('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
