import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ServingError } from '@mserve/wire';
import { RawConnection } from '../testing/raw-connection.js';
import { prefixed, RawGrpc, replyOf } from '../testing/raw-grpc.js';
import type { GrpcPort, Ingress, IngressAnswer, IngressListener, IngressRequest, RestPort } from './ingress.js';
import type { IngressLimits } from './ingress-options.js';

/** Longer than any spec may take: who waits for it fails. */
const graceMs = 600_000;

const isGrpc = ({ route }: IngressRequest): boolean => route.endsWith('grpc');

function textAnswer(request: IngressRequest, text: string): IngressAnswer {
  const { token } = request;
  if (isGrpc(request)) return { token, kind: 'grpc', message: [Buffer.from(text)] };
  return { token, kind: 'http', status: 200, headers: { 'content-type': 'text/plain' }, body: [text] };
}

/** Keeps what comes, and lets a test wait for it. */
class Recorder implements IngressListener {
  readonly requests: IngressRequest[] = [];
  readonly gone: number[] = [];
  readonly refused: ServingError[] = [];
  /** Sizes of the lists that requests came in. */
  readonly lists: number[] = [];
  private waiters: (() => void)[] = [];

  onRequests(requests: readonly IngressRequest[]): void {
    this.requests.push(...requests);
    this.lists.push(requests.length);
    this.wake();
  }

  onGone(tokens: readonly number[]): void {
    this.gone.push(...tokens);
    this.wake();
  }

