import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { AccessFileError, AccessList } from './access-list.js';

const key = 'k'.repeat(16);
const hash = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const list = (...clients: object[]): AccessList => AccessList.parse(JSON.stringify({ clients }));

describe('a file of clients', () => {
  it('knows clients by keys, in clear text and as hashes', () => {
    const known = list(
      { name: 'a', keys: [key, hash('b'.repeat(20))] },
      { name: 'c', keys: [hash('short')], servables: ['digits', 'a.b'] },
    );
    expect(known.byKey(key)?.name).toBe('a');
    expect(known.byKey('b'.repeat(20))?.name).toBe('a');
    expect(known.byKey('short')?.name).toBe('c');
    for (const other of ['', `${key}k`, key.slice(1), hash('short'), 'a']) expect(known.byKey(other)).toBeUndefined();
  });

  it('says which servables a client may use', () => {
    const client = list({ name: 'c', keys: [key], servables: ['digits', 'a.b'] }).byKey(key);
    expect(['digits', 'a.b', 'lenet', 'a', 'digits.classify'].map((servable) => client?.mayUse(servable))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(['digits', 'digits.classify', 'a.b', 'a.b.c', 'a', 'a.c', 'digitsx'].map((model) => client?.mayMean(model))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(client?.usesAll).toBe(false);
    const all = list({ name: 'c', keys: [key] }).byKey(key);
    expect([all?.mayUse('x'), all?.mayMean('x.y'), all?.usesAll]).toEqual([true, true, true]);
    expect(
      list({ name: 'c', keys: [key], servables: [] })
        .byKey(key)
        ?.mayUse('x'),
    ).toBe(false);
  });

  it('knows clients by all the attributes that it names', () => {
    const known = list({ name: 'r', subject: { CN: 'robot', O: 'Acme' } }, { name: 's', subject: { CN: 'robot' } });
    expect(
      known.bySubject([
        ['O', 'Acme'],
        ['CN', 'robot'],
        ['C', 'DE'],
      ])?.name,
    ).toBe('r');
    expect(known.bySubject([['CN', 'robot']])?.name).toBe('s');
    expect(known.bySubject([['O', 'robot']])).toBeUndefined();
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', `{"clients":\n[{"name":"a","keys":["${key}"}]}`, /^is not JSON( \(line 2\))?$/],
    ['no list', '{"client":[]}', /^has no list "clients"$/],
    ['an unknown member of the file', '{"clients":[],"x":1}', /^the file has an unknown member/],
    ['an unknown member', `{"clients":[{"name":"a","key":"${key}"}]}`, /^client 'a' has an unknown member; there are "name", "keys"/],
    ['no name', `{"clients":[{"keys":["${key}"]}]}`, /^client 1 has no "name"/],
    ['nothing to know it by', '{"clients":[{"name":"a"}]}', /^client 'a' has neither "keys" nor "subject"$/],
    ['a short key', '{"clients":[{"name":"a","keys":["s3cret"]}]}', /^client 'a': key 1 has fewer than 16 characters/],
    ['a hash that is none', '{"clients":[{"name":"a","keys":["sha256:s3cret"]}]}', /^client 'a': key 1 is not sha256:/],
    ['a name twice', `{"clients":[{"name":"a","keys":["${key}"]},{"name":"a","subject":{"CN":"x"}}]}`, /^has two clients 'a'$/],
    [
      'a key twice',
      `{"clients":[{"name":"a","keys":["${key}"]},{"name":"b","keys":["${hash(key)}"]}]}`,
      /the same key twice \('a', 'b'\)$/,
    ],
    [
      'servables that are none',
      `{"clients":[{"name":"a","keys":["${key}"],"servables":"x"}]}`,
      /^client 'a': "servables" is no list of names$/,
    ],
    ['a subject that is none', '{"clients":[{"name":"a","subject":"CN=x"}]}', /^client 'a': "subject" is not like/],
  ])('is refused with %s, and no key is told', (_name, text, words) => {
    const error = ((): unknown => {
      try {
        return AccessList.parse(text);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(AccessFileError);
    const { message } = error as Error;
    expect(message).toMatch(words);
    expect(message).not.toMatch(/s3cret|kkkk/);
  });
});
