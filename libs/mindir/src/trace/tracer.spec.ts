import { describe, expect, it } from '@jest/globals';
import { Session } from '@mserve/native';
import { loadMindir } from '../load.js';
import { MindirError } from '../mindir-error.js';
import { mindirFile, type FileGraph } from '../testing/mindir-file.js';

async function refusal(bytes: Uint8Array): Promise<MindirError> {
  const thrown: unknown = await loadMindir({ bytes }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof MindirError)) throw new Error(`not refused: ${String(thrown)}`);
  return thrown;
}

const input = [['main:x', [2]]] as const;

describe('operators without translation', () => {
  it('are all listed in one error, with node and graph', async () => {
    const refused = await refusal(
      mindirFile(
        [
          {
            name: 'main',
            inputs: input,
            nodes: [
              ['main:a', 'Alien', 'main:x'],
              ['main:b', 'REF::helper', 'main:a'],
            ],
            output: 'main:b',
          },
          { name: 'helper', inputs: [['helper:p', [2]]], nodes: [['helper:c', 'REF::Stranger:0', 'helper:p']], output: 'helper:c' },
        ],
        ['Stranger'],
      ),
    );
    expect(refused.kind).toBe('unsupported');
    expect(refused.message).toContain("Alien: node 'Default/main:a' in graph 'main'");
    expect(refused.message).toContain("Stranger: node 'Default/helper:c' in graph 'helper'");
  });
});

describe('hostile graphs', () => {
  it('refuses a node that uses a value before it is defined', async () => {
    const refused = await refusal(
      mindirFile([
        {
          name: 'main',
          inputs: input,
          nodes: [
            ['main:a', 'Add', 'main:x', 'main:b'],
            ['main:b', 'Neg', 'main:a'],
          ],
          output: 'main:b',
        },
      ]),
    );
    expect(refused).toMatchObject({ kind: 'format', message: expect.stringContaining('main:b') });
  });

  it('refuses tuples that double with every node', async () => {
    const nodes: (readonly [string, string, ...string[]])[] = [['main:t0', 'MakeTuple', 'main:x', 'main:x']];
    for (let index = 1; index < 60; index++) nodes.push([`main:t${index}`, 'MakeTuple', `main:t${index - 1}`, `main:t${index - 1}`]);
    expect((await refusal(mindirFile([{ name: 'main', inputs: input, nodes, output: 'main:t59' }]))).kind).toBe('limits');
    const sums = nodes.map(([output, , ...inputs]): readonly [string, string, ...string[]] => [
      output,
      output === 'main:t0' ? 'MakeTuple' : 'SequenceAdd',
      ...inputs,
    ]);
    expect((await refusal(mindirFile([{ name: 'main', inputs: input, nodes: sums, output: 'main:t59' }]))).kind).toBe('limits');
  });

  it('refuses calls that double with every func graph', async () => {
    const graphs = Array.from({ length: 40 }, (_, level): FileGraph => {
      const callee = level === 39 ? 'Neg' : `REF::g${level + 1}`;
      return {
        name: `g${level}`,
        inputs: [[`g${level}:x`, [2]]],
        nodes: [
          [`g${level}:a`, callee, `g${level}:x`],
          [`g${level}:b`, callee, `g${level}:a`],
        ],
        output: `g${level}:b`,
      };
    });
    expect((await refusal(mindirFile(graphs))).kind).toBe('limits');
  });

  it('refuses func graphs that are nested too deeply', async () => {
    const graphs = Array.from({ length: 5000 }, (_, level): FileGraph => ({
      name: `g${level}`,
      inputs: [[`g${level}:x`, [2]]],
      nodes: [[`g${level}:a`, level === 4999 ? 'Neg' : `REF::g${level + 1}`, `g${level}:x`]],
      output: `g${level}:a`,
    }));
    expect((await refusal(mindirFile(graphs))).kind).toBe('limits');
  });

  it('refuses recursion that is not a loop by the name of the func graph', async () => {
    const refused = await refusal(
      mindirFile([
        { name: 'main', inputs: input, nodes: [['main:a', 'REF::again', 'main:x']], output: 'main:a' },
        {
          name: 'again',
          inputs: [['again:x', [2]]],
          nodes: [
            ['again:a', 'REF::again', 'again:x'],
            ['again:b', 'Neg', 'again:a'],
          ],
          output: 'again:b',
        },
      ]),
    );
    expect(refused).toMatchObject({ kind: 'unsupported', message: expect.stringContaining('recursion') });
  });

  it('refuses a loop that never ends', async () => {
    const refused = await refusal(
      mindirFile([
        { name: 'main', inputs: input, nodes: [['main:a', 'REF::again', 'main:x']], output: 'main:a' },
        {
          name: 'again',
          inputs: [['again:x', [2]]],
          nodes: [
            ['again:a', 'Neg', 'again:x'],
            ['again:b', 'REF::again', 'again:a'],
          ],
          output: 'again:b',
        },
      ]),
    );
    expect(refused).toMatchObject({ kind: 'unsupported', message: expect.stringContaining("'again'") });
  });
});

describe('names', () => {
  it('keeps user names of inputs, numbers equal ones, and does not clash with outputs', async () => {
    const inputs = [
      ['1_main:x', [2]],
      ['2_main:x', [2]],
      ['3_main:output_0', [2]],
    ] as const;
    const model = await loadMindir({
      bytes: mindirFile([
        {
          name: 'main',
          inputs,
          nodes: [
            ['main:a', 'Add', '1_main:x', '2_main:x'],
            ['main:b', 'Mul', 'main:a', '3_main:output_0'],
          ],
          output: 'main:b',
        },
      ]),
    });
    expect(model.inputs.map(({ name }) => name)).toEqual(['x', 'x_1', 'output_0']);
    const session = await Session.open(model.model);
    expect(session.describe().outputs.map(({ name }) => name)).toEqual(['result_0']);
    await session.close();
  });

  it('does not make up a name that an input has', async () => {
    const inputs = [
      ['main:Neg_1', [2]],
      ['main:Neg_2', [2]],
    ] as const;
    const model = await loadMindir({
      bytes: mindirFile([
        {
          name: 'main',
          inputs,
          nodes: [
            ['main:a', 'Neg', 'main:Neg_1'],
            ['main:b', 'Neg', 'main:Neg_2'],
            ['main:c', 'Add', 'main:a', 'main:b'],
          ],
          output: 'main:c',
        },
      ]),
    });
    const session = await Session.open(model.model);
    const one = { dtype: 'float32', shape: [2], bytes: new Uint8Array(new Float32Array([1, 2]).buffer) } as const;
    const [sum] = await session.run([one, one]);
    expect([...new Float32Array(new Uint8Array(sum?.bytes ?? []).buffer)]).toEqual([-2, -4]);
    await session.close();
  });

  it('keeps dynamic dims', async () => {
    const model = await loadMindir({
      bytes: mindirFile([{ name: 'main', inputs: [['main:x', [-1, 3]]], nodes: [['main:a', 'Neg', 'main:x']], output: 'main:a' }]),
    });
    expect(model.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [-1, 3] }]);
    const session = await Session.open(model.model);
    expect(session.describe().inputs[0]).toMatchObject({ shape: [-1, 3], dimNames: ['x_dim0', ''] });
    await session.close();
  });
});
