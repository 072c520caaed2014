import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { packElements, type DType } from '@mserve/wire';
import { type ElementSink } from './element-sink.js';
import { ElementSinks } from './element-sinks.js';
import { float32Text } from './float32-text.js';
import { JsonReader } from './json-reader.js';
import { checkJsonSyntax } from './json-syntax.js';
import { readArray } from './nested-array.js';
import { NumberScan } from './number-scan.js';
import { decodeLimitsOf } from '../decode-limits.js';
import { floatRowText, floatText, numbersOf, stringText } from './value-text.js';

const sinks = new ElementSinks();
const limits = decodeLimitsOf({ maxMessageBytes: Infinity });
const { maxTensorStrings, maxJsonDepth } = limits;

function scanned(text: string): NumberScan | undefined {
  const scan = new NumberScan(Buffer.from(text));
  return scan.scan(0) && scan.end === text.length ? scan : undefined;
}

function read(dtype: DType, text: string): { shape: number[]; values: unknown[] } {
  const sink = sinks.of(dtype, 'any') as ElementSink;
  const shape = readArray(new JsonReader(Buffer.from(text), limits), sink);
  return { shape, values: Array.from(numbersOf(dtype, sink.finish()) as ArrayLike<number>) };
}

const literal = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.bigInt(0n, 10n ** 25n),
    fc.option(fc.stringMatching(/^[0-9]{1,25}$/)),
    fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-'), fc.nat(340))),
  )
  .map(
    ([sign, whole, fraction, exponent]) =>
      `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : exponent.join('')}`,
  );

describe('numbers', () => {
  it('are the doubles and the float32 that JSON.parse gives', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          literal,
          fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
          fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
        ),
        (text) => {
          const scan = scanned(text) as NumberScan;
          expect(scan.float64()).toBe(Number(text));
          expect(scan.float32()).toBe(Math.fround(Number(text)));
          expect(scan.integral).toBe(/^-?[0-9]+$/.test(text));
        },
      ),
      { numRuns: 1000 },
    );
  });

  // Halfway between two float32: one digit decides, far behind what a double holds.
  it.each([
    '1.00000005960464477539062500000001',
    '1.000000059604644775390625',
    '1.00000005960464477539062499999999',
    '16777217.0000000000000001',
    '0.1e-400',
    '123456789012345678901234567890',
    '-0',
    '-0.0',
    '-0e50',
    '-0.00e-200',
    '0e50',
    '-1e-100',
  ])('%s', (text) => {
    expect(scanned(text)?.float32()).toBe(Math.fround(Number(text)));
  });

  it.each(['', '-', '+1', '01', '-01', '1.', '.5', '1.e5', '1e', '1e+', 'NaN', 'Infinity', '0x10', '1_0', '--1'])('%j is none', (text) => {
    expect(scanned(text)).toBeUndefined();
  });
});

