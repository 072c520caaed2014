import { describe, expect, it } from '@jest/globals';
import {
  CatalogDto,
  CatalogReader,
  CheckedList,
  LoadServableDto,
  ReplicaListDto,
  ReplicaStatusDto,
  SchedulerHelloDto,
  UnloadServableDto,
  WorkerHelloDto,
  parseControl,
} from './index.js';

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const hello = { address: 'scheduler-1', epoch: 1_700_000_000_000, revision: 3, leaving: false };
const inputs = [
  { name: 'x', dtype: 'float32', shape: [-1, 2], doc: 'a', example: { dtype: 'float32', shape: [0, 2], b64: '' } },
  { name: 'y' },
];
const method = { name: 'add', inputs, outputs: [{ name: 'z', shape: [] }], batched: true, batchSize: 4 };
const signature = { servable: 'add', version: 1, methods: [method] };
const catalog = { revision: 1, servables: [{ signature, readyReplicas: 1, queued: 0 }] };
const replica = { replica: 'worker-1.0', servable: 'add', version: 1, deviceId: 0, state: 'ready', credits: 8, signature };
const list = { revision: 2, replicas: [replica, { ...replica, state: 'failed', signature: undefined, error: 'model missing' }] };
const load = { servable: 'add', version: 0, deviceIds: [0, 1], numParallelWorkers: 2 };
const unload = { servable: 'add', version: 3, graceMs: 1000 };

/** As those who get such a message read it. */
function read(type: new () => object, message: Uint8Array): object {
  return type === CatalogDto ? new CatalogReader().read(message) : parseControl<object>(type, message);
}

/** A copy with the value at the path replaced. */
function changed(original: unknown, path: string, value: unknown): unknown {
  const copy = structuredClone(original) as Record<string, unknown>;
  const names = path.split('.');
  let at = copy;
  for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[names.at(-1) as string] = value;
  return copy;
}

describe('control messages', () => {
  it.each([
    [SchedulerHelloDto, hello],
    [WorkerHelloDto, hello],
    [CatalogDto, catalog],
    [CatalogDto, { ...catalog, loading: [{ servable: 'digits', version: 0 }] }],
    [ReplicaListDto, list],
    [ReplicaStatusDto, replica],
    [LoadServableDto, load],
    [LoadServableDto, { servable: 'add', version: 2 }],
    [UnloadServableDto, unload],
    [UnloadServableDto, { servable: 'add', version: 0 }],
  ])('takes a right %p', (type, plain) => {
    expect(JSON.parse(JSON.stringify(read(type, bytes(plain))))).toEqual(JSON.parse(JSON.stringify(plain)));
  });

  it('takes a replica that is still loading, whose version is not known yet', () => {
    const loading = { ...replica, version: 0, state: 'loading', credits: 0, signature: undefined };
    expect(parseControl(ReplicaStatusDto, bytes(loading))).toMatchObject({ version: 0 });
  });

  it('leaves out what a newer version says more', () => {
    expect(parseControl(SchedulerHelloDto, bytes({ ...hello, colour: 'red' }))).not.toHaveProperty('colour');
  });

  it.each([
    [SchedulerHelloDto, hello, 'address', 'a.>'],
    [SchedulerHelloDto, hello, 'address', undefined],
    [SchedulerHelloDto, hello, 'epoch', -1],
    [SchedulerHelloDto, hello, 'revision', 1.5],
    [SchedulerHelloDto, hello, 'leaving', 'no'],
    [CatalogDto, catalog, 'servables', {}],
    [CatalogDto, catalog, 'servables', undefined],
    [CatalogDto, catalog, 'loading', {}],
    [CatalogDto, catalog, 'loading', [{ servable: 5, version: 0 }]],
    [CatalogDto, catalog, 'loading', [{ servable: 'digits', version: -1 }]],
    [CatalogDto, catalog, 'servables.0', null],
    [CatalogDto, catalog, 'servables.0', 7],
    [CatalogDto, catalog, 'servables.0', [signature]],
    [CatalogDto, catalog, 'servables.0.queued', '0'],
    [CatalogDto, catalog, 'servables.0.signature', undefined],
    [CatalogDto, catalog, 'servables.0.signature', 'add'],
    [CatalogDto, catalog, 'servables.0.signature.version', 0],
    [CatalogDto, catalog, 'servables.0.signature.servable', 5],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.batchSize', 0],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.batched', null],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.dtype', 'float31'],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.shape', [-2]],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.shape', Array(65).fill(1)],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.example', 'text'],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.example.dtype', 'float31'],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.example.shape', [-1]],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.inputs.0.example.b64', 7],
    [CatalogDto, catalog, 'servables.0.signature.methods.0.outputs.0.name', undefined],
    [ReplicaListDto, list, 'revision', 0.5],
    [ReplicaListDto, list, 'replicas', { length: 1 }],
    [ReplicaStatusDto, replica, 'state', 'happy'],
    [ReplicaStatusDto, replica, 'credits', null],
    [LoadServableDto, load, 'servable', '../add'],
    [LoadServableDto, load, 'servable', undefined],
    [LoadServableDto, load, 'version', -1],
    [LoadServableDto, load, 'version', undefined],
    [LoadServableDto, load, 'deviceIds', []],
    [LoadServableDto, load, 'deviceIds', [0, 0]],
    [LoadServableDto, load, 'numParallelWorkers', 65],
    [UnloadServableDto, unload, 'servable', 'a:b'],
    [UnloadServableDto, unload, 'version', 2 ** 53],
    [UnloadServableDto, unload, 'version', 1.5],
    [UnloadServableDto, unload, 'graceMs', -1],
  ])('refuses %p of %j with a wrong %s', (type, plain, path, value) => {
    const named = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(path.split('.').at(-1) as string) });
    expect(() => read(type, bytes(changed(plain, path, value)))).toThrow(named);
  });

  it.each(['null', '[]', '5', '"x"', '{', ''])('refuses %j', (text) => {
    expect(() => parseControl(SchedulerHelloDto, new TextEncoder().encode(text))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('CheckedList', () => {
  const wrong: string[] = [];
  const onWrong = (index: number, reason: string): void => void wrong.push(`${index}: ${reason}`);

  it('gives what did not change as the same object, wherever it stands, and checks what did', () => {
    const checked = new CheckedList(ReplicaStatusDto);
    const other = { ...replica, replica: 'worker-1.1' };
    const [first, second] = checked.read([structuredClone(replica), other], onWrong);
    expect(second).toMatchObject(other);
    const again = checked.read([{ ...other, credits: -1 }, structuredClone(replica)], onWrong);
    expect(again).toHaveLength(1);
    expect(again[0]).toBe(first);
    expect(wrong).toEqual([expect.stringContaining('0: credits')]);
  });

  it('keeps nothing of lists before the last', () => {
    const checked = new CheckedList(ReplicaStatusDto);
    const [first] = checked.read([replica], onWrong);
    checked.read([], onWrong);
    expect(checked.read([structuredClone(replica)], onWrong)[0]).not.toBe(first);
  });
});
