import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stringTensor } from '@mserve/wire';
import { GatewayRig } from '../testing/gateway-rig.js';
import { RawConnection } from '../testing/raw-connection.js';

const keepAliveTimeoutMs = 1_000;
const text = 'kit echo a';
const infer = `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

describe('connections of the REST port that are kept', () => {
  let rig: GatewayRig;
  beforeEach(async () => {
    rig = await GatewayRig.start({ limits: { keepAliveTimeoutMs, writeTimeoutMs: 500, headersTimeoutMs: 30_000 } });
  });
  afterEach(() => rig.stop());

  const open = (): Promise<RawConnection> => RawConnection.open(rig.gateway.restAddress as string);

  it.each([
    ['an answer', infer],
    ['an answer of another route', 'GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('say after %s for how long, and are closed when nothing comes for that long', async (_, request) => {
    const connection = await open();
    connection.socket.write(request);
    await connection.until(() => connection.answers === 1);
    const answeredAt = performance.now();
    expect(connection.received).toMatch(/\r\nConnection: keep-alive\r\nKeep-Alive: timeout=1\r\n/i);
    await connection.until(() => connection.closed);
    expect(performance.now() - answeredAt).toBeGreaterThanOrEqual(keepAliveTimeoutMs - 10);
  });

  it('are closed before their first request, too', async () => {
    const connection = await open();
    await connection.until(() => connection.closed);
    expect(connection.received).toBe('');
  });

  it('stay while a request is in hand, however long that takes', async () => {
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const busy = await open();
    busy.socket.write(infer);
    await scheduler.until(() => scheduler.seen.length === 1);
    const idle = await open();
    await idle.until(() => idle.closed);
    expect(busy.closed).toBe(false);
    scheduler.echo(scheduler.seen);
    await busy.until(() => busy.received.endsWith('a'));
  });

  it('stay while bytes of a request come', async () => {
    const slow = await open();
    const idle = await open();
    let at = 0;
    const timer = setInterval(() => slow.socket.write(infer.charAt(at++)), 50);
    await idle.until(() => idle.closed);
    clearInterval(timer);
    slow.socket.write(infer.slice(at));
    await slow.until(() => slow.received.endsWith('a'));
  });

  it('are not cut for the time in which an answer had to be taken, once it was', async () => {
    const { scheduler } = rig;
    const large = stringTensor('x'.repeat(30_000_000));
    scheduler.onTickets = (list) => list.forEach((ticket) => scheduler.answer(ticket, 0, [{ outputs: [large] }]));
    const connection = await open();
    connection.socket.write(infer);
    await connection.until(() => connection.socket.bytesRead > 30_000_100);
    const takenAt = performance.now();
    await connection.until(() => connection.closed);
    // The port had it written before it was read here
    expect(performance.now() - takenAt).toBeGreaterThanOrEqual(keepAliveTimeoutMs / 2);
  });
});
