import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { loadMindir } from './load.js';
import { MindirError } from './mindir-error.js';
import { mutated } from './testing/mutations.js';
import { Random } from '../../../test/support/random.js';
import { bytesField, integerField, messageField, writeWire, type WireField } from './testing/wire-tree.js';

/** Files that MindSpore wrote, damaged at random. MINDIR_FUZZ_SEED repeats a run that failed. The long form: MINDIR_FUZZ_FILES=20000 (docs/development.md). */
const root = join(dirname(fileURLToPath(import.meta.url)), '../test-cases');
const seed = Number(process.env['MINDIR_FUZZ_SEED'] ?? 20261123);
const count = Number(process.env['MINDIR_FUZZ_FILES'] ?? 1500);
/** Processor time, far more than any of these small files needs: a load that takes this long hangs for a larger one. */
const patienceMs = 5_000;

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What is wrong with the outcome; undefined for a model and for a MindirError that we threw on purpose. */
async function complaint(bytes: Uint8Array): Promise<string | undefined> {
  const began = processorMs();
  try {
    await loadMindir({ bytes });
  } catch (thrown) {
    if (!(thrown instanceof MindirError)) return `not a MindirError: ${String(thrown)}`;
    const { cause } = thrown;
    if (cause instanceof TypeError || cause instanceof RangeError || cause instanceof ReferenceError)
      return `a mistake inside: ${cause.stack}`;
  }
  const tookMs = processorMs() - began;
  return tookMs < patienceMs ? undefined : `took ${Math.round(tookMs)} ms of the processor`;
}

function files(): string[] {
  return ['whole', 'ops'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.mindir'))
      .map((file) => join(root, folder, file)),
  );
}

describe('damaged files', () => {
  it(
    `are loaded or refused (seed ${seed})`,
    async () => {
      const random = new Random(seed);
      const sources = files();
      const contents = new Map<string, Uint8Array>();
      const complaints: string[] = [];
      for (let tried = 0; tried < count; tried++) {
        const turn = random.below(2 ** 31);
        const own = new Random(turn);
        const path = own.pick(sources);
        const whole = contents.get(path) ?? readFileSync(path);
        contents.set(path, whole);
        const wrong = await complaint(new Uint8Array(mutated(whole, own)));
        if (wrong !== undefined) complaints.push(`${path.slice(root.length)} turn ${turn}: ${wrong}`);
      }
      expect(complaints).toEqual([]);
    },
    60_000 + count * 50,
  );

  it('cut at every length are refused', async () => {
    const whole = readFileSync(join(root, 'whole', 'nested_tuples_out.mindir'));
    const complaints: string[] = [];
    let loaded = 0;
    for (let length = 0; length < whole.byteLength; length++) {
      const bytes = new Uint8Array(whole.subarray(0, length));
      const wrong = await complaint(bytes);
      if (wrong !== undefined) complaints.push(`${length}: ${wrong}`);
      if (length < 1000)
        loaded += await loadMindir({ bytes }).then(
          () => 1,
          () => 0,
        );
    }
    expect(complaints).toEqual([]);
    expect(loaded).toBe(0);
  }, 60_000);
});

/** A file whose entry graph has these nodes: output, operator, inputs. Input `g:x` is float32 [2]. */
function fileOf(nodes: readonly WireField[], output: string): Uint8Array {
  const tensor = messageField(2, [integerField(1, 2), integerField(2, 1)]);
  const graph = messageField(7, [
    ...nodes,
    bytesField(2, 'g'),
    messageField(5, [bytesField(1, 'g:x'), tensor]),
    messageField(6, [bytesField(1, output)]),
  ]);
  return writeWire([bytesField(1, '1.1'), graph]);
}

function node(output: string, opType: string, inputs: readonly string[], ...attributes: readonly WireField[]): WireField {
  return messageField(1, [...inputs.map((input) => bytesField(1, input)), bytesField(2, output), bytesField(4, opType), ...attributes]);
}

async function kindOf(bytes: Uint8Array): Promise<string> {
  expect(await complaint(bytes)).toBeUndefined();
  return loadMindir({ bytes }).then(
    () => 'loaded',
    (thrown: unknown) => (thrown as MindirError).kind,
  );
}

const stringType = 8;
const intType = 7;

describe('small files that ask for much', () => {
  it('millions of empty messages', async () => {
    const empty = Buffer.alloc(2 * 20_000_000, Buffer.from([0x0a, 0x00]));
    const file = writeWire([bytesField(1, '1.1'), { field: 7, wire: 2, bytes: empty }]);
    expect(await kindOf(file)).toBe('limits');
  }, 30_000);

  it('attributes inside attributes', async () => {
    let inner: Buffer = Buffer.alloc(0);
    for (let depth = 0; depth < 3_000; depth++) inner = writeWire([bytesField(17, inner)]);
    expect(await kindOf(fileOf([node('g:a', 'Constant', [], bytesField(5, inner))], 'g:a'))).toBe('limits');
  });

  it('strings that double with every node', async () => {
    const text = messageField(5, [bytesField(1, 'value'), bytesField(5, 'x'.repeat(100)), integerField(16, stringType)]);
    const nodes = [node('g:s0', 'Constant', [], text)];
    for (let index = 1; index <= 40; index++) nodes.push(node(`g:s${index}`, 'string_concat', [`g:s${index - 1}`, `g:s${index - 1}`]));
    expect(await kindOf(fileOf(nodes, 'g:x'))).toBe('unsupported');
  });

  it.each([2 ** 22, 2 ** 31, 2 ** 40])(
    'pooling to %d cells',
    async (cells) => {
      const size = messageField(5, [bytesField(1, 'output_size'), integerField(16, intType), integerField(3, cells)]);
      expect(['limits', 'unsupported']).toContain(await kindOf(fileOf([node('g:a', 'AdaptiveAvgPool1D', ['g:x'], size)], 'g:a')));
    },
    30_000,
  );

  it.each([2 ** 22, 2 ** 31, 2 ** 53])(
    'a range, a split or a tuple of %d',
    async (count) => {
      const number = (name: string): WireField => messageField(5, [bytesField(1, name), integerField(16, intType), integerField(3, count)]);
      const constant = messageField(5, [bytesField(1, 'value'), integerField(16, intType), integerField(3, count)]);
      for (const op of [
        'Split',
        'Unstack',
        'SequenceMul',
        'make_range',
        'LinSpace',
        'OneHot',
        'Tile',
        'Eye',
        'Tril',
        'RepeatInterleave',
        'Unfold',
        'TopK',
      ]) {
        const nodes = [
          node('g:n', 'Constant', [], constant),
          node('g:t', 'MakeTuple', ['g:x', 'g:x']),
          node('g:a', op, ['g:x', 'g:n', 'g:n'], number('num'), number('output_num'), number('axis')),
          node('g:b', op, ['g:t', 'g:n']),
        ];
        await kindOf(fileOf(nodes, 'g:b'));
      }
    },
    60_000,
  );
});