describe('strings', () => {
  // Much of what JSON escapes, and both sides of the limits for short ones
  const text = fc.string({
    unit: fc.constantFrom('a', 'x1', '"', '\\', '/', '\n', '\u0001', '\u007f', 'ü', '漢', '😀', ' '),
    maxLength: 20,
  });

  it('are the texts that JSON.parse gives', () => {
    fc.assert(
      fc.property(text, text, (first, second) => {
        const reader = new JsonReader(Buffer.from(JSON.stringify([first, second])), limits);
        reader.expect(0x5b);
        expect(reader.text()).toBe(first);
        reader.expect(0x2c);
        expect(reader.text()).toBe(second);
        reader.expect(0x5d);
      }),
    );
  });

  it('with any escapes are the texts that JSON.parse gives, and unreadable where it finds none', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'a',
        'ü',
        '漢',
        '😀',
        '\\u',
        '\\',
        '\\x',
        '\\"',
        '\\\\',
        '\\/',
        '\\b',
        '\\f',
        '\\n',
        '\\r',
        '\\t',
        '\\u00e',
        '\\u00eg',
      ),
      fc
        .constantFrom('0000', '007f', '0080', '07FF', '0800', 'ffff', 'd7ff', 'd800', 'DBFF', 'dc00', 'dfff', 'e000')
        .map((unit) => `\\u${unit}`),
      fc.constantFrom('\\ud800\\udc00', '\\uDBFF\\uDFFF', '\\ud83d\\ude00'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const quoted = `"${pieces.join('')}"`;
        const reader = new JsonReader(Buffer.from(quoted), limits);
        const read = (): string => {
          const text = Buffer.from(reader.string()).toString();
          reader.finish();
          return text;
        };
        let expected: unknown;
        try {
          expected = JSON.parse(quoted);
        } catch {
          expected = undefined;
        }
        // UTF-8 has no lone surrogate
        if (typeof expected === 'string' && !/\p{Surrogate}/u.test(expected)) expect(read()).toBe(expected);
        else expect(read).toThrow('unreadable JSON');
      }),
      { numRuns: 2000 },
    );
  });

  it('are found among known names whatever the hint, and left alone when they are none of them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(text, { minLength: 1, maxLength: 5 }), text, fc.nat(6), (names, other, hint) => {
        for (const name of [...names, other]) {
          const written = JSON.stringify(name);
          const reader = new JsonReader(Buffer.from(`${written}:`), limits);
          const found = reader.known(
            names.map((known) => Buffer.from(known)),
            hint,
          );
          const isPlain = written === `"${name}"`;
          expect(found).toBe(isPlain ? names.indexOf(name) : -1);
          if (found === -1) expect(reader.text()).toBe(name);
          reader.expect(0x3a);
        }
      }),
    );
  });

  it('a name with a quote is not found in a text that ends there', () => {
    expect(new JsonReader(Buffer.from('"a"b":1'), limits).known([Buffer.from('a"b')])).toBe(-1);
  });

  it('are written as JSON.stringify does', () => {
    fc.assert(fc.property(text, (value) => expect(stringText(value)).toBe(JSON.stringify(value))));
    for (const value of ['', 'a'.repeat(40), '\ud800']) expect(stringText(value)).toBe(JSON.stringify(value));
  });
});

