import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dtypeOfB64Type, ServingError, elementCount } from '@mserve/wire';
import { createProtocols } from '../index.js';
import { msText } from '../../edge/words.js';
import { FakeCatalog, method, named, rawRequest } from '../testing/fake-catalog.js';

/**
 * The original's rules for REST bodies a second time, written plainly and slowly over a tree: what each body becomes, or the text that refuses it,
 * with the checks in the original's order. Random bodies must be taken and refused alike by the readers, which work on bytes in one pass or two.
 */

type Members = [name: string, value: Json][];
type Json = { readonly literal: string } | { readonly text: string } | { readonly array: readonly Json[] } | { readonly members: Members };

function jsonText(value: Json): string {
  if ('literal' in value) return value.literal;
  if ('text' in value) return JSON.stringify(value.text);
  if ('array' in value) return `[${value.array.map(jsonText).join(', ')}]`;
  return `{${value.members.map(([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`).join(' ,')}}`;
}

class Refused extends Error {}

function refuse(text: string): never {
  throw new Refused(text);
}

/** Members as the original has them: sorted, of doubled names the last. */
function sorted(members: Members): Map<string, Json> {
  return new Map([...new Map(members)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

interface Shown {
  readonly dtype: string;
  readonly shape: readonly number[];
}

type Kind = 'int32' | 'float32' | 'bool' | 'string' | 'null' | 'array' | 'object';

function kindOf(value: Json): Kind {
  if ('text' in value) return 'string';
  if ('array' in value) return 'array';
  if ('members' in value) return 'object';
  if (value.literal === 'null') return 'null';
  if (value.literal === 'true' || value.literal === 'false') return 'bool';
  return /[.e]/i.test(value.literal) ? 'float32' : 'int32';
}

const sizes: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
  float64: 8,
};
const isText = (dtype: string): boolean => dtype === 'string' || dtype === 'bytes';

/** Decoded bytes: groups of four until one ends early. */
function base64Size(value: Json | undefined): number {
  if (value === undefined || !('text' in value)) refuse('get scalar data failed, type is string, but json is not string type');
  const { text } = value;
  if (Buffer.byteLength(text) % 4 !== 0) refuse(`'${text}' is illegal b64 encode string`);
  const expected = (text.length / 4) * 3 - [...text.slice(-2)].filter((character) => character === '=').length;
  let size = 0;
  for (let i = 0; i < text.length; i += 4) {
    const known = [...text.slice(i, i + 4)].map((character) => /[A-Za-z0-9+/]/.test(character));
    if (!known[0] || !known[1]) refuse(`'${text}' is illegal b64 encode string`);
    size += known[2] ? (known[3] ? 3 : 2) : 1;
    if (!known[2] || !known[3]) break;
  }
  if (size !== expected) refuse('decode base64 failed, size is not matched.');
  return size;
}

function shapeOf(value: Json): number[] {
  if (!('array' in value)) refuse(`json object, key is 'shape', value should be array type`);
  const shape: number[] = [];
  for (const dim of value.array) {
    if (shape.includes(0)) refuse(`json object, key is 'shape', invalid shape value ${jsonText(value).replaceAll(', ', ',')}`);
    if (kindOf(dim) !== 'int32' || jsonText(dim).startsWith('-'))
      refuse(`json object, key is 'shape', array value should be unsigned integer`);
    shape.push(Number(jsonText(dim)));
  }
  return shape;
}

function objectShown(all: Members): Shown {
  const members = sorted(all);
  if (members.size === 0) refuse('json object, value is empty');
  if (members.size > 3) refuse(`json object, items size is more than 3, only support specified ['b64', 'type', 'shape']`);
  let shape: number[] = [];
  let dtype: string = 'bytes';
  for (const [name, value] of members) {
    if (name === 'shape') shape = shapeOf(value);
    else if (name === 'type') {
      if (!('text' in value)) refuse(`json object, key is 'type', value should be string type`);
      dtype = dtypeOfB64Type(value.text) ?? refuse(`json object, specified type:'${value.text}' is illegal`);
    } else if (name !== 'b64') refuse(`json object, key is not ['b64', 'type', 'shape'], fail key:${name}`);
  }
  if (!members.has('b64')) refuse(`json object, 'b64' should be specified only one time`);
  const count = elementCount(shape);
  if (isText(dtype) && count !== 1)
    refuse(`json object, only support scalar when data type is string or bytes, please check 'type' or 'shape'`);
  const size = base64Size(members.get('b64'));
  const each = sizes[dtype] ?? 0;
  if (!isText(dtype) && size !== count * each)
    refuse(`size is not matched, decode base64 size:${size}; Given info: type:${dtype}; type size:${each}; element nums:${count}`);
  return { dtype, shape };
}

function arrayShown(value: Json & { readonly array: readonly Json[] }): Shown {
  const shape: number[] = [];
  let leaf: Json = value;
  while ('array' in leaf && leaf.array.length > 0) {
    shape.push(leaf.array.length);
    leaf = leaf.array[0] as Json;
  }
  if (shape.length === 0) refuse('json array, shape is empty');
  const named = 'members' in leaf ? (sorted(leaf.members).get('type') ?? { text: 'bytes' }) : undefined;
  const dtype = named === undefined ? kindOf(leaf) : 'text' in named ? dtypeOfB64Type(named.text) : undefined;
  if (dtype === undefined || dtype === 'null' || dtype === 'array') refuse('json array, data type is unknown');
  if (isText(dtype) && elementCount(shape) !== 1) refuse('json array, string or bytes type only support one item');
  if (named !== undefined && !isText(dtype)) refuse('json array, item is object type, object only support string or bytes type');
  const visit = (row: Json, depth: number): void => {
    if (!('array' in row)) refuse('invalid json array: json type is not array');
    if (row.array.length !== shape[depth])
      refuse(`invalid json array: json size is ${row.array.length}, the dim ${depth} expected to be ${shape[depth]}`);
    for (const element of row.array) {
      if (depth + 1 < shape.length) visit(element, depth + 1);
      else if ('members' in element && named !== undefined) {
        const b64 = sorted(element.members).get('b64');
        if (dtype === 'bytes' || b64 === undefined || !('text' in b64)) base64Size(b64);
      } else {
        const kind = kindOf(element);
        if (kind === 'null' || kind === 'array' || kind === 'object') refuse('json array, data should be number, bool, string or bytes');
        if (kind !== dtype) refuse('json array, elements type is not equal');
      }
    }
  };
  visit(value, 0);
  return { dtype, shape };
}

function shown(value: Json): Shown {
  if ('members' in value) return objectShown(value.members);
  if ('array' in value) return arrayShown(value);
  const kind = kindOf(value);
  return kind === 'null' ? refuse('json value is null, it is not supported') : { dtype: kind, shape: [] };
}

/** What input x of each instance is. */
function expected(body: Json): Shown[] | string {
  try {
    const instances = 'members' in body ? sorted(body.members).get('instances') : undefined;
    if (instances === undefined) return refuse(`key 'instances' expects to exist once, but actually 0 times`);
    if ('members' in instances && instances.members.length === 0) refuse('json object, value is empty');
    if ('array' in instances && instances.array.length === 0) refuse('instances value is array type, but no value');
    const all = 'array' in instances ? instances.array : [instances];
    if (!('members' in (all[0] as Json))) refuse('instances no key mode is not supported');
    const tensors = all.map((instance) => {
      if (!('members' in instance)) return refuse('json array, instance is not object type');
      if (instance.members.length === 0) refuse('json array, instance is object type, but no value');
      return new Map(
        [...sorted(instance.members)].map(([name, value]) => [name === '' ? refuse('string key is empty') : name, shown(value)]),
      );
    });
    return tensors.map((inputs) => {
      const x = inputs.get('x') ?? missing();
      if (isText(x.dtype) && (x.shape.length > 1 || x.shape[0] === 0)) wrongShape(x.shape);
      return x;
    });
  } catch (thrown) {
    if (thrown instanceof ServingError) return thrown.message;
    if (thrown instanceof Refused) return `Parser request failed, ${thrown.message}`;
    throw thrown;
  }
}

function missing(): never {
  throw new ServingError('INVALID_ARGUMENT', 'Cannot find input x in instance input , servable kit, method m');
}

function wrongShape(shape: readonly number[]): never {
  throw new ServingError(
    'INVALID_ARGUMENT',
    `Instances input x check failed, detail: Instance tensor check failed: bytes or string type input  shape can only be (1,) or empty, but given shape is [${shape.join(', ')}]`,
  );
}

const literal = fc.constantFrom('0', '-7', '12', '1.5', '-2e3', '0.25', 'true', 'false', 'null').map((text): Json => ({ literal: text }));
const text = fc.constantFrom('', 'a', 'é"', 'int32').map((each): Json => ({ text: each }));
const b64 = fc.constantFrom(
  '',
  'AQ==',
  'AQI=',
  'AQIDBA==',
  'AAAAAAAAAAA=',
  'YQ',
  '@@@@',
  'A@==',
  'AA=A',
  'AA@@',
  'AAA@',
  'AAAA@AAA',
  'AAAAA@==',
  'AA==AAAA',
);
const dims = (...each: Json[]): fc.Arbitrary<Json> =>
  fc.array(fc.constantFrom(...each), { maxLength: 3 }).map((array): Json => ({ array }));
const digits = ['0', '1', '2'].map((each): Json => ({ literal: each }));
const shape = fc.oneof(
  { weight: 4, arbitrary: dims(...digits) },
  dims(...digits, { literal: '-1' }, { literal: '1.0' }, { text: '1' }, { literal: 'null' }, { array: [] }),
);
const object = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc
          .oneof({ weight: 9, arbitrary: b64.map((each): Json => ({ text: each })) }, literal)
          .map((value) => ['b64', value] as [string, Json]),
      },
      {
        weight: 4,
        arbitrary: fc
          .oneof(
            {
              weight: 9,
              arbitrary: fc
                .constantFrom('int8', 'int32', 'fp16', 'float64', 'bool', 'str', 'bytes', 'i8')
                .map((each): Json => ({ text: each })),
            },
            literal,
          )
          .map((value) => ['type', value] as [string, Json]),
      },
      { weight: 3, arbitrary: fc.oneof({ weight: 9, arbitrary: shape }, literal).map((value) => ['shape', value] as [string, Json]) },
      fc.constantFrom('', 'k', 'Type').map((name) => [name, { literal: '1' }] as [string, Json]),
    ),
    { maxLength: 4 },
  )
  .map((members): Json => ({ members: [...new Map(members)] }));
const { array } = fc.letrec<{ array: Json; element: Json }>((tie) => ({
  element: fc.oneof({ depthSize: 'small', withCrossShrink: true }, literal, text, object, tie('array')),
  array: fc.array(tie('element'), { maxLength: 3 }).map((elements): Json => ({ array: elements })),
}));
/** Rectangular, with now and then one leaf exchanged. */
const grid = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    fc.oneof(literal, text, object),
    fc.option(fc.tuple(fc.nat(26), fc.oneof(literal, text, object, array))),
  )
  .map(([lengths, leaf, other]) => {
    let at = 0;
    const row = (depth: number): Json =>
      depth === lengths.length
        ? at++ === other?.[0]
          ? other[1]
          : leaf
        : { array: Array.from({ length: lengths[depth] as number }, () => row(depth + 1)) };
    return row(0);
  });
const value = fc.oneof(literal, text, object, array, { weight: 3, arbitrary: grid });
const instance = fc
  .array(fc.tuple(fc.oneof({ weight: 8, arbitrary: fc.constant('x') }, fc.constantFrom('b', 'zz', '')), value), { maxLength: 3 })
  .map((members): Json => ({ members }));
const instances = fc.oneof(
  instance,
  {
    weight: 4,
    arbitrary: fc
      .array(fc.oneof({ weight: 12, arbitrary: instance }, literal, array), { maxLength: 3 })
      .map((all): Json => ({ array: all })),
  },
  literal,
);
const body = fc.oneof(
  {
    weight: 20,
    arbitrary: fc
      .array(fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.constant('instances') }, fc.constantFrom('instance', 'id')), instances), {
        minLength: 1,
        maxLength: 2,
      })
      .map((members): Json => ({ members })),
  },
  value,
);

const protocol = createProtocols({ maxMessageBytes: 1 << 20 })['ms-rest'];
const catalog = new FakeCatalog('kit', [method('m', named('x'), named('y'))]);

function found(sent: Json): Shown[] | string {
  try {
    const infer = protocol.decode(rawRequest('ms-rest', '/model/kit:m', jsonText(sent)), catalog);
    return infer.instances.map(([tensor]) => ({ dtype: tensor?.dtype ?? '', shape: tensor?.shape ?? [] }));
  } catch (thrown) {
    if (thrown instanceof ServingError) return msText(thrown);
    throw thrown;
  }
}

describe('random bodies', () => {
  it('become the tensors, or are refused with the texts, that the rules say', () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(body, (sent) => {
        const rule = expected(sent);
        outcomes.add(typeof rule === 'string' ? rule.replace(/[0-9]+|'.*'|\[.*\]/g, '') : 'taken');
        expect(found(sent)).toEqual(rule);
      }),
      { numRuns: 8000 },
    );
    expect(outcomes.size).toBeGreaterThan(20);
    expect(outcomes).toContain('taken');
  });
});
