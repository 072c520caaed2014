import { describe, expect, it } from '@jest/globals';
import { HpackDecoder } from './hpack-decoder.js';
import { decodeBlock, type Field } from './hpack-node.fixture.js';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');

/** The dynamic table, as far as indices show it. */
function tableOf(decoder: HpackDecoder, length: number): Field[] {
  return decodeBlock(decoder, Buffer.from(Array.from({ length }, (_, i) => 0x80 | (62 + i))));
}

/** One block: its bytes, its fields, and the dynamic table after it. */
type Step = readonly [hex: string, fields: readonly Field[], table: readonly Field[]];

function check(decoder: HpackDecoder, steps: readonly Step[]): void {
  for (const [hex, fields, table] of steps) {
    expect(decodeBlock(decoder, bytes(hex))).toEqual(fields);
    expect(tableOf(decoder, table.length)).toEqual(table);
    expect(() => tableOf(decoder, table.length + 1)).toThrow(/beyond the table/);
  }
}

const get: Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
];
const authority: Field = [':authority', 'www.example.com'];
const noCache: Field = ['cache-control', 'no-cache'];
const custom: Field = ['custom-key', 'custom-value'];
const secure: Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
];

const requests = (...hex: [string, string, string]): Step[] => [
  [hex[0], [...get, authority], [authority]],
  [hex[1], [...get, authority, noCache], [noCache, authority]],
  [hex[2], [...secure, authority, custom], [custom, noCache, authority]],
];

const isPrivate: Field = ['cache-control', 'private'];
const date: Field = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const later: Field = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
const location: Field = ['location', 'https://www.example.com'];
const gzip: Field = ['content-encoding', 'gzip'];
const cookie: Field = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
const found: Field = [':status', '302'];
const moved: Field = [':status', '307'];

const responses = (...hex: [string, string, string]): Step[] => [
  [hex[0], [found, isPrivate, date, location], [location, date, isPrivate, found]],
  [hex[1], [moved, isPrivate, date, location], [moved, location, date, isPrivate]],
  [hex[2], [[':status', '200'], isPrivate, later, location, gzip, cookie], [cookie, gzip, later]],
];

/** The size update to the 256 bytes that the examples of responses have. */
const to256 = '3fe101';

describe('examples of RFC 7541, appendix C', () => {
  it('C.2: single fields', () => {
    const header: Field = ['custom-key', 'custom-header'];
    check(new HpackDecoder(), [['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', [header], [header]]]);
    check(new HpackDecoder(), [['040c 2f73 616d 706c 652f 7061 7468', [[':path', '/sample/path']], []]]);
    check(new HpackDecoder(), [['1008 7061 7373 776f 7264 0673 6563 7265 74', [['password', 'secret']], []]]);
    check(new HpackDecoder(), [['82', [[':method', 'GET']], []]]);
  });

  it('C.3: requests', () => {
    check(
      new HpackDecoder(),
      requests(
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ),
    );
  });

  it('C.4: requests with Huffman coding', () => {
    check(
      new HpackDecoder(),
      requests(
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ),
    );
  });

  it('C.5: responses', () => {
    check(
      new HpackDecoder(256),
      responses(
        `${to256} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
        1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        '4803 3330 37c1 c0bf',
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153
        444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
      ),
    );
  });

  it('C.6: responses with Huffman coding', () => {
    check(
      new HpackDecoder(256),
      responses(
        `${to256} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
        8f0b 97c8 e9ae 82ae 43d3`,
        '4883 640e ffc1 c0bf',
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b
        3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ),
    );
  });
});
