import { afterEach, expect, it } from '@jest/globals';
import { MemoryExchange, subjects, topics, type Bus } from '@mserve/bus';
import { SchedulerFeed } from './scheduler-feed.js';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const opened: { close(): unknown }[] = [];
afterEach(() => opened.splice(0).forEach((one) => one.close()));

/** A scheduler that says hello when it is told to, and counts who asks for its catalog. */
function scheduler(exchange: MemoryExchange): { readonly bus: Bus; readonly asked: () => number; hello(): void } {
  const bus = exchange.connect('scheduler');
  let asked = 0;
  bus.respond(subjects.catalogList, () => {
    asked++;
    return Promise.resolve(encode({ revision: 1, servables: [] }));
  });
  const hello = (): void => bus.broadcast(topics.schedulersHello, encode({ address: bus.address, epoch: 1, revision: 1 }));
  opened.push(bus);
  return { bus, asked: () => asked, hello };
}

it('goes on with the catalog that it has when a scheduler that was silent says hello again', async () => {
  const exchange = new MemoryExchange();
  const { bus, asked, hello } = scheduler(exchange);
  const feed = new SchedulerFeed(exchange.connect('gateway'));
  opened.push(feed);
  const first = feed.catalog(AbortSignal.timeout(60_000));
  hello();
  expect(await first).toEqual({ revision: 1, servables: [] });
  feed.suspect(bus.address);
  expect(feed.current).toBeUndefined();
  const again = feed.catalog(AbortSignal.timeout(60_000));
  hello();
  expect(await again).toEqual({ revision: 1, servables: [] });
  expect([feed.current, asked()]).toEqual([bus.address, 1]);
});