describe('arrays', () => {
  const rows = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })).chain(([n, m]) =>
    fc.array(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: m, maxLength: m }), {
      minLength: n,
      maxLength: n,
    }),
  );

  it('are what JSON.parse gives, with or without blanks', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(undefined, 1, '\t'), (values, indent) => {
        const text = JSON.stringify(values, null, indent);
        expect(read('float64', text)).toEqual({
          shape: [values.length, values[0]?.length],
          values: (JSON.parse(text) as number[][]).flat(),
        });
      }),
    );
  });

  it('of literals of any length are the nearest values', () => {
    const single = fc.float({ noNaN: true, noDefaultInfinity: true }).map(String);
    const short = fc.tuple(fc.integer({ min: -99999, max: 99999 }), fc.stringMatching(/^[0-9]{1,20}$/)).map((parts) => parts.join('.'));
    const finite = fc.oneof(literal, single, short).filter((text) => Number.isFinite(Math.fround(Number(text))));
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 20 }), fc.constantFrom(',', ', ', ' , ', ',\n'), (texts, comma) => {
        const row = `[${texts.join(comma)}]`;
        expect(read('float32', row).values).toEqual(texts.map((text) => Math.fround(Number(text))));
        expect(read('float64', row).values).toEqual(texts.map(Number));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['[1,2,-0,300,4]', '300'],
    ['[1, 2, -1, 3]', '-1'],
    ['[1,2,3.0,4]', '3.0'],
    ['[1,2,1e1,4]', '1e1'],
  ])('uint8: of %s, %s is refused', (text, literal) => {
    expect(() => read('uint8', text)).toThrow(`${literal} is not a value of uint8`);
  });

  it.each(['[1,02,3]', '[1,-,3]', '[1,2.,3]', '[1,.5,3]', '[1,,3]', '[1,+2,3]', '[1,  ,3]', '[5,2,]'])(
    '%s is not JSON, to any dtype',
    (text) => {
      for (const dtype of ['float32', 'float64', 'int32', 'uint8', 'int64'] as const)
        expect(() => read(dtype, text)).toThrow('unreadable JSON');
    },
  );

  it('grow past any store', () => {
    const values = Array.from({ length: 150_001 }, (_, index) => index);
    const text = JSON.stringify(values);
    for (const dtype of ['float32', 'float64', 'int32', 'int64'] as const)
      expect(JSON.stringify(read(dtype, text).values.map(Number))).toBe(text);
  });

  it.each(['[1,[2]]', '[[1],2]', '[[1,2],[3]]', '[[],[1]]', '[1,]', '[,1]', '[1 2]', '[1', `${'['.repeat(65)}1${']'.repeat(65)}`])(
    '%s is not rectangular, or not JSON',
    (text) => {
      expect(() => read('int32', text)).toThrow('unreadable JSON');
    },
  );

  it.each<[string, number[]]>([
    ['[]', [0]],
    ['[[],[]]', [2, 0]],
    ['[[[1]],[[2]]]', [2, 1, 1]],
  ])('%s has shape %j', (text, shape) => {
    expect(read('int32', text).shape).toEqual(shape);
  });

  it.each([
    ['int8', 1],
    ['uint16', 2],
    ['int32', 4],
    ['float32', 4],
    ['float16', 2],
    ['int64', 8],
  ] as const)('%s may have as many bytes as is said, and none more', (dtype, elementBytes) => {
    const most = 10_000;
    const own = new ElementSinks();
    const readMany = (count: number): number => {
      const sink = own.of(dtype, 'any') as ElementSink;
      readArray(new JsonReader(Buffer.from(`[${'1,'.repeat(count - 1)}1]`), { ...limits, maxMessageBytes: most * elementBytes }), sink);
      return sink.finish().byteLength;
    };
    expect(readMany(most)).toBe(most * elementBytes);
    expect(() => readMany(most + 1)).toThrow(`a tensor of the request is bigger than ${most * elementBytes} bytes`);
    expect(readMany(2)).toBe(2 * elementBytes);
  });

  it.each<[what: string, text: (i: number) => number]>([
    ['evenly', (i) => i % 100],
    ['ever longer', (i) => i],
    ['ever shorter', (i) => 300_000 - i],
    ['in two halves', (i) => (i < 150_000 ? 1 : 2_000_000_000 - i)],
    ['in two halves, the short one last', (i) => (i < 150_000 ? 2_000_000_000 - i : 1)],
  ])('of a large text that is written %s are what it says', (_what, element) => {
    const values = Float64Array.from({ length: 300_000 }, (_, i) => element(i));
    const isSame = (found: unknown[], expected: Float64Array): boolean =>
      found.length === expected.length && expected.every((value, i) => value === found[i]);
    const text = `[${values.join(',')}]`;
    for (const dtype of ['int32', 'uint32', 'float64'] as const) expect(isSame(read(dtype, text).values, values)).toBe(true);
    const nested = read('int32', `[${text},${text}]`);
    expect(nested.shape).toEqual([2, 300_000]);
    expect(isSame(nested.values.slice(300_000), values)).toBe(true);
  });

  it('are bounded in bytes, not in text', () => {
    const sink = new ElementSinks().of('int64', 'any') as ElementSink;
    expect(() => readArray(new JsonReader(Buffer.from(`[${'1,'.repeat(5000)}1]`), { ...limits, maxMessageBytes: 10_000 }), sink)).toThrow(
      'a tensor of the request is bigger than 10000 bytes',
    );
  });

  it.each([0, 1, 5, 3000, 70_000, 300_000])('strings of up to %i bytes are packed as tensors have them', (longest) => {
    const sink = sinks.of('bytes', 'any') as ElementSink;
    const texts = ['', 'a', 'é'.repeat(longest / 2), '\u0000"', 'x'.repeat(longest), ''];
    for (const all of [texts, texts.slice(0, 2)]) {
      const reader = new JsonReader(Buffer.from(JSON.stringify(all)), limits);
      expect(readArray(reader, sink)).toEqual([all.length]);
      expect(Buffer.from(sink.finish()).equals(packElements(all.map((text) => Buffer.from(text))))).toBe(true);
    }
  });

  it('strings are counted, and bounded in bytes', () => {
    const sink = sinks.of('bytes', 'any') as ElementSink;
    const strings = (count: number): Buffer => Buffer.from(`[${'"",'.repeat(count - 1)}""]`);
    expect(readArray(new JsonReader(strings(maxTensorStrings), limits), sink)).toEqual([maxTensorStrings]);
    expect(sink.finish().byteLength).toBe(4 * maxTensorStrings);
    expect(() => readArray(new JsonReader(strings(maxTensorStrings + 1), limits), sink)).toThrow(
      'a tensor of the request has more than 1000000 strings',
    );
    expect(() =>
      readArray(new JsonReader(strings(5000), { ...limits, maxMessageBytes: 10_000 }), sinks.of('bytes', 'any') as ElementSink),
    ).toThrow('a tensor of the request is bigger than 10000 bytes');
    expect(readArray(new JsonReader(strings(3), limits), sinks.of('bytes', 'any') as ElementSink)).toEqual([3]);
  });

  it('a sink is empty again after a reader failed', () => {
    expect(() => read('int8', '[1,2,300]')).toThrow('300 is not a value of int8');
    expect(read('int8', '[4]').values).toEqual([4]);
  });
});

