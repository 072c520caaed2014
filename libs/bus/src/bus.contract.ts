import { afterEach, beforeEach, describe } from '@jest/globals';
import { BusRig, type BusFactory } from './testing/bus-rig.js';
import { describeChannels } from './testing/channels.contract.js';
import { describeEnd } from './testing/end.contract.js';
import { describeHeldBytes } from './testing/held-bytes.contract.js';
import { describeNames } from './testing/names.contract.js';
import { describeRequests } from './testing/requests.contract.js';
import { describeTopics } from './testing/topics.contract.js';

/** What every Bus does. */
export function describeBus(name: string, start: () => Promise<BusFactory>): void {
  describe(`${name} as a Bus`, () => {
    const rig = new BusRig();
    beforeEach(async () => rig.start(await start()));
    afterEach(() => rig.stop());

    describeChannels(rig);
    describeRequests(rig);
    describeTopics(rig);
    describeHeldBytes(rig);
    describeNames(rig);
    describeEnd(rig);
  });
}
