import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { silentLog, type AppLog } from '@mserve/app';
import { answers, LocalTensorStore, refusals, type ServableStatus, type TensorReader } from '@mserve/bus';
import { failureOf, grantOf, stringTensor, type InstanceResult, type Ticket } from '@mserve/wire';
import { MetricRegistry } from '@mserve/metrics';
import { RecordingTracer } from '../../../../test/support/recording-tracer.js';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { FakeScheduler, method, servable } from '../testing/fake-scheduler.js';
import { prefixed, RawGrpc } from '../testing/raw-grpc.js';
import { defaultServables, GatewayRig, predict, rawClient } from '../testing/gateway-rig.js';

function result(text: string): InstanceResult {
  return { outputs: [stringTensor(text)] };
}

describe('the infer path', () => {
  let rig: GatewayRig;
  afterEach(() => rig.stop());

  it('puts portions of an answer together, in any order, first answer of an instance wins', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      scheduler.answer(ticket, 2, [result('C')]);
      scheduler.answer({ ...ticket, attempt: 2 }, 1, [result('B'), result('late')]);
      scheduler.answer(ticket, 0, [result('A')]);
      scheduler.answer(ticket, 0, [result('later')]);
    };
    const response = await rig.post('kit echo a|b|c');
    expect(await response.text()).toBe('A|B|C');
    expect(rig.gateway.stats).toMatchObject({ answered: 1, late: 2 });
  });

  it('drops results beyond the request', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      scheduler.answer(ticket, 5, [result('?')]);
      scheduler.answer(ticket, -1, [result('?'), result('?')]);
      scheduler.answer(ticket, 0, [result('A')]);
    };
    expect(await (await rig.post('kit echo a')).text()).toBe('A');
    expect(rig.gateway.stats).toMatchObject({ late: 0, forged: 3 });
  });

  it('drops answers of a worker that was not given the instances, and refusals of none of its schedulers', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    const ids: number[] = [];
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      const { gateway, id, key, attempt } = ticket;
      ids.push(id);
      const ofSecond = grantOf(key, attempt, 1, 1);
      const forge = (grant: number, grantedFirst: number, grantedInstances: number, firstInstance = 0, at = attempt): void =>
        scheduler.bus.send(answers, gateway, {
          id,
          attempt: at,
          firstInstance,
          results: [result('?')],
          grant,
          grantedFirst,
          grantedInstances,
        });
      // Before the answers: the request is still in hand
      scheduler.bus.send(refusals, gateway, {
        ...{ id, attempt, firstInstance: 0, instances: 2, key: ofSecond },
        failure: { code: 'UNAVAILABLE', message: 'forged' },
      });
      for (const grant of [0, id, key, ofSecond]) forge(grant, 0, 2);
      // Its own instance does not stretch over its neighbour, under no range and in no other attempt
      forge(ofSecond, 1, 1);
      forge(ofSecond, 0, 1);
      forge(ofSecond, 0, 0);
      forge(ofSecond, 1, 1, 1, attempt + 1);
      forge(ofSecond, 1, 1, 1);
      scheduler.answer(ticket, 0, [result('A')]);
    };
    expect(await (await rig.post('kit echo a|b')).text()).toBe('A|?');
    expect(await (await rig.post('kit echo a|b')).text()).toBe('A|?');
    expect(rig.gateway.stats).toMatchObject({ answered: 2, late: 0, forged: 20 });
    expect(Math.min(...ids)).toBeGreaterThan(1_000_000);
  });

  it('makes a refusal of the whole request a refusal, one of some instances their failure', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket !== undefined) scheduler.refuse(ticket, { code: 'RESOURCE_EXHAUSTED', message: 'full' });
    };
    const refused = await rig.post('kit echo a|b');
    expect([refused.status, await refused.text(), refused.headers.get('retry-after')]).toEqual([429, 'RESOURCE_EXHAUSTED: full', '1']);
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      scheduler.refuse(ticket, { code: 'UNAVAILABLE', message: 'poison' }, 1, 1);
      scheduler.answer(ticket, 0, [result('A')]);
    };
    expect(await (await rig.post('kit echo a|b')).text()).toBe('A|!poison');
  });

  it('answers good requests of a batch when one of them is bad', async () => {
    rig = await GatewayRig.start();
    const bodies = ['kit echo a', 'nope echo a', 'bug echo a', 'kit nope a', 'kit echo unencodable', 'kit echo z'];
    const answers = await Promise.all(bodies.map(async (body) => (await rig.post(body)).text()));
    expect(answers).toEqual([
      'a',
      "NOT_FOUND: servable 'nope' is not available",
      'INTERNAL: internal error',
      "NOT_FOUND: servable 'kit' has no method 'nope'",
      'INTERNAL: Failed to construct the response',
      'z',
    ]);
    await rig.idle();
  });

  it.each([true, false])('logs refusals when the level debug is on, and only then: %s', async (isEnabled) => {
    const codes: unknown[] = [];
    const log: AppLog = { ...silentLog, debug: ({ code }) => codes.push(code), isLevelEnabled: () => isEnabled };
    rig = await GatewayRig.start({ log });
    expect((await rig.post('nope echo a')).status).toBe(404);
    expect(codes).toEqual(isEnabled ? ['NOT_FOUND'] : []);
  });

  it('survives a refusal that cannot be shaped, and an answer that HTTP cannot carry', async () => {
    rig = await GatewayRig.start();
    const refused = await rig.post('nope echo a', { 'x-bug': 'refuse' });
    expect([refused.status, await refused.text()]).toEqual([500, '{"error":"internal error"}']);
    await expect(rig.post('kit echo unwritable')).rejects.toThrow();
    expect(await (await rig.post('kit echo a')).text()).toBe('a');
    await rig.idle();
  });

  it('answers what misses its deadline at once, and cancels it', async () => {
    rig = await GatewayRig.start({ defaultDeadlineMs: 30 });
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const client = rawClient(rig.gateway.grpcAddress as string);
    const own = rig.post('kit echo a');
    const shorter = rig.post('kit echo b', { 'x-request-timeout-ms': '5' });
    const longer = predict(client, 'kit echo c', { deadline: new Date(Date.now() + 60) }).done.catch(
      (error: { code: number }) => error.code,
    );
    expect((await own).status).toBe(504);
    expect(await (await shorter).text()).toMatch(/^DEADLINE_EXCEEDED: /);
    expect(await longer).toBe(4);
    // What ran out before it became a ticket (5 ms on a busy machine) has nothing to cancel.
    await scheduler.until(() => scheduler.cancelled.length === scheduler.seen.length);
    expect(scheduler.cancelled.map(({ id }) => id).sort()).toEqual(scheduler.seen.map(({ id }) => id).sort());
    await rig.idle();
    client.close();
  });

  it('begins a request that named no version again when its version has gone, with the methods of the version that is the latest then', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    const gone = failureOf('servable-unavailable', { servable: 'kit', method: 'echo' });
    const versions: number[] = [];
    scheduler.onTickets = (list) => {
      for (const ticket of list) {
        versions.push(ticket.version);
        if (ticket.version === 2) scheduler.answer(ticket, 0, [result('two'), result('two')]);
        else if (versions.length === 1) scheduler.refuse(ticket, gone);
        else {
          // A part of it had run; the answer must not mix versions
          scheduler.answer(ticket, 0, [result('one')]);
          scheduler.answer(ticket, 1, [{ failure: gone }]);
        }
      }
      if (versions.length === 2) scheduler.list([servable('kit', [method('echo')], 2)]);
    };
    const texts = await Promise.all([rig.post('kit echo a|b'), rig.post('kit echo c|d')].map(async (one) => (await one).text()));
    expect(texts).toEqual(['two|two', 'two|two']);
    expect(versions).toEqual([1, 1, 2, 2]);
    expect(rig.gateway.stats).toMatchObject({ answered: 2, moved: 2, refused: {} });
    await rig.idle();
  });

  it('sends a request again when its version is listed again: its last replica left a moment before the next one was known', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    let tickets = 0;
    scheduler.onTickets = (list) => {
      for (const ticket of list) {
        if (++tickets > 2) scheduler.answer(ticket, 0, [result('here')]);
        else scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit', method: 'echo' }));
      }
      if (tickets !== 2) return;
      // Another worker is loading it, and then has it
      scheduler.list([], [{ servable: 'kit', version: 1 }]);
      setTimeout(() => scheduler.list([servable('kit', [method('echo')])]), 50);
    };
    const texts = await Promise.all([rig.post('kit echo a'), rig.post('kit echo b')].map(async (one) => (await one).text()));
    expect([texts, tickets]).toEqual([['here', 'here'], 4]);
    expect(rig.gateway.stats).toMatchObject({ answered: 2, moved: 0, refused: {} });
    await rig.idle();
  });

  it('refuses it when there is no other version', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket !== undefined) scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit', method: 'echo' }));
      scheduler.list([servable('other', [method('echo')])]);
    };
    expect((await rig.post('kit echo a')).status).toBe(503);
    expect(rig.gateway.stats).toMatchObject({ moved: 0, refused: { UNAVAILABLE: 1 } });
    await rig.idle();
  });

  it('says that its version is being loaded when the next replica does not come in time', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket !== undefined) scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit', method: 'echo' }));
      scheduler.list([], [{ servable: 'kit', version: 1 }]);
    };
    const refused = await rig.post('kit echo a');
    expect([refused.status, await refused.text()]).toEqual([503, "UNAVAILABLE: servable 'kit' is loading"]);
    await rig.idle();
  });

  it('refuses a deadline that has passed without a ticket', async () => {
    rig = await GatewayRig.start();
    expect((await rig.post('kit echo b', { 'x-request-timeout-ms': '-1' })).status).toBe(504);
    expect(rig.scheduler.seen).toEqual([]);
  });

  it('cancels what its client no longer waits for', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const client = rawClient(rig.gateway.grpcAddress as string);
    const call = predict(client, 'kit echo a');
    const abort = new AbortController();
    const request = fetch(`${rig.url}/model/kit:echo`, { method: 'POST', body: 'kit echo b', signal: abort.signal }).catch(() => 'aborted');
    await scheduler.until(() => scheduler.seen.length === 2);
    call.cancel();
    abort.abort();
    await expect(call.done).rejects.toMatchObject({ code: 1 });
    expect(await request).toBe('aborted');
    await scheduler.until(() => scheduler.cancelled.length === 2);
    expect(rig.gateway.stats.gone).toBe(2);
    await rig.idle();
    client.close();
  });

  it('stops reading outputs when their client has left', async () => {
    const store = new LocalTensorStore();
    const reading = new Promise<TensorReader>((resolve) => {
      store.readResults = (_results, reader) => {
        if (reader !== undefined) resolve(reader);
        // Still on their way from the worker
        return new Promise(() => undefined) as never;
      };
    });
    rig = await GatewayRig.start({ store });
    const abort = new AbortController();
    const request = fetch(`${rig.url}/model/kit:echo`, { method: 'POST', body: 'kit echo a', signal: abort.signal }).catch(() => 'aborted');
    const { readingSignal } = await reading;
    expect(readingSignal.aborted).toBe(false);
    const stopped = new Promise((resolve) => readingSignal.addEventListener('abort', resolve));
    abort.abort();
    await stopped;
    expect(await request).toBe('aborted');
  });

  it('refuses what is over the limit of requests in hand', async () => {
    rig = await GatewayRig.start({ maxInFlight: 2 });
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const waiting = [rig.post('kit echo a'), rig.post('kit echo b')];
    await scheduler.until(() => scheduler.seen.length === 2);
    const refused = await rig.post('kit echo c');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.text()).toBe('RESOURCE_EXHAUSTED: too many requests are waiting, at most 2 may');
    scheduler.echo(scheduler.seen);
    expect(await Promise.all(waiting.map(async (response) => (await response).text()))).toEqual(expect.arrayContaining(['a', 'b']));
  });

  it('gives a new scheduler the unanswered tickets, less what has been answered', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket !== undefined) scheduler.answer(ticket, 1, [result('B')]);
    };
    const response = rig.post('kit echo a|b|c');
    await scheduler.until(() => scheduler.seen.length === 1);
    const next = new FakeScheduler(rig.exchange, defaultServables, 1).start();
    expect(await (await response).text()).toBe('a|B|c');
    expect(next.seen.map(({ id, attempt, firstInstance }) => [id, attempt, firstInstance])).toEqual(
      [0, 2].map((first) => [scheduler.seen[0]?.id, 1, first]),
    );
    await next.stop();
  });

  it('goes on with another scheduler when the first is gone, and refuses at once without one when nothing is to be waited for', async () => {
    rig = await GatewayRig.start({ unavailableGraceMs: 0 });
    const standby = new FakeScheduler(rig.exchange, defaultServables, 9).start();
    await rig.scheduler.bus.close();
    expect(await (await rig.post('kit echo a')).text()).toBe('a');
    expect(standby.seen).toHaveLength(1);
    await standby.stop();
    const refused = await rig.post('kit echo b');
    expect([refused.status, await refused.text()]).toEqual([503, "UNAVAILABLE: servable 'kit' is not available now"]);
    expect(rig.gateway.isReady).toBe(false);
  });

  describe('while every scheduler is away', () => {
    /** Resolves when so many requests wait. */
    async function waiting(count: number): Promise<void> {
      while (rig.gateway.stats.waited < count) await new Promise((resolve) => setImmediate(resolve));
    }

    it('keeps what comes, and what the last one took and did not give to anybody, for the next one', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 600_000 });
      const { scheduler } = rig;
      scheduler.onTickets = () => undefined;
      const taken = rig.post('kit echo a|b');
      await scheduler.until(() => scheduler.seen.length === 1);
      scheduler.answer(scheduler.seen[0] as Ticket, 0, [result('A')]);
      scheduler.hello(true);
      scheduler.refuse(scheduler.seen[0] as Ticket, failureOf('shutting-down', { servable: 'kit', method: 'echo' }));
      await scheduler.bus.close();
      const come = ['kit echo c', 'kit echo d'].map((body) => rig.post(body));
      await waiting(3);
      expect(rig.gateway.isReady).toBe(false);
      const next = new FakeScheduler(rig.exchange, defaultServables, 9).start();
      expect(await Promise.all([taken, ...come].map(async (response) => (await response).text()))).toEqual(['A|b', 'c', 'd']);
      expect(rig.gateway.stats).toMatchObject({ answered: 3, refused: {} });
      await next.stop();
    });

    it('waits until the next one lists the servable itself', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 600_000 });
      await rig.scheduler.bus.close();
      const response = rig.post('kit echo a');
      await waiting(1);
      // It has not heard of its workers yet
      const next = new FakeScheduler(rig.exchange, [servable('other', [method('echo')])], 9).start();
      expect(await (await rig.post('other echo b', {}, '/model/other:echo').catch(() => undefined))?.text()).toBeDefined();
      expect(next.seen.map(({ servable: name }) => name)).not.toContain('kit');
      next.list(defaultServables);
      expect(await (await response).text()).toBe('a');
      await next.stop();
    });

    it('refuses what has waited for unavailableGraceMs, misses its deadline, or whose client has left', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 200 });
      await rig.scheduler.bus.close();
      const abort = new AbortController();
      const left = fetch(`${rig.url}/model/kit:echo`, { method: 'POST', body: 'kit echo a', signal: abort.signal }).catch(() => 'aborted');
      const late = rig.post('kit echo b', { 'x-request-timeout-ms': '50' });
      const refused = await rig.post('kit echo c');
      expect([refused.status, await refused.text()]).toEqual([503, "UNAVAILABLE: servable 'kit' is not available now"]);
      expect((await late).status).toBe(504);
      abort.abort();
      expect(await left).toBeDefined();
      await rig.idle();
    });

    it('counts what waits as in hand: over maxInFlight it is refused at once', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 600_000, maxInFlight: 1 });
      await rig.scheduler.bus.close();
      const kept = rig.post('kit echo a');
      await waiting(1);
      expect((await rig.post('kit echo b')).status).toBe(429);
      const next = new FakeScheduler(rig.exchange, defaultServables, 9).start();
      expect(await (await kept).text()).toBe('a');
      await next.stop();
    });

    it('refuses what no scheduler has ever listed', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 600_000 });
      await rig.scheduler.bus.close();
      expect((await rig.post('nope echo a')).status).toBe(404);
    });
  });

  describe('while the last replica of a version is gone with its worker', () => {
    const lost = [{ ...(defaultServables[0] as ServableStatus), readyReplicas: 0 }];
    /** Resolves when the gateway knows it. */
    async function lose(loading?: Parameters<FakeScheduler['list']>[1]): Promise<void> {
      rig.scheduler.list(lost, loading);
      while ((await fetch(`${rig.url}/v2/models/kit.echo/ready`)).status === 200);
    }

    it('keeps what comes, and what the scheduler could give to nobody, for the next one', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 600_000 });
      const { scheduler } = rig;
      scheduler.onTickets = ([ticket]) => {
        if (ticket !== undefined) scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit', method: 'echo' }));
      };
      const taken = rig.post('kit echo a');
      await scheduler.until(() => scheduler.seen.length === 1);
      await lose();
      const come = ['kit echo b', 'kit echo c'].map((body) => rig.post(body));
      while (rig.gateway.stats.waited < 3) await new Promise((resolve) => setImmediate(resolve));
      expect(scheduler.seen).toHaveLength(1);
      scheduler.onTickets = (list) => scheduler.echo(list);
      scheduler.list(defaultServables);
      expect(await Promise.all([taken, ...come].map(async (response) => (await response).text()))).toEqual(['a', 'b', 'c']);
      expect(rig.gateway.stats).toMatchObject({ answered: 3, refused: {} });
    });

    it('gives what named no version to the one that comes instead', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 600_000, publicProtocols: true });
      const { scheduler } = rig;
      await lose();
      const open = rig.post('{"instances":[{"x":1}]}');
      const named = rig.post('{"instances":[{"x":2}]}', {}, '/model/kit/version/1:echo');
      while (rig.gateway.stats.waited < 2) await new Promise((resolve) => setImmediate(resolve));
      const lookups = jest.spyOn(MethodCatalog.prototype, 'resolve');
      scheduler.list([...lost, servable('kit', [method('echo')], 2)]);
      expect((await open).status).toBe(200);
      scheduler.list([...defaultServables, servable('kit', [method('echo')], 2)]);
      expect((await named).status).toBe(200);
      // What named its version was not read again
      expect(lookups.mock.calls).toEqual([['kit', 0, 'echo']]);
      lookups.mockRestore();
      expect(scheduler.seen.map(({ version }) => version)).toEqual([2, 1]);
      expect(rig.gateway.stats).toMatchObject({ answered: 2, moved: 1, refused: {} });
    });

    it('refuses what has waited for unavailableGraceMs, and what comes after that', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 300 });
      await lose();
      const refused = await rig.post('kit echo a');
      expect([refused.status, await refused.text()]).toEqual([503, "UNAVAILABLE: servable 'kit' is not available now"]);
      const { waited } = rig.gateway.stats;
      expect((await rig.post('kit echo b')).status).toBe(503);
      expect([waited, rig.gateway.stats.waited]).toEqual([1, 1]);
    });

    it.each([
      ['being loaded', { servable: 'kit', version: 1 }, 'loading'],
      ['being loaded by a worker that has not said which one', { servable: 'kit', version: 0 }, 'loading'],
      ['not, though another one is', { servable: 'kit', version: 2 }, 'not available'],
    ])('says of what named its version and has waited in vain that it is %s', async (_, loading, state) => {
      rig = await GatewayRig.start({ unavailableGraceMs: 200, publicProtocols: true });
      await lose([loading]);
      const [open, named] = await Promise.all([
        rig.post('{"instances":[{"x":1}]}'),
        rig.post('{"instances":[{"x":2}]}', {}, '/model/kit/version/1:echo'),
      ]);
      expect([open.status, named.status, rig.gateway.stats.waited]).toEqual([503, 503, 2]);
      expect([await open.text(), await named.text()]).toEqual([
        expect.stringContaining('Request servable(kit) method(echo) , servable is loading'),
        expect.stringContaining(`Request servable(kit) method(echo)  version(1) , servable is ${state}`),
      ]);
    });

    it('refuses at once when nothing is to be waited for, or when the version was unloaded', async () => {
      rig = await GatewayRig.start({ unavailableGraceMs: 0 });
      await lose();
      expect((await rig.post('kit echo a')).status).toBe(503);
      rig.scheduler.list([]);
      while ((await rig.post('kit echo b')).status !== 404);
      expect(rig.gateway.stats.waited).toBe(0);
    });
  });

  it('refuses what is in hand when it is closed without grace', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const client = rawClient(rig.gateway.grpcAddress as string);
    const call = predict(client, 'kit echo a').done.catch((error: { code: number }) => error.code);
    await scheduler.until(() => scheduler.seen.length === 1);
    expect(await rig.close(0)).toBe(1);
    expect(await call).toBe(14);
    client.close();
  });

  it('answers what is in hand before it closes, and is not ready meanwhile', async () => {
    rig = await GatewayRig.start();
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const response = rig.post('kit echo a');
    await scheduler.until(() => scheduler.seen.length === 1);
    const closed = rig.close(10_000);
    expect(rig.gateway.isReady).toBe(false);
    scheduler.echo(scheduler.seen);
    expect(await (await response).text()).toBe('a');
    expect(await closed).toBe(0);
    await expect(fetch(rig.url)).rejects.toThrow();
  });

  it('traces requests: tickets carry the span of the request, which ends with its answer or its refusal', async () => {
    const tracer = new RecordingTracer();
    const metrics = new MetricRegistry();
    rig = await GatewayRig.start({ tracer, metrics });
    const { scheduler } = rig;
    const carried: (string | undefined)[] = [];
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      carried.push(ticket.watch?.traceparent);
      scheduler.answer(ticket, 0, [result('A')]);
    };
    expect(await (await rig.post('kit echo a')).text()).toBe('A');
    scheduler.onTickets = ([ticket]) => {
      if (ticket !== undefined) scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit' }));
    };
    await rig.post('kit echo a');
    expect(carried).toEqual([tracer.spans[0]?.traceparent]);
    expect(tracer.spans.map(({ kind, ends }) => [kind, ends])).toEqual([
      ['request', ['']],
      ['request', ['servable-unavailable']],
    ]);
    expect(tracer.spans[0]?.facts).toEqual({ servable: 'kit', version: 1, method: 'echo', instances: 1 });
    const answered = metrics.snapshot().find(({ declaration }) => declaration.name === 'mserve_gateway_requests_answered_total');
    expect(answered?.samples).toEqual([{ labels: [], value: 1 }]);
  });

  it.each([
    ['answered', 'kit echo a', ''],
    ['refused by the scheduler', 'kit echo a', 'servable-unavailable'],
    ['refused before anybody is asked', 'kit nope a', 'method-not-found'],
  ])('tells the span of a request that is %s, and the tracestate of its client, over both ports', async (_, body, error) => {
    const tracer = new RecordingTracer();
    rig = await GatewayRig.start({ tracer });
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      expect(ticket.watch?.tracestate).toBe('a=1');
      if (error === '') scheduler.answer(ticket, 0, [result('A')]);
      else scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit' }));
    };
    const client = { traceparent: 'client', tracestate: 'a=1' };
    const { headers } = await rig.post(body, client);
    const raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
    const reply = await raw.call([prefixed(body)], client);
    raw.close();
    expect(tracer.outline).toEqual([`request < client: ${error || 'ok'}`, `request < client: ${error || 'ok'}`]);
    const told = [
      [headers.get('traceparent'), headers.get('tracestate')],
      [reply.headers['traceparent'], reply.headers['tracestate']],
    ];
    expect(told).toEqual(tracer.spans.map(({ traceparent }) => [traceparent, 'a=1']));
  });
});
