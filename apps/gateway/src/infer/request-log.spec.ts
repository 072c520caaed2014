import { afterEach, describe, expect, it } from '@jest/globals';
import { failureOf } from '@mserve/wire';
import { echoOf, method, servable } from '../testing/fake-scheduler.js';
import { GatewayRig } from '../testing/gateway-rig.js';
import { LogLines } from '../testing/log-lines.js';

describe('RequestLog', () => {
  let rig: GatewayRig | undefined;
  afterEach(() => rig?.stop());

  const requestsOf = (lines: LogLines): readonly Readonly<Record<string, unknown>>[] =>
    lines.lines.filter(({ text }) => text === 'request').map(({ fields }) => fields);

  it('has a line for each request, with the id that the answer has, and nothing that is in it', async () => {
    const lines = new LogLines();
    rig = await GatewayRig.start({ log: lines.log, accessLog: true });
    const answer = await rig.post('kit echo secret', { 'x-request-id': 'mine' });
    expect(answer.status).toBe(200);
    const made = await rig.post('nope echo secret');
    expect(made.status).toBe(404);
    const target = { servable: 'kit', version: 1, method: 'echo', instances: 1 };
    expect(requestsOf(lines)).toEqual([
      { requestId: 'mine', protocol: 'ms-rest', ...target, status: 200, ms: expect.any(Number), bytesIn: 15, bytesOut: 6 },
      { requestId: made.headers.get('x-request-id'), protocol: 'ms-rest', status: 404, code: 'NOT_FOUND', reason: expect.any(String) },
    ]);
    expect(lines.of('info')).toEqual(expect.arrayContaining(['request']));
    expect(JSON.stringify(requestsOf(lines))).not.toContain('secret');
  });

  it('has a line for one in accessLogEvery that succeed, and for every one that fails or whose client leaves', async () => {
    const lines = new LogLines();
    rig = await GatewayRig.start({ log: lines.log, accessLog: true, accessLogEvery: 3 });
    for (let i = 0; i < 7; i++) expect((await rig.post('kit echo a')).status).toBe(200);
    for (let i = 0; i < 2; i++) expect((await rig.post('nope echo a')).status).toBe(404);
    expect(requestsOf(lines).map(({ status }) => status)).toEqual([200, 200, 200, 404, 404]);
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const seen = scheduler.seen.length;
    const abort = new AbortController();
    const left = fetch(`${rig.url}/model/kit:echo`, { method: 'POST', body: 'kit echo a', signal: abort.signal }).catch(() => 'left');
    await scheduler.until(() => scheduler.seen.length > seen);
    abort.abort();
    expect(await left).toBe('left');
    expect((await lines.line('request', lines.lines.length)).fields).toMatchObject({ reason: 'client-gone', servable: 'kit' });
  });

  it('says of slow requests where their time went', async () => {
    const lines = new LogLines();
    rig = await GatewayRig.start({ log: lines.log, slowRequestMs: 30 });
    expect((await rig.post('kit echo a')).status).toBe(200);
    const { scheduler } = rig;
    const steps = { queuedUs: 1000, waitUs: 2000, runUs: 3000, functionUs: 4001 };
    scheduler.onTickets = ([ticket]) => {
      expect(ticket?.watch).toMatchObject({ isTimed: true });
      setTimeout(() => ticket && scheduler.answer(ticket, 0, echoOf(ticket.instances), steps), 60);
    };
    expect((await rig.post('kit echo b', { 'x-request-id': 'slow' })).status).toBe(200);
    const { level, fields } = await lines.line('took long');
    expect(level).toBe('warn');
    expect(fields).toMatchObject({ requestId: 'slow', servable: 'kit', method: 'echo' });
    expect(fields).toMatchObject({ queueMs: 1, waitMs: 2, runMs: 3, functionMs: 4.001 });
    const { ms, decodeMs, awayMs, encodeMs } = fields as Readonly<Record<string, number>>;
    expect(ms).toBeGreaterThan(30);
    expect((decodeMs ?? 0) + (awayMs ?? 0) + (encodeMs ?? 0)).toBeCloseTo(ms ?? 0, 0);
    expect(requestsOf(lines)).toEqual([]);
  });

  it('says the same of a slow request that began again with another version', async () => {
    const lines = new LogLines();
    rig = await GatewayRig.start({ log: lines.log, slowRequestMs: 30 });
    const { scheduler } = rig;
    scheduler.onTickets = ([ticket]) => {
      if (ticket === undefined) return;
      if (ticket.version === 2) setTimeout(() => scheduler.answer(ticket, 0, echoOf(ticket.instances)), 60);
      else {
        scheduler.refuse(ticket, failureOf('servable-unavailable', { servable: 'kit', method: 'echo' }));
        scheduler.list([servable('kit', [method('echo')], 2)]);
      }
    };
    expect((await rig.post('kit echo a')).status).toBe(200);
    const { ms, decodeMs, awayMs, encodeMs } = (await lines.line('took long')).fields as Readonly<Record<string, number>>;
    for (const time of [decodeMs, awayMs, encodeMs]) expect(time).toBeGreaterThanOrEqual(0);
    expect((decodeMs ?? 0) + (awayMs ?? 0) + (encodeMs ?? 0)).toBeCloseTo(ms ?? 0, 0);
  });

  it('says of slow requests that failed why', async () => {
    const lines = new LogLines();
    rig = await GatewayRig.start({ log: lines.log, slowRequestMs: 30 });
    rig.scheduler.onTickets = () => undefined;
    expect((await rig.post('kit echo a', { 'x-request-timeout-ms': '60' })).status).toBe(504);
    expect((await lines.line('took long')).fields).toMatchObject({ reason: 'deadline-exceeded', awayMs: expect.any(Number) });
  });

  it('is off when nobody asks for it', async () => {
    const lines = new LogLines();
    rig = await GatewayRig.start({ log: lines.log });
    expect((await rig.post('kit echo a')).status).toBe(200);
    expect((await rig.post('nope echo a')).status).toBe(404);
    expect(requestsOf(lines)).toEqual([]);
    expect(lines.of('warn')).toEqual([]);
  });
});
