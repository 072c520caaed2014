import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import { MemoryExchange, type Bus } from '@mserve/bus';
import type { ModelDeclaration } from '@mserve/register';
import { startCaseAgent } from '../../../../test/support/agents.js';
import { distributedCases } from '../../../../test/support/distributed-cases.js';
import { InProcessRanks } from '../../../../test/support/in-process-ranks.js';
import { checkServable } from '../replica/check-servable.js';
import { DistributedServables, type DistributedOptions } from './distributed-servables.js';

const root = join(import.meta.dirname, '../../../../test/parity/distributed/cases');
const one = distributedCases(root).find(({ name }) => name === 'mlp_tp_2')!;
const declaration: ModelDeclaration = {
  key: 'net',
  files: [],
  format: 'MindIR',
  withBatchDim: false,
  withoutBatchDimInputs: [],
  maxBatchSize: 1,
  batching: 'proven',
  distributed: { rankSize: 2, stageSize: 1 },
};
const request = { servable: 'net', version: 3, provider: 'cpu', declaration, log: silentLog };

let exchange: MemoryExchange;
let bus: Bus;

beforeEach(() => {
  exchange = new MemoryExchange();
  bus = exchange.connect('worker');
});

afterEach(() => bus.close());

function servables(options: Partial<DistributedOptions> = {}): DistributedServables {
  return new DistributedServables(bus, { rankTable: join(one.folder, 'rank_table.json'), ...options });
}

describe('the distributed servables of a worker', () => {
  it('need a rank table that fits', async () => {
    await expect(servables({ rankTable: undefined }).open(request)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('it needs a rank table'),
    });
    const larger = { ...declaration, distributed: { rankSize: 4, stageSize: 1 } };
    await expect(servables().open({ ...request, declaration: larger })).rejects.toMatchObject({
      message: expect.stringContaining('not equal to 4 declared in servable config'),
    });
  });

  it('say which ranks there are as long as they are open, and are open once', async () => {
    const host = new InProcessRanks();
    const agents = await Promise.all([0, 1].map((rank) => startCaseAgent(exchange, one, rank, host.load)));
    const all = servables();
    expect(() => all.ranksOf(undefined)).toThrow('there are: none');
    const [session] = await all.open({ ...request, use: { argumentCount: 1, outputCount: 2 } });
    const places = [0, 1].map((deviceId) => ({ ip: '127.0.0.1', deviceId }));
    const model = { servable: 'net', version: 3, rankSize: 2, stageSize: 1, withBatchDim: false, withoutBatchDimInputs: [] };
    const rankTable = readFileSync(join(one.folder, 'rank_table.json'), 'utf8');
    expect(all.ranksOf(undefined)).toEqual({ ...model, ranks: places, rankTable, inputCount: 1, outputCount: 2 });
    expect(() => all.ranksOf('other')).toThrow("there is no distributed servable 'other' here; there are: net");
    await expect(all.open(request)).rejects.toMatchObject({ message: expect.stringContaining('its agents make up one replica') });
    expect(session?.describe().inputs).toMatchObject([{ name: 'x', dtype: 'float32', shape: [8, 32] }]);
    await session?.close();
    expect(() => all.ranksOf('net')).toThrow('there are: none');
    await Promise.all(agents.map((agent) => agent.close()));
  });

  it('end to wait for agents when the worker leaves', async () => {
    const all = servables();
    const opening = all.open(request);
    all.end();
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(() => all.ranksOf('net')).toThrow('there are: none');
  });
});

describe('a check of a distributed servable', () => {
  it('needs no version folder, and says what it does not look at', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mserve-check-'));
    mkdirSync(join(directory, 'net'));
    writeFileSync(
      join(directory, 'net', 'servable_config.ts'),
      [
        `import { addStage, distributed, registerMethod } from '@mserve/register';`,
        `const model = distributed.declareServable({ rankSize: 4, stageSize: 2 });`,
        `registerMethod(['y'], function predict(x) { return addStage(model, x); });`,
      ].join('\n'),
    );
    const { problems, remarks } = await checkServable(directory, 'net');
    rmSync(directory, { recursive: true });
    expect({ problems, remarks }).toEqual({
      problems: [],
      remarks: ['the files of its 4 ranks are looked at when its agents are started'],
    });
  });
});