describe('syntax', () => {
  function fault(text: string | Uint8Array): string | undefined {
    try {
      checkJsonSyntax(typeof text === 'string' ? Buffer.from(text) : text, '!', maxJsonDepth);
      return undefined;
    } catch (thrown) {
      return (thrown as Error).message;
    }
  }

  it.each<[string, string]>([
    ['not json', '1, column 2: syntax error while parsing value - invalid literal'],
    ['{"a":}', `1, column 6: syntax error while parsing value - unexpected '}'; expected '[', '{', or a literal`],
    ['{"a":1', `1, column 7: syntax error while parsing object - unexpected end of input; expected '}'`],
    ['{"a" 1}', `1, column 6: syntax error while parsing object separator - unexpected number literal; expected ':'`],
    ['{1:2}', '1, column 2: syntax error while parsing object key - unexpected number literal; expected string literal'],
    ['[1 2]', `1, column 4: syntax error while parsing array - unexpected number literal; expected ']'`],
    ['[1,]', `1, column 4: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal`],
    ['{"a":1}\n\n x', '3, column 2: syntax error while parsing value - invalid literal'],
    ['01', '1, column 2: syntax error while parsing value - unexpected number literal; expected end of input'],
    ['-a', `1, column 2: syntax error while parsing value - invalid number; expected digit after '-'`],
    ['1.x', `1, column 3: syntax error while parsing value - invalid number; expected digit after '.'`],
    ['"a', '1, column 3: syntax error while parsing value - invalid string: missing closing quote'],
    ['"\\x"', '1, column 3: syntax error while parsing value - invalid string: forbidden character after backslash'],
    [
      '"\\ud800"',
      '1, column 8: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF',
    ],
    [
      '"\u0001"',
      '1, column 2: syntax error while parsing value - invalid string: control character U+0001 (SOH) must be escaped to \\u0001',
    ],
    [
      '["\t"]',
      '1, column 3: syntax error while parsing value - invalid string: control character U+0009 (HT) must be escaped to \\u0009 or \\t',
    ],
    // A line feed that was read is where the next line begins.
    [
      '{"a":"b\n"}',
      '2, column 0: syntax error while parsing value - invalid string: control character U+000A (LF) must be escaped to \\u000A or \\n',
    ],
    ['[\nt\n]', '3, column 0: syntax error while parsing value - invalid literal'],
    ['{ 1\n}', '1, column 0: syntax error while parsing object key - unexpected number literal; expected string literal'],
    ['{1 \n}', '1, column 2: syntax error while parsing object key - unexpected number literal; expected string literal'],
    ['"\\u12"', `1, column 6: syntax error while parsing value - invalid string: '\\u' must be followed by 4 hex digits`],
    [
      '"\\ud800\\n"',
      '1, column 9: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF',
    ],
    [
      '"\\ud800\\u0041"',
      '1, column 13: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF',
    ],
    ['"\\ud800\\uxxxx"', `1, column 10: syntax error while parsing value - invalid string: '\\u' must be followed by 4 hex digits`],
    ['"\\udc00"', '1, column 7: syntax error while parsing value - invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF'],
    ['[1,\0', `1, column 4: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal`],
    ['[1 1e400]', `1, column 8: syntax error while parsing array - unexpected number literal; expected ']'`],
  ])('%j', (text, told) => {
    expect(fault(text)).toBe(`![json.exception.parse_error.101] parse error at line ${told}`);
  });

  it('numbers no double holds', () => {
    expect(fault('[1e400]')).toBe(`![json.exception.out_of_range.406] number overflow parsing '1e400'`);
  });

  it('nesting of 100 is allowed, of 101 not', () => {
    expect(fault('['.repeat(100) + ']'.repeat(100))).toBeUndefined();
    expect(fault('['.repeat(101) + ']'.repeat(101))).toBe('! nesting is deeper than 100');
  });

  it('takes what JSON.parse takes and refuses what it refuses', () => {
    const json = fc.json({ maxDepth: 4 });
    const noise = fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', 't', 'null', ' ', '\u0000')),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(json, noise, (text, changes) => {
        let changed = text;
        for (const [at, into] of changes)
          changed = changed.slice(0, at % (changed.length + 1)) + into + changed.slice((at % (changed.length + 1)) + 1);
        let accepted = true;
        try {
          JSON.parse(changed);
        } catch {
          accepted = false;
        }
        // JSON.parse takes a lone surrogate escape and 1e400, which no UTF-8 and no double holds.
        fc.pre(!/\\u[dD]/.test(changed) && !/[0-9][eE]/.test(changed));
        expect(fault(changed) === undefined).toBe(accepted);
        const reader = new JsonReader(Buffer.from(changed), limits);
        const skip = (): void => {
          reader.skip();
          reader.finish();
        };
        if (accepted) expect(skip).not.toThrow();
        else expect(skip).toThrow('unreadable JSON');
      }),
      { numRuns: 1000 },
    );
  });

  it('strings keep every character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text)),
        (text) => {
          expect(new JsonReader(Buffer.from(JSON.stringify(text)), limits).text()).toBe(text);
          const escaped = `"${[...text].map((character) => [...Array(character.length).keys()].map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')).join('')}"`;
          expect(new JsonReader(Buffer.from(escaped), limits).text()).toBe(text);
        },
      ),
    );
  });
});

