import { describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import { bytesOf, codeOf, patterned, text, type BusRig } from './bus-rig.js';

/** What every Bus does with requests. */
export function describeRequests(rig: BusRig): void {
  describe('requests', () => {
    it('answers at an address and anywhere', async () => {
      rig.receiver.respond('upper.case', async (body) => bytesOf(text(body).toUpperCase()));
      await rig.settled();
      expect(text(await rig.sender.request(rig.receiver.address, 'upper.case', bytesOf('here')))).toBe('HERE');
      expect(text(await rig.sender.request(undefined, 'upper.case', bytesOf('anywhere')))).toBe('ANYWHERE');
    });

    it('asks one of several responders', async () => {
      const third = await rig.connect('scheduler');
      let asked = 0;
      for (const bus of [rig.receiver, third]) {
        bus.respond('count', async (body) => {
          asked++;
          return body;
        });
        await bus.request(bus.address, 'count', bytesOf('known now'));
      }
      asked = 0;
      for (let i = 0; i < 20; i++) await rig.sender.request(undefined, 'count', bytesOf('x'));
      expect(asked).toBe(20);
    });

    it('carries bodies and answers larger than one message', async () => {
      rig.receiver.respond('echo', async (body) => body);
      await rig.settled();
      const body = patterned(3_000_001);
      const answer = await rig.sender.request(rig.receiver.address, 'echo', body, { timeoutMs: 20_000 });
      expect(Buffer.compare(answer, body)).toBe(0);
    });

    it('rejects with UNAVAILABLE at once when nobody answers the subject', async () => {
      expect(await codeOf(rig.sender.request(rig.receiver.address, 'nothing', bytesOf(''), { timeoutMs: 20_000 }))).toBe('UNAVAILABLE');
      expect(await codeOf(rig.sender.request(undefined, 'nothing', bytesOf(''), { timeoutMs: 20_000 }))).toBe('UNAVAILABLE');
    });

    it('rejects with DEADLINE_EXCEEDED when no answer comes in time', async () => {
      rig.receiver.respond('never', () => new Promise(() => undefined));
      await rig.settled();
      expect(await codeOf(rig.sender.request(rig.receiver.address, 'never', bytesOf(''), { timeoutMs: 50 }))).toBe('DEADLINE_EXCEEDED');
    });

    it('carries the ServingError of a responder, and INTERNAL without text for anything else', async () => {
      rig.receiver.respond('refuse', async () => {
        throw new ServingError('NOT_FOUND', "servable 'nö' is not here");
      });
      rig.receiver.respond('break', async () => {
        throw new Error('/secret/path');
      });
      await rig.settled();
      const refused = { code: 'NOT_FOUND', message: "servable 'nö' is not here" };
      await expect(rig.sender.request(rig.receiver.address, 'refuse', bytesOf(''))).rejects.toMatchObject(refused);
      await expect(rig.sender.request(rig.receiver.address, 'break', bytesOf(''))).rejects.toMatchObject({
        code: 'INTERNAL',
        message: 'internal error',
      });
    });

    it('has one responder per subject, and none after unsubscribing', async () => {
      const subscription = rig.receiver.respond('once', async (body) => body);
      expect(() => rig.receiver.respond('once', async (body) => body)).toThrow(TypeError);
      await rig.settled();
      subscription.unsubscribe();
      await rig.receiver.request(rig.receiver.address, 'settled', bytesOf(''));
      expect(await codeOf(rig.sender.request(rig.receiver.address, 'once', bytesOf('')))).toBe('UNAVAILABLE');
    });
  });
}
