import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionOptions } from '@mserve/native';
import { model } from '../../../../test/support/declarations.js';
import { elementwise, FakeSession, floats, valuesOf } from '../../../../test/support/fake-session.js';
import { loadModels, type LoadModelsOptions } from './load-models.js';
import { modelOpeners, type OpenSession } from './model-loader.js';
import { shareModels, type ShareableSession } from './shared-models.js';

interface Opened {
  readonly path: string | Uint8Array;
  readonly options: SessionOptions;
}

function options(sessions: readonly OpenSession[], opened: Opened[] = [], more: Partial<LoadModelsOptions> = {}): LoadModelsOptions {
  const left = [...sessions];
  const open = (path: string | Uint8Array, session: SessionOptions): Promise<OpenSession> => {
    if (session.graphOptimization === 'none') return Promise.reject(new Error('a fake session has no other form'));
    opened.push({ path, options: session });
    return Promise.resolve(left.shift() as OpenSession);
  };
  return {
    openers: modelOpeners(open, () => Promise.resolve({ model: Uint8Array.of(7) })),
    paths: [['/s/1/a.onnx', '/s/1/b.onnx']],
    session: { intraOpThreads: 3, concurrentRuns: 2 },
    warmUp: false,
    onProgress: () => undefined,
    onWarning: () => undefined,
    ...more,
  };
}

