import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';

/** What /openapi.json says of the servables in examples/, tried. */

interface Document {
  readonly paths: Readonly<
    Record<
      string,
      { readonly post?: { readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> } } }
    >
  >;
}

describe('the API document of the examples', () => {
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    server = await serveDirectory('examples');
  }, 60_000);
  afterAll(() => server?.stop());

  it('has an example for every way to call a method, which is answered as it stands', async () => {
    const { paths } = (await (await fetch(`http://${server.rest}/openapi.json`)).json()) as Document;
    const calls = Object.entries(paths).filter(([path]) => path.startsWith('/model/') || path.endsWith('/infer'));
    // Eight methods, each with and without version, in both REST interfaces
    expect(calls).toHaveLength(8 * 2 * 2);
    for (const [path, { post }] of calls) {
      const example = post?.requestBody?.content['application/json']?.example;
      const answer = await fetch(`http://${server.rest}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(example),
      });
      const text = await answer.text();
      expect({ path, status: answer.status, text }).toMatchObject({ path, status: 200, text: expect.not.stringContaining('"error') });
      // Its author's example, not a guess
      if (path === '/model/digits:classify') expect(JSON.parse(text)).toMatchObject({ instances: [{ label: 7 }] });
      if (path === '/v2/models/digits.classify/infer')
        expect(JSON.parse(text)).toMatchObject({ outputs: [{ name: 'label', data: [7] }, {}] });
    }
  });
});
