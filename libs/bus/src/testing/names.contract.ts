import { describe, expect, it } from '@jest/globals';
import { bytesOf, notes, type BusRig } from './bus-rig.js';

/** Which names every Bus refuses. */
export function describeNames(rig: BusRig): void {
  describe('names', () => {
    const bad = ['', 'a..b', '.a', 'a.', 'a.*', '>', 'a b', 'a\r\nPUB x', 'ä', 'x'.repeat(201)];
    it.each(bad)('refuses %j', async (name) => {
      expect(() => rig.sender.broadcast(name, bytesOf(''))).toThrow(TypeError);
      expect(() => rig.sender.listen(name, () => undefined)).toThrow(TypeError);
      expect(() => rig.sender.respond(name, async (body) => body)).toThrow(TypeError);
      expect(() => rig.sender.send(notes, name, 'x')).toThrow(TypeError);
      await expect(rig.sender.request(undefined, name, bytesOf(''))).rejects.toThrow(TypeError);
      await expect(rig.sender.request(name, 'subject', bytesOf(''))).rejects.toThrow(TypeError);
      await expect(rig.sender.fetch({ owner: name, id: 1, offset: 0, length: 1 })).rejects.toThrow(TypeError);
    });
  });
}
