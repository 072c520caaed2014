import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addModel, float32Bytes, int64Bytes, onnxModel, type OnnxTensor, type OnnxValue } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import { floatTensor, floatsOf, tensor } from './testing/tensors.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mserve-native-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const weightValues = Array.from({ length: 64 }, (_, index) => index);

/** y = x + weight, the weight being in another file. */
function externalModel(location: string, more: Partial<OnnxTensor> = {}): Uint8Array {
  const value = (name: string): OnnxValue => ({ name, dtype: 'float32', shape: [64] });
  return onnxModel({
    inputs: [value('x')],
    outputs: [value('y')],
    initializers: [{ name: 'weight', dtype: 'float32', shape: [64], external: { location }, ...more }],
    nodes: [{ op: 'Add', inputs: ['x', 'weight'], outputs: ['y'] }],
  });
}

/** y = x + w, the weight's bytes being zeros. */
function weightModel(shape: readonly number[], byteLength: number): Uint8Array {
  const value = (name: string): OnnxValue => ({ name, dtype: 'float32', shape: ['n'] });
  return onnxModel({
    inputs: [value('x')],
    outputs: [value('y')],
    initializers: [{ name: 'w', dtype: 'float32', shape, bytes: new Uint8Array(byteLength) }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
  });
}

/** y = the sum of `count` zeros: a hundred bytes that ask for as much memory as one likes. */
function bombModel(count: bigint): Uint8Array {
  return onnxModel({
    inputs: [],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
    initializers: [{ name: 'shape', dtype: 'int64', shape: [1], bytes: int64Bytes([count]) }],
    nodes: [
      { op: 'ConstantOfShape', inputs: ['shape'], outputs: ['zeros'] },
      { op: 'ReduceSum', inputs: ['zeros'], outputs: ['y'] },
    ],
  });
}

async function runZeros(session: Session): Promise<number[]> {
  const [output] = await session.run([floatTensor([64], new Array<number>(64).fill(0))]);
  await session.close();
  return floatsOf(output!);
}

function load(text: string | RegExp): object {
  return {
    name: 'NativeError',
    kind: 'load',
    message: typeof text === 'string' ? expect.stringContaining(text) : expect.stringMatching(text),
  };
}

describe('loading models', () => {
  it.each<[string, Uint8Array, string | RegExp]>([
    ['no bytes', new Uint8Array(0), 'the model is empty'],
    ['random bytes', Buffer.from('this is no model at all'), 'not a readable ONNX file'],
    ['zeros', new Uint8Array(100), 'not a readable ONNX file'],
    ['a cut model', addModel().subarray(0, 60), 'not a readable ONNX file'],
    ['an unknown operator', onnxModel({ inputs: [], outputs: [], nodes: [{ op: 'Nonsense', inputs: [], outputs: ['y'] }] }), 'Nonsense'],
    [
      'an unknown operator set',
      onnxModel({ inputs: [], outputs: [], nodes: [], opset: 999 }),
      /^the file has opset 999, .* ONNX Runtime says: ONNX Runtime only \*guarantees\* support for models .* opset/,
    ],
    [
      'a weight of too few bytes',
      weightModel([4], 3),
      /^Exception during initialization: [^:]+ : 1 : FAIL : Initializer 'w': raw_data size \(3 bytes\)/,
    ],
    ['a weight of too many bytes', weightModel([1], 400), /Initializer 'w'.*400/],
    ['a weight of a negative size', weightModel([-4], 4), 'dimensions'],
    ['a weight of 2^38 bytes', weightModel([2 ** 36], 4), 'exceeds the 2147483648 byte limit'],
    ['a weight of more bytes than there are numbers', weightModel([2 ** 40, 2 ** 40], 4), 'Integer overflow'],
    ['a constant of a negative size', bombModel(-5n), 'non-negative'],
  ])('refuses %s', async (_, model, text) => {
    await expect(Session.open(model)).rejects.toMatchObject(load(text));
  });

  it.each([2n ** 44n, 2n ** 62n])('a model that needs %p floats fails to load or to run, and a smaller one runs', async (count) => {
    const attempt = Session.open(bombModel(count)).then(async (session) => {
      try {
        await session.run([]);
      } finally {
        await session.close();
      }
    });
    await expect(attempt).rejects.toMatchObject({ name: 'NativeError', kind: expect.stringMatching(/^(load|run)$/) });
    const session = await Session.open(bombModel(10n));
    expect(floatsOf((await session.run([]))[0]!)).toEqual([0]);
    await session.close();
  });

  it.each(['sequence', 'sparse'] as const)('refuses a model with a %s input, naming it', async (kind) => {
    const op = kind === 'sequence' ? 'SequenceAt' : 'Identity';
    const model = onnxModel({
      inputs: [
        { name: 'xs', dtype: 'float32', shape: [1], kind },
        { name: 'i', dtype: 'int64', shape: [] },
      ],
      outputs: [{ name: 'y', dtype: 'float32', shape: [1], kind: op === 'Identity' ? kind : 'tensor' }],
      nodes: [{ op, inputs: op === 'Identity' ? ['xs'] : ['xs', 'i'], outputs: ['y'] }],
    });
    await expect(Session.open(model)).rejects.toMatchObject(
      load(kind === 'sparse' ? /xs|sparse/ : new RegExp(`input "xs" is an? ${kind}`)),
    );
  });

  it('refuses an element type that has no name here', async () => {
    const model = onnxModel({
      inputs: [{ name: 'x', dtype: 'complex64', shape: [1] }],
      outputs: [{ name: 'y', dtype: 'complex64', shape: [1] }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    });
    await expect(Session.open(model)).rejects.toMatchObject(load(/complex64/));
  });

  it.each([
    ['intraOpThreads', -1],
    ['concurrentRuns', 0],
    ['interOpThreads', 1.5],
  ])('refuses %s = %p', async (name, value) => {
    await expect(Session.open(addModel(), { [name]: value })).rejects.toMatchObject(load(name));
  });

  it('refuses a library that is none, and works with the right one afterwards', async () => {
    const notOrt = join(folder, 'not-a-library.so');
    writeFileSync(notOrt, 'text');
    await expect(Session.open(addModel(), { libraryPath: notOrt })).rejects.toMatchObject({ kind: 'library' });
    await (await Session.open(addModel())).close();
  });
});

describe('model files', () => {
  it('loads a file', async () => {
    const path = join(folder, 'add.onnx');
    writeFileSync(path, addModel());
    const session = await Session.open(path);
    expect(session.describe().outputs[0]!.name).toBe('sum');
    await session.close();
  });

  it('refuses a missing file, a folder, an empty file, a pipe and a device, without waiting', async () => {
    writeFileSync(join(folder, 'empty.onnx'), '');
    execFileSync('mkfifo', [join(folder, 'pipe.onnx')]);
    await expect(Session.open(join(folder, 'missing.onnx'))).rejects.toMatchObject(load('cannot be opened'));
    await expect(Session.open(folder)).rejects.toMatchObject(load('not a regular file'));
    await expect(Session.open(join(folder, 'empty.onnx'))).rejects.toMatchObject(load('is empty'));
    await expect(Session.open(join(folder, 'pipe.onnx'))).rejects.toMatchObject(load('not a regular file'));
    await expect(Session.open('/dev/zero')).rejects.toMatchObject(load('not a regular file'));
  });

  it('refuses links when it is asked to, by the file that it opened', async () => {
    const plain = join(folder, 'plain.onnx');
    writeFileSync(plain, addModel());
    symlinkSync(plain, join(folder, 'soft.onnx'));
    await (await Session.open(join(folder, 'soft.onnx'))).close();
    await (await Session.open(plain, { refuseLinks: true })).close();
    await expect(Session.open(join(folder, 'soft.onnx'), { refuseLinks: true })).rejects.toMatchObject(
      load('the model file is a symbolic link'),
    );
    linkSync(plain, join(folder, 'hard.onnx'));
    await expect(Session.open(plain, { refuseLinks: true })).rejects.toMatchObject(load('the model file has more than one hard link'));
    await (await Session.open(plain)).close();
  });
});

describe('external data', () => {
  let models: string;
  const at = (...names: string[]): string => join(models, ...names);
  const weightBytes = float32Bytes(weightValues);

  beforeAll(() => {
    models = join(folder, 'models');
    mkdirSync(join(models, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'secret.bin'), weightBytes);
    writeFileSync(at('weights.bin'), weightBytes);
    writeFileSync(at('sub', 'weights.bin'), Buffer.concat([new Uint8Array(4096), weightBytes]));
    linkSync(join(folder, 'secret.bin'), at('hard.bin'));
    symlinkSync(join(folder, 'secret.bin'), at('out.bin'));
    symlinkSync(at('weights.bin'), at('in.bin'));
    symlinkSync(folder, at('up'));
  });

  async function openWith(location: string, more?: Partial<OnnxTensor>): Promise<Session> {
    writeFileSync(at('model.onnx'), externalModel(location, more));
    return Session.open(at('model.onnx'));
  }

  it.each<[string, Partial<OnnxTensor>]>([
    ['weights.bin', {}],
    ['in.bin', {}],
    ['./weights.bin', {}],
    ['././/weights.bin', {}],
    ['sub/weights.bin', { external: { location: 'sub/weights.bin', offset: 4096, length: 256 } }],
  ])('reads %s in the folder of the model', async (location, more) => {
    expect(await runZeros(await openWith(location, more))).toEqual(weightValues);
  });

  it.each([
    ['hard.bin', 'hard link'],
    ['out.bin', "leads out of the model's folder"],
    ['up/secret.bin', "leads out of the model's folder"],
    ['../secret.bin', "only a path inside the model's folder"],
    ['sub/../../secret.bin', "only a path inside the model's folder"],
    ['/dev/zero', "only a path inside the model's folder"],
    ['sub', 'not a regular file'],
    ['missing.bin', 'was not found'],
    ['', 'only a path inside'],
    ['*/_ORT_MEM_ADDR_/*', 'memory of the process'],
  ])('refuses %p', async (location, text) => {
    await expect(openWith(location)).rejects.toMatchObject(load(text));
  });

  it.each([
    ['an offset past the end', { offset: 1 << 20, length: 256 }],
    ['a length past the end', { offset: 0, length: 1 << 20 }],
    ['a negative offset', { offset: -4, length: 256 }],
  ])('refuses %s', async (_, place) => {
    await expect(openWith('weights.bin', { external: { location: 'weights.bin', ...place } })).rejects.toMatchObject({ kind: 'load' });
  });

  it('of a model given as bytes: refused, unless a folder is named', async () => {
    await expect(Session.open(externalModel('weights.bin'))).rejects.toMatchObject(load('externalFolder'));
    expect(await runZeros(await Session.open(externalModel('weights.bin'), { externalFolder: models }))).toEqual(weightValues);
    await expect(Session.open(externalModel('hard.bin'), { externalFolder: models })).rejects.toMatchObject(load('hard link'));
  });

  it('in an attribute or a subgraph is found too', async () => {
    const constant = { tensor: { dtype: 'float32', shape: [64], external: { location: 'hard.bin' } } } as const;
    const inner = { op: 'Constant', inputs: [], outputs: ['c'], attributes: { value: constant } };
    const output: OnnxValue = { name: 'c', dtype: 'float32', shape: [64] };
    const model = onnxModel({
      inputs: [{ name: 'which', dtype: 'bool', shape: [] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [64] }],
      nodes: [
        {
          op: 'If',
          inputs: ['which'],
          outputs: ['y'],
          attributes: {
            then_branch: { graph: { inputs: [], outputs: [output], nodes: [inner] } },
            else_branch: { graph: { inputs: [], outputs: [output], nodes: [inner] } },
          },
        },
      ],
    });
    await expect(Session.open(model, { externalFolder: models })).rejects.toMatchObject(load('hard link'));
  });

  /** y = 64 weights from a file, by an If whose branches keep them as a constant and as an initializer. */
  function branchesModel(location: string): Uint8Array {
    const external = { location };
    const weights = { dtype: 'float32', shape: [64], external } as const;
    const output = (name: string): OnnxValue => ({ name, dtype: 'float32', shape: [64] });
    return onnxModel({
      inputs: [{ name: 'which', dtype: 'bool', shape: [] }],
      outputs: [output('y')],
      nodes: [
        {
          op: 'If',
          inputs: ['which'],
          outputs: ['y'],
          attributes: {
            then_branch: {
              graph: {
                inputs: [],
                outputs: [output('c')],
                nodes: [{ op: 'Constant', inputs: [], outputs: ['c'], attributes: { value: { tensor: weights } } }],
              },
            },
            else_branch: {
              graph: {
                inputs: [],
                outputs: [output('d')],
                initializers: [{ name: 'w', ...weights }],
                nodes: [{ op: 'Neg', inputs: ['w'], outputs: ['d'] }],
              },
            },
          },
        },
      ],
    });
  }

  it.each(['weights.bin', './weights.bin'])('of branches and attributes (%s) has the right values', async (location) => {
    const session = await Session.open(branchesModel(location), { externalFolder: models });
    for (const [which, sign] of [
      [1, 1],
      [0, -1],
    ] as const) {
      const [y] = await session.run([{ dtype: 'bool', shape: [], bytes: Uint8Array.of(which) }]);
      expect(floatsOf(y!)).toEqual(weightValues.map((value) => sign * value));
    }
    await session.close();
  });

  it('that says a shape is known while shapes are inferred', async () => {
    writeFileSync(at('shape.bin'), int64Bytes([3, 2]));
    const model = onnxModel({
      inputs: [{ name: 'x', dtype: 'float32', shape: [6] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['a', 'b'] }],
      initializers: [{ name: 'shape', dtype: 'int64', shape: [2], external: { location: 'shape.bin' } }],
      nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }],
    });
    const session = await Session.open(model, { externalFolder: models });
    expect(session.describe().outputs[0]?.shape).toEqual([3, 2]);
    await session.close();
  });

  it('that is shorter than its tensor is told by its name', async () => {
    writeFileSync(at('short.bin'), weightBytes.subarray(0, 100));
    await expect(Session.open(branchesModel('short.bin'), { externalFolder: models })).rejects.toMatchObject(
      load('needs 256 bytes from byte 0 of "short.bin", which has 100'),
    );
  });

  it('may have another name in the model’s folder, or be a link into a folder that is allowed', async () => {
    writeFileSync(at('twice.bin'), weightBytes);
    linkSync(at('twice.bin'), at('sub', 'twice.bin'));
    const store = join(folder, 'store');
    mkdirSync(store);
    writeFileSync(join(store, 'blob'), weightBytes);
    symlinkSync(join(store, 'blob'), at('blob.bin'));
    linkSync(join(store, 'blob'), at('blob2.bin'));
    expect(await runZeros(await openWith('twice.bin'))).toEqual(weightValues);
    for (const [name, refusal] of [
      ['blob.bin', "leads out of the model's folder"],
      ['blob2.bin', 'hard link'],
    ] as const) {
      await expect(openWith(name)).rejects.toMatchObject(load(refusal));
      expect(await runZeros(await Session.open(at('model.onnx'), { linkRoots: [store] }))).toEqual(weightValues);
    }
  });

  it('weights given by reference need no file and are not copied into the model', async () => {
    const weight = floatTensor([64], weightValues);
    const session = await Session.open(externalModel('nowhere.bin'), { initializers: [{ name: 'weight', tensor: weight }] });
    expect(await runZeros(session)).toEqual(weightValues);
  });

  it('weights given by reference may lie at any offset', async () => {
    const bytes = new Uint8Array(new ArrayBuffer(260), 1, 256);
    bytes.set(weightBytes);
    const session = await Session.open(externalModel('nowhere.bin'), {
      initializers: [{ name: 'weight', tensor: tensor('float32', [64], bytes) }],
    });
    expect(await runZeros(session)).toEqual(weightValues);
  });

  it.each([
    ['another name', 'other', floatTensor([64], weightValues), 'externalFolder'],
    ['another shape', 'weight', floatTensor([32], weightValues.slice(0, 32)), 'dimensions do not match'],
    ['bytes that do not fit its shape', 'weight', floatTensor([64], [1]), 'initializer "weight": float32 [64] does not need 4 bytes'],
  ])('refuses a weight by reference with %s', async (_, name, weight, text) => {
    await expect(Session.open(externalModel('nowhere.bin'), { initializers: [{ name, tensor: weight }] })).rejects.toMatchObject(
      load(text),
    );
  });
});
