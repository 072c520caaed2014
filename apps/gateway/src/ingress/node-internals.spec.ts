import { once } from 'node:events';
import { createServer, IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

/** What a request was told by node's parser and by node's response. */
const told: string[] = [];

class WatchedRequest extends IncomingMessage {
  override push(chunk: Buffer | null): boolean {
    told.push(chunk === null ? 'end' : chunk.toString());
    return true;
  }

  override resume(): this {
    told.push('resume');
    return this;
  }
}

/** ADR 16: undocumented behaviour of node:http that the ingress is built on. A node version that changes it fails here. */
describe(`node ${process.version}`, () => {
  const server = createServer({ IncomingMessage: WatchedRequest });
  afterEach(async () => {
    server.removeAllListeners('request').removeAllListeners('clientError');
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    told.length = 0;
  });

  async function open(): Promise<Socket> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  }

  it('pushes each piece of a body as it is parsed, then null; resumes what nobody has read', async () => {
    server.on('request', (_request, response) => setImmediate(() => response.end()));
    const client = await open();
    client.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n');
    await once(client, 'data');
    expect(told).toEqual(['a', 'bc', 'end', 'resume']);
    client.destroy();
  });

  it('writes into the header Keep-Alive what a response has as _keepAliveTimeout', async () => {
    server.on('request', (_request, response: ServerResponse & { _keepAliveTimeout?: number }) => {
      response._keepAliveTimeout = 7_000;
      response.end();
    });
    const client = await open();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(answer.toString()).toContain('\r\nKeep-Alive: timeout=7\r\n');
    client.destroy();
  });

  it("has the response that is being written as the socket's _httpMessage", async () => {
    let response: ServerResponse | undefined;
    server.on('request', (_request, given: ServerResponse) => {
      response = given;
      given.write('begun');
    });
    const failed = new Promise<unknown>((resolve) =>
      server.on('clientError', (_error, socket) => {
        resolve((socket as Socket & { _httpMessage?: unknown })._httpMessage);
        socket.destroy();
      }),
    );
    const client = await open();
    client.on('error', () => undefined);
    client.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    await once(client, 'data');
    client.write('no size\r\n');
    expect(await failed).toBe(response);
    expect(response?.headersSent).toBe(true);
  });
});
