import { describe, expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import type { ReplicaStatus } from '@mserve/bus';
import { DispatchRig, signature, ticket } from '../dispatch/dispatch.fixture.js';
import { ReplicaTable } from './replica-table.js';

const checkMs = 125;

/** A table over a dispatcher, with a clock that stands still and workers that answer when told to. */
class TableRig {
  readonly dispatch = new DispatchRig();
  readonly warnings: string[] = [];
  hearsItself = true;
  deaths = 0;
  readonly mixedModels = new Set<string>();
  readonly asked: { address: string; answer: (list: unknown) => void; fail: (error: Error) => void }[] = [];
  readonly table = new ReplicaTable(this.dispatch.dispatcher, {
    fetchReplicas: (address) => new Promise((answer, fail) => this.asked.push({ address, answer, fail })),
    now: () => this.dispatch.now,
    isCutOff: () => !this.hearsItself,
    onChange: () => undefined,
    onDeath: () => void this.deaths++,
    log: { ...silentLog, warn: (_fields, text) => void this.warnings.push(text) },
    workerLostMs: 1_000,
    suspectLostMs: 400,
    busReturnMs: 3_000,
    mixedModels: this.mixedModels,
  });

  hear(address: string, revision = 1, fields: { epoch?: number; leaving?: boolean } = {}): void {
    this.table.hear({ address, epoch: 1, revision, leaving: false, ...fields });
  }

  /** The worker's answer to the oldest question. */
  async list(revision: number, ...replicas: readonly Partial<ReplicaStatus>[]): Promise<void> {
    const { address, answer } = this.asked.shift() as (typeof this.asked)[number];
    const full = replicas.map((replica, n) => ({
      replica: `${address}.${n}`,
      servable: 'digits',
      version: 1,
      deviceId: 0,
      state: 'ready',
      credits: 4,
      signature: signature(),
      ...replica,
    }));
    answer({ revision, replicas: full });
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Passes time, with checks at their interval; workers in `heard` say hello all the while. */
  pass(ms: number, ...heard: readonly string[]): void {
    for (let passed = 0; passed < ms; passed += checkMs) {
      this.dispatch.now += checkMs;
      for (const address of heard) this.hear(address);
      this.table.check(checkMs);
    }
  }

  get replicas(): string[] {
    return this.dispatch.dispatcher
      .stats()
      .replicas.map(({ replica }) => replica)
      .sort();
  }
}

async function rigWith(...addresses: readonly string[]): Promise<TableRig> {
  const rig = new TableRig();
  rig.table.check(checkMs);
  for (const address of addresses) {
    rig.hear(address);
    await rig.list(1, {});
  }
  return rig;
}

describe('ReplicaTable', () => {
  it('asks for the list when the revision is new, one question at a time', async () => {
    const rig = await rigWith('w1');
    rig.hear('w1', 1);
    expect(rig.asked).toEqual([]);
    rig.hear('w1', 2);
    rig.hear('w1', 3);
    expect(rig.asked).toHaveLength(1);
    await rig.list(2, {}, {});
    expect(rig.replicas).toEqual(['w1.0', 'w1.1']);
    // What was heard meanwhile is asked for at once
    expect(rig.asked).toHaveLength(1);
    rig.hear('w1', 3);
    await rig.list(3, { state: 'gone', credits: 0 }, {});
    expect(rig.replicas).toEqual(['w1.1']);
    expect(rig.asked).toEqual([]);
  });

  it('asks again after a question without answer', async () => {
    const rig = await rigWith();
    rig.hear('w1');
    rig.asked.shift()?.fail(new Error('no answer'));
    await new Promise((resolve) => setImmediate(resolve));
    rig.hear('w1');
    await rig.list(1, {});
    expect(rig.replicas).toEqual(['w1.0']);
    expect(rig.warnings).toEqual(['the replicas of a worker could not be listed']);
  });

  it('takes a worker that is silent for a second for lost', async () => {
    const rig = await rigWith('w1', 'w2');
    rig.pass(1_000, 'w2');
    expect(rig.replicas).toEqual(['w1.0', 'w2.0']);
    rig.pass(checkMs, 'w2');
    expect([rig.replicas, rig.deaths]).toEqual([['w2.0'], 1]);
    rig.hear('w1');
    await rig.list(1, {});
    expect(rig.replicas).toEqual(['w1.0', 'w2.0']);
  });

  it('gives everybody a fresh second when its own event loop stood still', async () => {
    const rig = await rigWith('w1');
    rig.pass(500);
    rig.dispatch.now += 5_000;
    rig.table.check(checkMs);
    expect(rig.replicas).toEqual(['w1.0']);
    rig.pass(1_000);
    expect(rig.replicas).toEqual(['w1.0']);
    rig.pass(checkMs);
    expect(rig.replicas).toEqual([]);
  });

  it('takes a worker that could not be reached for lost sooner, unless it is heard', async () => {
    const rig = await rigWith('w1', 'w2');
    rig.table.suspect('w1');
    rig.table.suspect('w2');
    rig.pass(500, 'w2');
    expect(rig.replicas).toEqual(['w2.0']);
  });

  it('drops an answer of a worker that was lost meanwhile', async () => {
    const rig = await rigWith();
    rig.hear('w1');
    rig.pass(1_250);
    await rig.list(1, {});
    expect(rig.replicas).toEqual([]);
  });

  it('knows a restarted worker by its epoch, and ignores beacons of its former life', async () => {
    const rig = await rigWith('w1', 'w2');
    rig.dispatch.submit(ticket(1));
    expect(rig.dispatch.given()).toEqual(['w1.0 <- 1[0+1]']);
    rig.hear('w1', 1, { epoch: 2 });
    expect(rig.dispatch.given()).toEqual(['w2.0 <- 1[0+1]#2']);
    await rig.list(1, {});
    rig.hear('w1', 9, { epoch: 1, leaving: true });
    expect(rig.asked).toEqual([]);
    rig.dispatch.submit(ticket(2));
    expect(rig.dispatch.given()).toEqual(['w1.0 <- 2[0+1]']);
  });

  it('remembers for a minute what nobody serves because its workers went', async () => {
    const rig = await rigWith('w', 'v');
    const lost = (): string[] => rig.table.lostVersions.map(({ servable, version }) => `${servable}:${version}`);
    rig.pass(1_250, 'v');
    // The other worker has it
    expect([rig.table.size, lost()]).toEqual([1, []]);
    rig.hear('v', 1, { leaving: true });
    expect(lost()).toEqual(['digits:1']);
    rig.pass(59_000, 'u');
    expect(lost()).toEqual(['digits:1']);
    rig.pass(1_500, 'u');
    expect(lost()).toEqual([]);
  });

  it('does not wait for what came back, or was unloaded', async () => {
    const rig = await rigWith('w');
    rig.pass(1_250);
    expect(rig.table.lostVersions).toHaveLength(1);
    rig.hear('w', 2);
    await rig.list(2, {});
    expect(rig.table.lostVersions).toEqual([]);
    rig.hear('w', 3);
    await rig.list(3);
    expect(rig.table.lostVersions).toEqual([]);
    rig.pass(1_250);
    expect([rig.table.size, rig.table.lostVersions]).toEqual([0, []]);
  });

  it('never uses what a leaving worker lists', async () => {
    const rig = await rigWith('w1');
    rig.hear('w1', 2, { leaving: true });
    await rig.list(2, {}, {});
    rig.hear('w3', 1, { leaving: true });
    expect(rig.asked).toEqual([]);
    rig.dispatch.submit(ticket(1));
    expect(rig.dispatch.refused()).toEqual(['1[0+1] UNAVAILABLE']);
    // It went as it said: that is no death
    rig.hear('w2');
    rig.pass(1_250, 'w2');
    expect([rig.table.size, rig.deaths]).toEqual([1, 0]);
  });

  it('uses the valid replicas of a list with others, and warns once', async () => {
    const rig = await rigWith();
    const odd: Partial<ReplicaStatus>[] = [
      {},
      { state: 'loading', version: 0, credits: 0, signature: undefined },
      { replica: 'w2.0' },
      { credits: 0 },
      { signature: undefined },
      { signature: signature('letters') },
      { credits: -1 },
      { state: 'failed', credits: 0, signature: undefined, error: 'no such file' },
    ];
    for (const revision of [1, 2]) {
      rig.hear('w1', revision);
      await rig.list(revision, ...odd);
    }
    expect(rig.replicas).toEqual(['w1.0']);
    expect(rig.warnings.sort()).toEqual([
      'a listed replica is not valid: replicas.6: credits: credits must not be less than 0',
      'a replica failed',
      'a replica says that it is ready without credits, or without its own signature',
      'a replica says that it is ready without credits, or without its own signature',
      'a replica says that it is ready without credits, or without its own signature',
      'a worker listed a replica that is not its own',
    ]);
    rig.hear('w1', 3);
    rig.asked.shift()?.answer(null);
    await new Promise((resolve) => setImmediate(resolve));
    expect(rig.warnings.at(-1)).toBe('the replicas of a worker could not be listed');
  });

  it('keeps a replica with another signature out until those it differs from are gone', async () => {
    const rig = await rigWith('w1');
    rig.hear('w2');
    await rig.list(1, { signature: signature('digits', { predict: 8 }) });
    expect([rig.replicas, rig.table.setAside]).toEqual([['w1.0'], ['w2.0']]);
    rig.pass(1_250, 'w2');
    expect([rig.replicas, rig.table.setAside]).toEqual([['w2.0'], []]);
  });

  describe('a replica that was loaded from other files', () => {
    const content = (digest: string): Partial<ReplicaStatus> => ({ content: digest });
    async function rigWithOther(): Promise<TableRig> {
      const rig = await rigWith();
      for (const [address, digest] of [
        ['w1', 'good'],
        ['w2', 'good'],
        ['rogue', 'other'],
      ] as const) {
        rig.hear(address);
        await rig.list(1, content(digest));
      }
      return rig;
    }

    it('is set aside by name, until those it differs from are gone for a minute', async () => {
      const rig = await rigWithOther();
      expect([rig.replicas, rig.table.setAside]).toEqual([['w1.0', 'w2.0'], ['rogue.0']]);
      expect(rig.table.setAsideVersions).toEqual([{ servable: 'digits', version: 1, reason: 'content' }]);
      expect(rig.warnings).toEqual(['a replica is not used: it was loaded from other files than the replicas in use']);
      rig.pass(60_000, 'rogue');
      expect([rig.replicas, rig.table.setAside]).toEqual([[], ['rogue.0']]);
      rig.pass(2_000, 'rogue');
      expect([rig.replicas, rig.table.setAside, rig.table.setAsideVersions]).toEqual([['rogue.0'], [], []]);
    });

    it('does not take the place of those that are started again, or were cut off', async () => {
      const rig = await rigWithOther();
      rig.pass(1_250, 'rogue');
      rig.hear('w3');
      await rig.list(1, content('good'));
      expect([rig.replicas, rig.table.setAside]).toEqual([['w3.0'], ['rogue.0']]);
      rig.table.loseAll(rig.dispatch.now + 3_000);
      rig.hear('rogue');
      await rig.list(1, content('other'));
      rig.hear('w3');
      await rig.list(1, content('good'));
      expect([rig.replicas, rig.table.setAside]).toEqual([['w3.0'], ['rogue.0']]);
    });

    it('is used at once when those it differs from leave or unload the version: so new files are rolled out', async () => {
      const rig = await rigWithOther();
      rig.hear('w1', 2, { leaving: true });
      await rig.list(2, { ...content('good'), state: 'draining' });
      expect(rig.table.setAside).toEqual(['rogue.0']);
      rig.hear('w2', 2);
      await rig.list(2, { ...content('good'), state: 'draining' });
      expect([rig.table.setAside, rig.table.setAsideVersions]).toEqual([[], []]);
      rig.dispatch.submit(ticket(1));
      expect(rig.dispatch.given()).toEqual(['rogue.0 <- 1[0+1]']);
    });

    it('is used when its worker exchanges what it had in use, and is then known', async () => {
      const rig = await rigWithOther();
      rig.hear('w1', 2);
      await rig.list(2, content('good'), content('new'));
      expect([rig.replicas, rig.table.setAside]).toEqual([['w1.0', 'w1.1', 'w2.0'], ['rogue.0']]);
      rig.hear('w3');
      await rig.list(1, content('new'));
      expect(rig.replicas).toEqual(['w1.0', 'w1.1', 'w2.0', 'w3.0']);
    });

    it('is used where the servable may have different ones', async () => {
      const rig = await rigWith();
      rig.mixedModels.add('digits');
      for (const digest of ['good', 'other']) {
        rig.hear(digest);
        await rig.list(1, content(digest));
      }
      expect(rig.replicas).toEqual(['good.0', 'other.0']);
    });
  });

  it('forgets everybody when the bus is down, and finds them again', async () => {
    const rig = await rigWith('w1');
    rig.dispatch.submit(ticket(1));
    rig.dispatch.given();
    rig.table.loseAll(rig.dispatch.now + 3_000);
    expect(rig.replicas).toEqual([]);
    expect(rig.dispatch.refused()).toEqual([]);
    rig.hear('w1');
    await rig.list(1, {});
    expect(rig.dispatch.given()).toEqual(['w1.0 <- 1[0+1]#2']);
  });

  it('takes workers that fall silent together for cut off: what they had is kept, and blamed for no death', async () => {
    const rig = await rigWith('w1');
    rig.hear('w2');
    await rig.list(1, {});
    rig.pass(250, 'w1', 'w2');
    for (let cuts = 0; cuts < 3; cuts++) {
      if (cuts === 0) rig.dispatch.submit(ticket(1));
      expect(rig.dispatch.given()).toHaveLength(1);
      rig.pass(1_250);
      expect(rig.replicas).toEqual([]);
      for (const worker of ['w1', 'w2']) {
        rig.hear(worker);
        await rig.list(1, {});
      }
      expect(rig.replicas).toEqual(['w1.0', 'w2.0']);
    }
    expect(rig.deaths).toBe(0);
    expect(rig.dispatch.refused()).toEqual([]);
    expect(rig.warnings).toEqual(new Array(3).fill('no worker is heard any more: this scheduler is cut off from the bus'));
    rig.pass(3_000, 'w1', 'w2');
    expect(rig.dispatch.refused()).toEqual([]);
  });

  it('takes workers for cut off when their last beacons came one after the other', async () => {
    const rig = await rigWith('w1', 'w2');
    rig.dispatch.submit(ticket(1));
    rig.pass(250, 'w2');
    rig.pass(1_000);
    expect(rig.replicas).toEqual([]);
    expect(rig.warnings).toEqual(['no worker is heard any more: this scheduler is cut off from the bus']);
    expect(rig.dispatch.refused()).toEqual([]);
  });

  it('takes the only worker for cut off when this process does not hear itself, and for dead when it does', async () => {
    const rig = await rigWith('w1');
    rig.dispatch.submit(ticket(1));
    rig.hearsItself = false;
    rig.pass(1_250);
    expect(rig.dispatch.refused()).toEqual([]);
    rig.hearsItself = true;
    rig.hear('w1');
    await rig.list(1, {});
    expect(rig.dispatch.given()).toHaveLength(2);
    rig.pass(1_250);
    expect(rig.warnings).toEqual([
      'no worker is heard any more: this scheduler is cut off from the bus',
      'a worker was not heard any more',
    ]);
    expect(rig.dispatch.refused()).toHaveLength(1);
  });

  it('queues what comes while workers that were cut off are awaited, for busReturnMs and no longer', async () => {
    const rig = await rigWith('w1', 'w2');
    rig.pass(1_250);
    rig.dispatch.submit(ticket(1));
    expect(rig.dispatch.refused()).toEqual([]);
    rig.hear('w2');
    await rig.list(1, {});
    expect(rig.dispatch.given()).toEqual(['w2.0 <- 1[0+1]']);
    rig.hearsItself = false;
    rig.pass(1_250);
    rig.dispatch.submit(ticket(2));
    expect(rig.dispatch.refused()).toEqual([]);
    rig.dispatch.now += 3_000;
    rig.dispatch.dispatcher.sweep(rig.dispatch.now);
    rig.dispatch.submit(ticket(3));
    expect(rig.dispatch.refused()).toHaveLength(3);
  });

  it('keeps what is queued when every worker comes back with another epoch, until their lists are here', async () => {
    const rig = await rigWith('w1', 'w2');
    rig.dispatch.submit(ticket(1));
    rig.hear('w1', 1, { epoch: 2 });
    rig.hear('w2', 1, { epoch: 2 });
    expect([rig.replicas, rig.dispatch.refused()]).toEqual([[], []]);
    await rig.list(1, {});
    expect(rig.replicas).toEqual(['w1.0']);
    expect(rig.dispatch.refused()).toEqual([]);
  });
});
