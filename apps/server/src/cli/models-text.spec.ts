import { expect, it } from '@jest/globals';
import { changeText } from './models-command.js';

it('a change of a fleet is told worker by worker, with what to do about those that are away', () => {
  const done = { worker: 'worker-1', loaded: [2], unloaded: [1] };
  expect(changeText('switch', { servable: 'net', versions: [2], ok: true, workers: [done], passedOver: ['worker-3'] })).toBe(
    [
      'switch net:2: done',
      '  ✓ worker-1: loaded 2, unloaded 1',
      '  ! worker-3: not heard any more, passed over; if it comes back, ask again',
    ].join('\n'),
  );
  const idle = { loaded: [], unloaded: [] };
  const workers = [
    { worker: 'worker-1', ...idle, code: 'ABORTED' as const, error: "not switched: another worker, 'worker-2', could not load it" },
    { worker: 'worker-2', ...idle, code: 'UNAVAILABLE' as const, error: 'the worker is not heard any more' },
  ];
  expect(changeText('switch', { servable: 'net', versions: [2], ok: false, workers })).toBe(
    [
      'switch net:2: not done, what served before goes on',
      "  ✗ worker-1: not switched: another worker, 'worker-2', could not load it",
      '  ✗ worker-2: the worker is not heard any more',
      'try again, or name the workers that are there: --worker ADDRESS',
    ].join('\n'),
  );
});
