import { afterEach, describe, expect, it } from '@jest/globals';
import { LocalTensorStore } from '@mserve/bus';
import { failureFrom, refusal, type InstanceResult } from '@mserve/wire';
import { GatewayRig } from '../testing/gateway-rig.js';
import { maxMoves } from './version-move.js';

const lost: InstanceResult = { failure: failureFrom(refusal('tensors-lost')) };

/** Outputs of the first answers, so many of them, cannot be fetched from their worker. */
function losingStore(times: number): LocalTensorStore {
  const store = new LocalTensorStore();
  const readResults = store.readResults.bind(store);
  let left = times;
  store.readResults = (results, reader) => {
    if (left === 0) return readResults(results, reader);
    left--;
    return Promise.resolve(results.map((result, index) => (index === 0 ? lost : (result as InstanceResult)))) as never;
  };
  return store;
}

describe('a request whose tensors were lost with their owner', () => {
  let rig: GatewayRig;
  afterEach(() => rig.stop());

  it('begins again when its outputs went with their worker, and is answered once', async () => {
    rig = await GatewayRig.start({ store: losingStore(1) });
    const answer = await rig.post('kit echo a|b');
    expect([answer.status, await answer.text()]).toEqual([200, 'a|b']);
    const ids = rig.scheduler.seen.map(({ id }) => id);
    expect([ids.length, new Set(ids).size]).toEqual([2, 2]);
    expect(rig.gateway.stats).toMatchObject({ answered: 1 });
    await rig.idle();
  });

  it('begins again when a worker could not fetch its inputs', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      if (scheduler.seen.length === 1) scheduler.answer(ticket, 0, [lost]);
      else scheduler.echo([ticket]);
    };
    expect(await (await rig.post('kit echo a')).text()).toBe('a');
    expect(scheduler.seen.length).toBe(2);
  });

  it('is told so when that goes on and on', async () => {
    rig = await GatewayRig.start({ store: losingStore(Infinity) });
    expect(await (await rig.post('kit echo a')).text()).toBe(`!${refusal('tensors-lost').message}`);
    expect(rig.scheduler.seen.length).toBe(1 + maxMoves);
    await rig.idle();
  });
});
