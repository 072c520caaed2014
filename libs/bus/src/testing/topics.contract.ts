import { describe, expect, it } from '@jest/globals';
import { maxBroadcastBytes, type Bus } from '../bus.js';
import { Collected, bytesOf, text, type BusRig } from './bus-rig.js';

/** What every Bus does with broadcasts. */
export function describeTopics(rig: BusRig): void {
  describe('topics', () => {
    it('tells everybody who listens, the sender included, until they unsubscribe', async () => {
      const heard: string[] = [];
      const all = new Collected<string>();
      const listen = (bus: Bus, who: string): { unsubscribe(): void } =>
        bus.listen('schedulers.hello', (body) => {
          heard.push(`${who} ${text(body)}`);
          all.take([who]);
        });
      listen(rig.sender, 'sender');
      const subscription = listen(rig.receiver, 'receiver');
      await rig.settled();
      rig.sender.broadcast('schedulers.hello', bytesOf('1'));
      await all.until(2);
      subscription.unsubscribe();
      await rig.receiver.request(rig.receiver.address, 'settled', bytesOf(''));
      rig.sender.broadcast('schedulers.hello', bytesOf('2'));
      await all.until(3);
      expect(heard.sort()).toEqual(['receiver 1', 'sender 1', 'sender 2']);
    });

    it('refuses a broadcast that is no beacon', () => {
      expect(() => rig.sender.broadcast('big', new Uint8Array(maxBroadcastBytes + 1))).toThrow(RangeError);
    });
  });
}
