import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc, replyOf } from '../testing/raw-grpc.js';
import { RawConnection } from '../testing/raw-connection.js';

/** Longer than any spec may take: who waits for it fails. */
const graceMs = 600_000;

describe('ports that drain while requests are coming in', () => {
  let rig: GatewayRig;
  beforeEach(async () => {
    rig = await GatewayRig.start({ limits: { drainReceiveMs: 300, lingerMs: 100, requestTimeoutMs: graceMs } });
  });
  afterEach(() => rig.stop());

  async function received(requests: number): Promise<void> {
    while (rig.gateway.inFlight < requests) await new Promise((resolve) => setImmediate(resolve));
  }

  it('REST: a client that stops in the middle of its body is told 503 and does not keep the port', async () => {
    const connection = await RawConnection.open(rig.gateway.restAddress as string);
    connection.socket.write('POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{');
    await received(1);
    expect(await rig.close(graceMs)).toBe(0);
    await connection.until(() => connection.closed);
    expect(connection.received).toMatch(/^HTTP\/1\.1 503 .*UNAVAILABLE: the server is shutting down$/s);
  });

  it('gRPC: the same, UNAVAILABLE', async () => {
    const raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
    const stream = raw.begin();
    const reply = replyOf(stream);
    stream.write(prefixed('kit echo a').subarray(0, 8));
    await received(1);
    expect(await rig.close(graceMs)).toBe(0);
    expect((await reply).headers).toMatchObject({ 'grpc-status': '14', 'grpc-message': expect.stringContaining('shutting') as unknown });
    raw.close();
  });

  it('one that comes in meanwhile is answered', async () => {
    const connection = await RawConnection.open(rig.gateway.restAddress as string);
    const body = 'kit echo a';
    connection.socket.write(`POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\nk`);
    await received(1);
    const closed = rig.close(graceMs);
    connection.socket.write(body.slice(1));
    await connection.until(() => connection.closed);
    expect(connection.received).toMatch(/^HTTP\/1\.1 200 /);
    expect(await closed).toBe(0);
  });
});

describe('a gateway that is asked to end', () => {
  const drainDelayMs = 300;
  let rig: GatewayRig;
  beforeEach(async () => {
    rig = await GatewayRig.start({ drainDelayMs });
  });
  afterEach(() => rig.stop());

  it('is not ready at once, goes on taking requests for a while, and then closes its ports', async () => {
    const answered = await rig.post('kit echo a');
    expect([answered.status, answered.headers.get('connection')]).toEqual([200, 'keep-alive']);
    const closed = rig.close(graceMs);
    let taken = 0;
    // Whoever asks again and again finds it taking requests until it does not listen any more
    for (;;) {
      const ready = await fetch(`${rig.url}/v2/health/ready`).catch(() => undefined);
      const answer = await rig.post('kit echo a').catch(() => undefined);
      if (ready === undefined || answer === undefined) break;
      taken += 1;
      expect([ready.status, answer.status, answer.headers.get('connection')]).toEqual([503, 200, 'close']);
    }
    expect(taken).toBeGreaterThan(0);
    expect(await closed).toBe(0);
  });

  it('waits for nobody when nothing was ever asked of it', async () => {
    const { restAddress } = rig.gateway;
    const closing = rig.close(graceMs);
    // As soon as this turn is over
    await new Promise((resolve) => setImmediate(resolve));
    await expect(fetch(`http://${restAddress}/v2/health/live`)).rejects.toThrow();
    await closing;
  });

  it('does not wait when it has no time', async () => {
    await rig.post('kit echo a');
    const closing = rig.close(0);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(fetch(`${rig.url}/v2/health/live`)).rejects.toThrow();
    await closing;
  });
});
