import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { RawConnection } from '../testing/raw-connection.js';
import { prefixed, RawGrpc, replyOf } from '../testing/raw-grpc.js';

/** Bodies that take longer than the request timeout: what keeps moving goes on, what does not is refused. */

const requestTimeoutMs = 400;
const body = '{"instances":[{"x":"good"}]}'.padEnd(96, ' ');

describe('slow uploads', () => {
  let rig: GatewayRig;
  let rest: string;
  let rpc: RawGrpc;
  beforeAll(async () => {
    rig = await GatewayRig.start({
      publicProtocols: true,
      limits: { headersTimeoutMs: 200, requestTimeoutMs, minBodyBytesPerSecond: 40, lingerMs: 100 },
    });
    rest = rig.gateway.restAddress as string;
    rpc = await RawGrpc.open(rig.gateway.grpcAddress as string);
  });
  afterAll(async () => {
    rpc.close();
    await rig.stop();
  });

  /** Hands over `bytes` in steps of `stepBytes`, one every 50 ms, until they are all said or `isOver`. */
  function inSteps(bytes: Buffer, stepBytes: number, write: (step: Buffer) => void, isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      let at = 0;
      const timer = setInterval(() => {
        if (isOver() || at >= bytes.length) {
          clearInterval(timer);
          return resolve();
        }
        write(bytes.subarray(at, (at += stepBytes)));
      }, 50);
    });
  }

  async function upload(stepBytes: number, headers = '', target = 'POST /model/kit:echo'): Promise<string> {
    const connection = await RawConnection.open(rest);
    connection.socket.write(`${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}Content-Length: ${body.length}\r\n\r\n`);
    await inSteps(
      Buffer.from(body),
      stepBytes,
      (step) => connection.socket.write(step),
      () => connection.closed || connection.received !== '',
    );
    await connection.until(() => connection.closed);
    return connection.received;
  }

  it('lets a REST body that keeps moving take several request timeouts', async () => {
    const beganAt = performance.now();
    expect(await upload(4)).toMatch(/^HTTP\/1\.1 200 /);
    expect(performance.now() - beganAt).toBeGreaterThan(2 * requestTimeoutMs);
  });

  it('refuses a REST body under the least rate with 408', async () => {
    expect(await upload(1)).toMatch(
      /^HTTP\/1\.1 408 .*"the body came in too slowly: at least 40 bytes per second over 400 ms are expected"/s,
    );
  });

  it('refuses a REST body that is not here when its client stops waiting with 504', async () => {
    expect(await upload(4, 'X-Request-Timeout-Ms: 100\r\n')).toMatch(
      /^HTTP\/1\.1 504 .*"the deadline of the request had passed when it arrived"/s,
    );
  });

  it('refuses a slow body of another route as a whole', async () => {
    expect(await upload(4, 'Content-Type: application/json\r\n', 'POST /v2/repository/index')).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('ends a connection whose body goes on after the answer', async () => {
    expect(await upload(1, '', 'GET /model/kit:echo')).toMatch(/^HTTP\/1\.1 405 /);
  });

  it('refuses headers that come in one byte at a time, however long', async () => {
    const connection = await RawConnection.open(rest);
    await inSteps(
      Buffer.from(`POST /model/kit:echo HTTP/1.1\r\nX-Long: ${'x'.repeat(1000)}`),
      1,
      (step) => connection.socket.write(step),
      () => connection.closed || connection.received !== '',
    );
    await connection.until(() => connection.closed);
    expect(connection.received).toMatch(/^HTTP\/1\.1 408 /);
  });

  async function call(message: Buffer, stepBytes: number, headers = {}): Promise<unknown> {
    const stream = rpc.begin(headers);
    let isOver = false;
    const reply = replyOf(stream).finally(() => (isOver = true));
    await inSteps(
      message,
      stepBytes,
      (step) => void stream.write(step),
      () => isOver || !stream.writable,
    );
    if (stream.writable) stream.end();
    const { headers: said } = await reply;
    return [said['grpc-status'], decodeURIComponent(String(said['grpc-message'] ?? ''))];
  }

  // ServableSpec of no servable: what counts is that the whole message is read
  const message = prefixed(Buffer.from([0x0a, 90, ...new Array<number>(90).fill(0x7a)]));

  it('lets a gRPC message that keeps moving take several request timeouts', async () => {
    const [status, text] = (await call(message, 4)) as [string, string];
    expect([status, text]).not.toEqual(['4', expect.anything()]);
  });

  it('refuses a gRPC message under the least rate, and one whose client stops waiting', async () => {
    expect(await call(message, 1)).toEqual(['4', expect.stringContaining('the body came in too slowly')]);
    expect(await call(message, 4, { 'grpc-timeout': '100m' })).toEqual([
      '4',
      expect.stringContaining('the deadline of the request had passed'),
    ]);
  });
});
