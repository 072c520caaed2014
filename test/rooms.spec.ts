import { describe, expect, it } from '@jest/globals';
import { allowedRooms, importProblem } from '../scripts/eslint-rooms.mjs';

describe('import rules', () => {
  it.each([
    ['apps/gateway/src/gateway.ts', '@mserve/register', /gateway may import .*, not register/],
    ['apps/scheduler/src/main.ts', '@mserve/native', /scheduler may import .*, not native/],
    ['libs/wire/src/tensor.ts', '@mserve/bus', /wire may import nothing of ours, not bus/],
    ['libs/bus/src/bus.ts', '@mserve/wire/src/tensor.js', /deep import/],
    ['libs/bus/src/bus.ts', '../../wire/src/tensor.js', /leaves the room bus/],
    ['libs/bus/src/bus.ts', '@nestjs/common', /Nest is used in apps/],
    ['apps/gateway/src/gateway.ts', '@nats-io/transport-node', /libs\/bus\/src\/nats only/],
    ['libs/native/src/session.ts', '../build/Release/mserve_native.node', /binding\.ts only/],
    ['apps/gateway/src/gateway.ts', '@mserve/gateway', /itself by name/],
  ])('%s may not import %s', (path, specifier, text) => {
    expect(importProblem(path, specifier)).toMatch(text);
  });

  it.each([
    ['apps/gateway/src/gateway.ts', '@mserve/bus/nest'],
    ['apps/device-worker/src/replica/model-loader.ts', '@mserve/native'],
    ['libs/bus/src/nats/connect.ts', '@nats-io/transport-node'],
    ['libs/bus/src/bus.ts', './channel.js'],
    ['apps/server/src/server.ts', '@mserve/gateway'],
  ])('%s may import %s', (path, specifier) => {
    expect(importProblem(path, specifier)).toBeUndefined();
  });

  it('has no cycle', () => {
    const visit = (room: string, above: readonly string[]): string | undefined => {
      if (above.includes(room)) return [...above, room].join(' > ');
      for (const next of (allowedRooms as Record<string, string[]>)[room] ?? []) {
        const cycle = visit(next, [...above, room]);
        if (cycle !== undefined) return cycle;
      }
      return undefined;
    };
    expect(Object.keys(allowedRooms).map((room) => visit(room, []))).toEqual(Object.keys(allowedRooms).map(() => undefined));
  });
});