describe('float texts', () => {
  it('float32: read back as they were, with no digit too many', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = float32Text(value);
        expect(Object.is(Math.fround(Number(text)), value)).toBe(true);
        expect(JSON.parse(text)).toBe(Number(text));
        const digits = (shown: string): number =>
          shown.replace(/e.*/, '').replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '').length;
        expect(digits(text)).toBeLessThanOrEqual(digits(`${value}`));
      }),
      { numRuns: 1000 },
    );
  });

  it('float32: minus zero keeps its sign for readers to whom -0 is an integer', () => {
    expect(float32Text(-0)).toBe('-0.0');
  });

  it.each<[number, string]>([
    [2, '2.0'],
    [-0, '-0.0'],
    [Math.fround(0.1), '0.10000000149011612'],
    [100, '100.0'],
    [1e14, '100000000000000.0'],
    [1e15, '1e+15'],
    [1e20, '1e+20'],
    [1.5e-5, '1.5e-05'],
    [0.0001, '0.0001'],
    [NaN, 'null'],
    [-Infinity, 'null'],
  ])('the original prints %d as %s', (value, text) => {
    expect(floatText(value)).toBe(text);
  });

  it('a long row is what its elements are', () => {
    fc.assert(
      fc.property(fc.array(fc.float(), { minLength: 8, maxLength: 20 }), (values) => {
        expect(floatRowText(Float32Array.from(values), 0, values.length)).toBe(values.map(floatText).join(','));
      }),
    );
  });

  it('float16 and bfloat16 widen exactly', () => {
    const bits = Uint16Array.of(0x0000, 0x8000, 0x0001, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00, 0x2e66);
    expect(Array.from(numbersOf('float16', new Uint8Array(bits.buffer)) as ArrayLike<number>)).toEqual([
      0,
      -0,
      2 ** -24,
      1,
      -2,
      65504,
      Infinity,
      -Infinity,
      0.0999755859375,
    ]);
    expect(Array.from(numbersOf('bfloat16', Uint8Array.of(0x80, 0x3f, 0x80, 0xff)) as ArrayLike<number>)).toEqual([1, -Infinity]);
  });
});