class Closable extends FakeSession {
  closed = false;
  override close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

describe('loadModels', () => {
  it('opens the files of the version directory with the session options', async () => {
    const opened: Opened[] = [];
    const steps: string[] = [];
    const { models } = await loadModels(
      [model('a.onnx;b.onnx', { files: ['a.onnx', 'b.onnx'] })],
      options([elementwise([4, 1], 1, (x) => x), elementwise([4, 2], 1, (x) => x)], opened, {
        onProgress: ({ model: file, state }) => steps.push(`${file} ${state}`),
      }),
    );
    expect(opened).toEqual(
      ['/s/1/a.onnx', '/s/1/b.onnx'].map((path) => ({ path, options: { intraOpThreads: 3, concurrentRuns: 2, refuseLinks: true } })),
    );
    expect(models[0]?.map(({ plan, concurrentRuns }) => [plan.subgraph, plan.batchSize, concurrentRuns])).toEqual([
      [0, 4, 2],
      [1, 4, 2],
    ]);
    expect(steps).toEqual(['a.onnx loading', 'a.onnx ready', 'b.onnx loading', 'b.onnx ready']);
  });

  it("the author's Context decides on threads", async () => {
    const opened: Opened[] = [];
    await loadModels(
      [
        model('a.onnx', { options: { kind: 'context', values: { threadNum: 5, threadAffinityCoreList: [0, 2], enableParallel: true } } }),
        model('b.onnx', { options: { kind: 'context', values: { threadAffinityCoreList: 1, enableParallel: false } } }),
      ],
      options(
        [1, 2].map(() => elementwise([4, 1], 1, (x) => x)),
        opened,
        { paths: [['/s/1/a.onnx'], ['/s/1/b.onnx']] },
      ),
    );
    expect(opened.map((one) => one.options)).toEqual([
      { intraOpThreads: 5, interOpThreads: 5, coreIds: [0, 2], concurrentRuns: 2, refuseLinks: true },
      { intraOpThreads: 3, coreIds: [1], concurrentRuns: 2, refuseLinks: true },
    ]);
  });

  it('warms up with one run of the batch size, of made-up values', async () => {
    const fixed = elementwise([4, 2], 1, (x) => x);
    const dynamic = elementwise([-1, -1], 1, (x) => x);
    await loadModels([model('a.onnx'), model('b.onnx')], options([fixed, dynamic], [], { warmUp: true, paths: [['/a'], ['/b']] }));
    expect([fixed, dynamic].map(({ runs }) => runs.map(([x]) => x?.shape))).toEqual([[[4, 2]], [[1, 4]]]);
    for (const { runs } of [fixed, dynamic]) for (const value of valuesOf(runs[0]?.[0])) expect(value).toBeGreaterThan(0);
  });

  it("warms up with the author's example where there is one", async () => {
    const session = elementwise([-1, -1], 1, (x) => x);
    const uses = [{ argumentCount: 1, examples: [floats([3], [7, 8, 9])] }];
    await loadModels([model('a.onnx')], options([session], [], { warmUp: true, paths: [['/a']], uses }));
    expect(session.runs.map(([x]) => [x?.shape, valuesOf(x)])).toEqual([
      [
        [1, 3],
        [7, 8, 9],
      ],
    ]);
  });

  it('a model that takes no made-up values is not warmed up, and that is only a warning', async () => {
    const session = new FakeSession(elementwise([4, 2], 1, (x) => x).describe(), () => {
      throw new Error('these are not for me');
    });
    const warnings: string[] = [];
    await loadModels([model('a.onnx')], options([session], [], { warmUp: true, onWarning: (text) => warnings.push(text) }));
    expect(warnings).toEqual(["model 'a.onnx' was not warmed up: these are not for me"]);
  });

  it('what is found out about a model is found out once for all replicas that share it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mserve-findings-'));
    const path = join(folder, 'a.onnx');
    writeFileSync(path, 'a model');
    const sessions: FakeSession[] = [];
    const shareable = (): ShareableSession => {
      const session = elementwise([-1, 2], 1, (x) => x * 2);
      sessions.push(session);
      return Object.assign(session, { share: () => Promise.resolve(shareable()) });
    };
    const open = (_: string | Uint8Array, { graphOptimization }: SessionOptions): Promise<ShareableSession> =>
      graphOptimization === 'none' ? Promise.reject(new Error('a fake session has no other form')) : Promise.resolve(shareable());
    const openers = shareModels(modelOpeners(open, () => Promise.resolve({ model: Uint8Array.of(7) })));
    const verdicts: string[] = [];
    const loading = options([], [], { openers, paths: [[path]], warmUp: true, onVerdict: (_, { text }) => verdicts.push(text) });
    const replicas = await Promise.all([1, 2, 3].map(() => loadModels([model('a.onnx', { batching: 'proven' })], loading)));
    expect(sessions.map(({ runs }) => runs.length > 0)).toEqual([true, false, false]);
    expect(replicas.map(({ models }) => models[0]?.[0]?.isWarm)).toEqual([true, true, true]);
    expect(new Set(verdicts)).toEqual(new Set([expect.stringContaining('model a.onnx')]));
    expect(verdicts).toHaveLength(3);
    await loadModels([model('a.onnx', { batching: 'off' })], loading);
    expect(sessions.map(({ runs }) => runs.length > 0)).toEqual([true, false, false, true]);
    rmSync(folder, { recursive: true });
  });

  it('subgraphs must have one batch size; what was opened is closed', async () => {
    const sessions = [4, 2].map((batch) => new Closable(elementwise([batch, 1], 1, (x) => x).describe(), (inputs) => inputs));
    await expect(loadModels([model('a.onnx;b.onnx', { files: ['a.onnx', 'b.onnx'] })], options(sessions))).rejects.toThrow(
      'Expect batch size to be same, subgraph 0 has 4, subgraph 1 has 2, model: a.onnx;b.onnx',
    );
    expect(sessions.map((session) => session.closed)).toEqual([true, true]);
  });

  it.each([
    { title: 'OM', declared: model('a.om', { format: 'OM' }), decryption: undefined, text: "model file 'a.om' is OM" },
    {
      title: 'an encrypted ONNX file',
      declared: model('a.onnx'),
      decryption: { key: new Uint8Array(16) },
      text: 'only MindIR files can be encrypted',
    },
  ])('refuses $title', async ({ declared, decryption, text }) => {
    const failures: unknown[] = [];
    const loading = loadModels(
      [declared],
      options([], [], { decryption, onProgress: ({ state, error }) => state === 'failed' && failures.push(error) }),
    );
    await expect(loading).rejects.toThrow(text);
    expect(failures).toEqual([expect.stringContaining(text)]);
  });

  it('converts MindIR files in memory', async () => {
    const opened: Opened[] = [];
    await loadModels([model('a.mindir', { format: 'MindIR' })], options([elementwise([4, 1], 1, (x) => x)], opened));
    expect(opened[0]?.path).toEqual(Uint8Array.of(7));
  });
});