  refusalOf(request: IngressRequest, error: ServingError): IngressAnswer {
    this.refused.push(error);
    const { token } = request;
    const message = `${error.code}!`;
    if (isGrpc(request)) return { token, kind: 'grpc-error', status: 8, message };
    return { token, kind: 'http', status: 413, headers: { 'content-type': 'text/plain' }, body: [message] };
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  /** The n-th request, from 0 on. */
  async request(n = 0): Promise<IngressRequest> {
    await this.until(() => this.requests.length > n);
    return this.requests[n] as IngressRequest;
  }

  private wake(): void {
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}

function fallback(request: IncomingMessage, response: ServerResponse): void {
  response.end(`fallback ${request.url}`);
}

/** What every {@link Ingress} does, seen through its sockets. `create` makes one with no port open. */
export function ingressContract(name: string, create: () => Ingress): void {
  describe(`${name} as an Ingress`, () => {
    let ingress: Ingress;
    let listener: Recorder;
    beforeEach(() => {
      ingress = create();
      listener = new Recorder();
    });
    afterEach(() => ingress.close());

    const restPort = (address = '127.0.0.1:0', limits: Partial<IngressLimits> = {}): RestPort => ({
      kind: 'rest',
      address,
      limits,
      listener,
      fallback,
    });
    const grpcPort = (address = '127.0.0.1:0', limits: Partial<IngressLimits> = {}): GrpcPort => ({
      kind: 'grpc',
      address,
      limits,
      listener,
      addServices: () => Promise.resolve(),
    });
    const post = (address: string, body: string, path = '/model/kit:echo', headers: Record<string, string> = {}): Promise<string> =>
      fetch(`http://${address}${path}`, { method: 'POST', body, headers }).then((response) => response.text());
    const settled = async (): Promise<void> => {
      while (ingress.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    };

    it('hands over REST requests as they came', async () => {
      const address = await ingress.listen(restPort());
      const text = post(address, 'böse', '/v2/models/a%20b/infer?c=d', {
        'content-type': 'application/json',
        'x-request-timeout-ms': '5000',
        'X-Other': 'o',
      });
      const request = await listener.request();
      expect(request).toMatchObject({ route: 'oip-rest', path: '/v2/models/a%20b/infer?c=d', verb: 'POST' });
      expect(request.headers).toMatchObject({ 'x-other': 'o' });
      expect(Buffer.from(request.body).toString()).toBe('böse');
      expect(request.deadlineAt - performance.now()).toBeLessThanOrEqual(5000);
      ingress.answer([textAnswer(request, 'done')]);
      expect(await text).toBe('done');
    });

    it('hands over infer calls as they came', async () => {
      const raw = await RawGrpc.open(await ingress.listen(grpcPort()));
      const reply = raw.call([prefixed('body')], { 'x-other': 'o' });
      const request = await listener.request();
      expect(request).toMatchObject({ route: 'ms-grpc', path: '', verb: 'POST', deadlineAt: Infinity });
      expect(request.headers).toMatchObject({ 'x-other': 'o' });
      expect(Buffer.from(request.body).toString()).toBe('body');
      ingress.answer([textAnswer(request, 'done')]);
      expect(await reply).toMatchObject({ body: prefixed('done'), headers: { 'grpc-status': '0' } });
      raw.close();
    });

    it('takes answers in any order, and drops those that nobody waits for', async () => {
      const address = await ingress.listen(restPort());
      const texts = [post(address, 'a'), post(address, 'b')];
      await listener.until(() => listener.requests.length === 2);
      const answers = listener.requests.map((request) => textAnswer(request, `${Buffer.from(request.body).toString()}!`));
      ingress.answer([{ token: 4711, kind: 'grpc', message: [] }, ...answers.reverse(), ...answers]);
      expect(await Promise.all(texts)).toEqual(['a!', 'b!']);
    });

    it('gives each request a token of its own, over both ports', async () => {
      const address = await ingress.listen(restPort());
      const raw = await RawGrpc.open(await ingress.listen(grpcPort()));
      const replies = [post(address, 'a'), raw.call([prefixed('b')]), post(address, 'c'), raw.call([prefixed('d')])];
      await listener.until(() => listener.requests.length === 4);
      expect(new Set(listener.requests.map(({ token }) => token)).size).toBe(4);
      ingress.answer(listener.requests.map((request) => textAnswer(request, 'done')));
      await Promise.all(replies);
      raw.close();
    });

    it('hands over in one list what comes together', async () => {
      const connection = await RawConnection.open(await ingress.listen(restPort()));
      connection.socket.write('POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n.'.repeat(20));
      await listener.until(() => listener.requests.length === 20);
      expect(listener.lists).toEqual([20]);
      ingress.answer(listener.requests.map((request) => textAnswer(request, '')));
      await connection.until(() => connection.answers === 20);
      connection.socket.destroy();
    });

    it('tells of clients that leave, and of nobody else', async () => {
      const connection = await RawConnection.open(await ingress.listen(restPort()));
      const raw = await RawGrpc.open(await ingress.listen(grpcPort()));
      connection.socket.write('POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n.');
      const rest = await listener.request(0);
      const stream = raw.begin();
      stream.end(prefixed('b'));
      const call = await listener.request(1);
      connection.socket.destroy();
      stream.close(8);
      await listener.until(() => listener.gone.length === 2);
      expect([...listener.gone].sort((a, b) => a - b)).toEqual([rest.token, call.token]);
      ingress.answer([textAnswer(rest, 'late'), textAnswer(call, 'late')]);
      await settled();
      expect(listener.gone).toHaveLength(2);
      raw.close();
    });

    it("refuses what is too large in the words of the request's own protocol", async () => {
      const address = await ingress.listen(restPort('127.0.0.1:0', { maxMessageBytes: 1000 }));
      const raw = await RawGrpc.open(await ingress.listen(grpcPort('127.0.0.1:0', { maxMessageBytes: 1000 })));
      expect(await post(address, 'x'.repeat(1001))).toBe('RESOURCE_EXHAUSTED!');
      expect((await raw.call([prefixed('x'.repeat(1001))])).headers).toMatchObject({ 'grpc-status': '8' });
      expect(listener.refused.map(({ code }) => code)).toEqual(['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
      expect(listener.requests).toEqual([]);
      raw.close();
    });

    it('passes on what is no infer request', async () => {
      const address = await ingress.listen(restPort());
      expect(await fetch(`http://${address}/v2/health/live`).then((response) => response.text())).toBe('fallback /v2/health/live');
      const raw = await RawGrpc.open(await ingress.listen(grpcPort()));
      expect((await raw.call([prefixed('')], { ':path': '/a.Service/Call' })).headers['grpc-status']).toBe('12');
      raw.close();
      expect([listener.requests, ingress.inFlight]).toEqual([[], 0]);
    });

    it('counts what is in flight until its answer is written', async () => {
      const address = await ingress.listen(restPort());
      const text = post(address, 'a');
      const request = await listener.request();
      expect(ingress.inFlight).toBe(1);
      ingress.answer([textAnswer(request, 'done')]);
      await text;
      await settled();
      expect(ingress.inFlight).toBe(0);
    });

    it.each([10, 300_000])('says when an answer of %d bytes is written out', async (bytes) => {
      const [rest, grpc] = [await ingress.listen(restPort()), await ingress.listen(grpcPort())];
      const raw = await RawGrpc.open(grpc);
      const received = [post(rest, 'a').then((text) => text.length), raw.call([prefixed('b')]).then(({ body }) => body.byteLength)];
      await listener.request(1);
      const written = listener.requests.map(
        (request) =>
          new Promise<void>((resolve) => {
            const answer = textAnswer(request, 'x'.repeat(bytes));
            // In parts, the last of which is not copied
            const parts = [Buffer.from('>'), Buffer.alloc(bytes, 'y')];
            const whole = answer.kind === 'http' ? { ...answer, body: parts } : { ...answer, message: parts };
            ingress.answer([{ ...whole, onWritten: resolve } as IngressAnswer]);
          }),
      );
      await Promise.all(written);
      for (const length of await Promise.all(received)) expect(length).toBeGreaterThan(bytes);
      raw.close();
    });

    it('does not say that an answer is written whose client left', async () => {
      const address = await ingress.listen(restPort());
      const left = new AbortController();
      const request = fetch(`http://${address}/model/kit:echo`, { method: 'POST', body: 'a', signal: left.signal }).catch(() => undefined);
      const { token } = await listener.request();
      left.abort();
      await request;
      await listener.until(() => listener.gone.length === 1);
      let isWritten = false;
      const onWritten = (): void => void (isWritten = true);
      ingress.answer([{ token, kind: 'http', status: 200, headers: {}, body: [Buffer.alloc(300_000)], onWritten }]);
      await settled();
      expect(isWritten).toBe(false);
    });

    it('knows the addresses that are bound', async () => {
      expect(ingress.addresses).toEqual({ rest: undefined, grpc: undefined });
      const rest = await ingress.listen(restPort());
      expect(rest).toMatch(/^127\.0\.0\.1:\d+$/);
      const grpc = await ingress.listen(grpcPort());
      expect(ingress.addresses).toEqual({ rest, grpc });
    });

    it.each(['rest', 'grpc'] as const)('%s: opens once, not on a taken address, and again after a failure', async (kind) => {
      const port = (address?: string): RestPort | GrpcPort => (kind === 'rest' ? restPort(address) : grpcPort(address));
      const other = create();
      const taken = await other.listen(port());
      await expect(ingress.listen(port(taken))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(ingress.listen(port('nowhere'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(ingress.addresses[kind]).toBeUndefined();
      await other.close();
      expect(await ingress.listen(port(taken))).toBe(taken);
      await expect(ingress.listen(port())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(ingress.addresses[kind]).toBe(taken);
    });

    const answerAll = (): void => {
      for (const request of listener.requests.splice(0)) ingress.answer([textAnswer(request, 'done')]);
    };
    const infer = 'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n.';

    it('leaves: each REST connection ends with its next answer, and new ones are still taken', async () => {
      const address = await ingress.listen(restPort());
      const idle = await RawConnection.open(address);
      const busy = await RawConnection.open(address);
      busy.socket.write(infer);
      await listener.request();
      ingress.leave();
      answerAll();
      const other = await RawConnection.open(address);
      for (const connection of [idle, other]) connection.socket.write(infer);
      await listener.until(() => listener.requests.length === 2);
      answerAll();
      const health = await RawConnection.exchange(address, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
      for (const connection of [busy, idle, other]) await connection.until(() => connection.closed);
      for (const text of [busy.received, idle.received, other.received, health])
        expect(text).toMatch(/^HTTP\/1.1 200 .*connection: close/is);
    });

    it('leaves: gRPC clients are told to open another connection, what is in hand is answered, and new connections are still taken', async () => {
      const address = await ingress.listen(grpcPort());
      const raw = await RawGrpc.open(address);
      const first = raw.call([prefixed('a')]);
      await listener.request();
      const crossing = raw.call([prefixed('b')]);
      // It is written in this turn, and read in the next one
      await new Promise((resolve) => setImmediate(resolve));
      ingress.leave();
      const other = await RawGrpc.open(address);
      const last = other.call([prefixed('c')]);
      await listener.until(() => listener.requests.length === 3);
      answerAll();
      for (const reply of [first, crossing, last]) expect((await reply).body).toEqual(prefixed('done'));
      for (const { session } of [raw, other]) if (!session.destroyed) await once(session, 'close');
    });

    it('ends connections that have reached their age', async () => {
      const limits = { maxConnectionAgeMs: 1, maxConnectionAgeGraceMs: 1 };
      const connection = await RawConnection.open(await ingress.listen(restPort('127.0.0.1:0', limits)));
      while (!/connection: close/i.test(connection.received)) {
        const { answers } = connection;
        connection.socket.write(infer);
        await listener.until(() => listener.requests.length === 1);
        answerAll();
        await connection.until(() => connection.answers > answers);
      }
      await connection.until(() => connection.closed);
      const raw = await RawGrpc.open(await ingress.listen(grpcPort('127.0.0.1:0', limits)));
      if (!raw.session.destroyed) await once(raw.session, 'close');
    });

    it('drains: takes no new connections, answers what is in hand, then is done', async () => {
      const address = await ingress.listen(restPort());
      const raw = await RawGrpc.open(await ingress.listen(grpcPort()));
      const text = post(address, 'a');
      const reply = raw.call([prefixed('b')]);
      await listener.until(() => listener.requests.length === 2);
      const drained = ingress.drain(graceMs);
      const refused = connect({ host: '127.0.0.1', port: Number(address.split(':')[1]) });
      expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
      ingress.answer(listener.requests.map((request) => textAnswer(request, 'done')));
      expect([await text, (await reply).body]).toEqual(['done', prefixed('done')]);
      raw.close();
      await drained;
      expect(ingress.inFlight).toBe(0);
    });

    it('drains without waiting for idle connections', async () => {
      const raw = await RawGrpc.open(await ingress.listen(grpcPort()));
      const watch = raw.begin({ ':path': '/a.Service/Stream' });
      const silent = await RawConnection.open(await ingress.listen(restPort()));
      await ingress.drain(graceMs);
      watch.close();
      silent.socket.destroy();
      raw.close();
    });

    it('drains for no longer than it is told to', async () => {
      const address = await ingress.listen(restPort());
      const text = post(address, 'a');
      const request = await listener.request();
      await ingress.drain(20);
      expect(ingress.inFlight).toBe(1);
      ingress.answer([textAnswer(request, 'late')]);
      expect(await text).toBe('late');
    });

    it('closes at once: ends connections, and frees its addresses', async () => {
      const rest = await ingress.listen(restPort());
      const grpc = await ingress.listen(grpcPort());
      const connection = await RawConnection.open(rest);
      connection.socket.write('POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n.');
      const raw = await RawGrpc.open(grpc);
      const stream = raw.begin();
      const reply = replyOf(stream);
      stream.end(prefixed('b'));
      await listener.until(() => listener.requests.length === 2);
      await ingress.close();
      await connection.until(() => connection.closed);
      await reply;
      await listener.until(() => listener.gone.length === 2);
      const next = create();
      expect([await next.listen(restPort(rest)), await next.listen(grpcPort(grpc))]).toEqual([rest, grpc]);
      await next.close();
    });
  });
}
