import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sensitiveHeaders } from 'node:http2';
import { HpackDecoder } from './hpack-decoder.js';
import { BlockTemplate, encodeFields } from './hpack-encoder.js';
import { decodeBlock, type Field, NodeClient } from './hpack-node.fixture.js';

const nameCharacter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&*+^|~');
const someName = fc.oneof(
  fc.constantFrom('grpc-timeout', 'content-type', 'user-agent', 'authorization', 'accept-encoding', 'x-trace', 'etag'),
  fc.string({ unit: nameCharacter, minLength: 1, maxLength: 20 }).map((name) => `x-${name}`),
);
const shown = (first: number, last: number) => fc.integer({ min: first, max: last }).map((code) => String.fromCharCode(code));
const valueCharacter = fc.oneof({ weight: 9, arbitrary: shown(0x21, 0x7e) }, shown(0x80, 0xff));
const someValue = fc.oneof(
  fc.constantFrom('', 'gzip, deflate', 'application/grpc', '4999823u'),
  fc.string({ unit: valueCharacter, maxLength: 40 }),
  fc.string({ unit: valueCharacter, minLength: 200, maxLength: 5000 }),
  fc.integer({ min: 0, max: 9999 }).map((number) => `${number}m`),
);
const someFields = fc.dictionary(someName, someValue, { maxKeys: 12 });
const pseudo = { ':method': 'POST', ':scheme': 'http', ':authority': 'localhost:5500', ':path': '/ms_serving.MSService/Predict' };

describe('blocks of node:http2', () => {
  let client: NodeClient | undefined;

  afterEach(() => client?.close());

  async function checkRequests(tableBytes: number, runs: number): Promise<void> {
    const opened = await NodeClient.open(tableBytes);
    client = opened;
    const decoder = new HpackDecoder(tableBytes);
    const request = fc.record({ headers: someFields, sensitive: fc.boolean() });
    // one connection for all runs, so that entries are evicted: a smaller counterexample would need one of its own
    await fc.assert(
      fc.asyncProperty(request, async ({ headers, sensitive }) => {
        await opened.request({ ...pseudo, ...headers, [sensitiveHeaders]: sensitive ? Object.keys(headers) : [] });
        const fields = decodeBlock(decoder, opened.blocks.at(-1) as Buffer);
        expect(Object.fromEntries(fields)).toEqual({ ...pseudo, ...headers });
        expect(fields).toHaveLength(4 + Object.keys(headers).length);
      }),
      { numRuns: runs, endOnFailure: true },
    );
    expect(opened.blocks).toHaveLength(runs);
  }

  it.each([4096, 300, 0])('are decoded, with a table of %i bytes', (tableBytes) => checkRequests(tableBytes, 150));

  it('of the same request are the same, and leave the table as it is', async () => {
    client = await NodeClient.open();
    const headers = { ...pseudo, 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '1S' };
    for (let i = 0; i < 3; i++) await client.request(headers);
    const decoder = new HpackDecoder();
    const [first, second, third] = client.blocks as [Buffer, Buffer, Buffer];
    const fields = decodeBlock(decoder, first);
    expect(Object.fromEntries(fields)).toEqual(headers);
    const version = decoder.tableVersion;
    expect(version).not.toBe(0);
    expect(second.length).toBeLessThan(first.length);
    expect(third.equals(second)).toBe(true);
    expect(decodeBlock(decoder, second)).toEqual(fields);
    expect(decodeBlock(decoder, third)).toEqual(fields);
    expect(decoder.tableVersion).toBe(version);
  });
});

describe('encodeFields', () => {
  let client: NodeClient;

  beforeEach(async () => {
    client = await NodeClient.open();
  });

  afterEach(() => client.close());

  it('is read by node:http2 and by our decoder', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('200', '204', '404', '418'), someFields, fc.boolean(), async (status, headers, isSecret) => {
        const fields: Field[] = [[':status', status], ...Object.entries(headers)];
        const block = encodeFields(fields, isSecret ? new Set(Object.keys(headers)) : undefined);
        const seen = await client.request(pseudo, block);
        expect(seen).toMatchObject({ ':status': Number(status), ...headers });
        expect((seen as Record<symbol, unknown>)[sensitiveHeaders]).toEqual(isSecret ? Object.keys(headers) : []);
        expect(decodeBlock(new HpackDecoder(), block)).toEqual(fields);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });

  it.each<[string, Field[], string]>([
    ['a field of the static table by its index', [[':status', '200']], '88'],
    ['a later field of a name by its index', [[':status', '404']], '8d'],
    ['a field without value by its index', [['www-authenticate', '']], 'bd'],
    ['a name of the static table by its index', [[':status', '418']], '0803343138'],
    ['a name whose index needs a second byte', [['content-type', 'a']], '0f100161'],
    ['a name that the table has not', [['ab', 'c']], '0002616201' + '63'],
    ['what is secret, as never indexed', [['secret', 'a']], '1006736563726574' + '0161'],
    ['what is secret and has a name in the table', [['authorization', '']], '1f0800'],
    ['no fields', [], ''],
  ])('writes %s', (_, fields, hex) => {
    expect(encodeFields(fields, new Set(['secret', 'authorization'])).toString('hex')).toBe(hex);
  });

  it.each([126, 127, 128, 254, 255, 256, 16_510, 16_511, 2_113_662, 2_113_663])('writes a value of %i bytes', (length) => {
    const field: Field = ['x', 'y'.repeat(length)];
    expect(decodeBlock(new HpackDecoder(), encodeFields([field]))).toEqual([field]);
  });
});

describe('BlockTemplate', () => {
  it.each(['x-request-id', 'www-authenticate', ':status', 'content-type'])(
    'gives the blocks that encodeFields gives, with any value of %s',
    (name) => {
      const before: Field[] = [
        ['a', 'b'],
        ['content-type', 'application/grpc'],
      ];
      for (const secret of [new Set<string>(), new Set([name])]) {
        const template = new BlockTemplate(before, name, secret);
        for (const value of ['?', 'v', 'v'.repeat(48), 'v'.repeat(49), '\u00ff'.repeat(300), 'v'.repeat(20_000)])
          expect(template.with(value)).toEqual(encodeFields([...before, [name, value]], secret));
      }
    },
  );
});
