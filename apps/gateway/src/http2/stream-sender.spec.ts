import { Duplex } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { errorCode } from './frames.js';
import { FrameOutput } from './frame-output.js';
import { Http2Stream } from './stream.js';
import { StreamSender } from './stream-sender.js';

/** A socket that takes what is written when `takeAll` is called. */
function slowSocket(): { readonly socket: Duplex; readonly takeAll: () => void } {
  const waiting: (() => void)[] = [];
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => void waiting.push(done) });
  const takeAll = (): void => {
    for (let done = waiting.shift(); done !== undefined; done = waiting.shift()) done();
  };
  return { socket, takeAll };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what is written to a socket that does not take it', () => {
  it('is not let go of before, though its stream is closed', async () => {
    const { socket, takeAll } = slowSocket();
    const output = new FrameOutput(socket);
    const sender = new StreamSender(output, () => undefined);
    const carrier = {
      sendHeaders: (): void => undefined,
      send: (stream: Http2Stream): void => sender.send(stream),
      resetStream: (): void => undefined,
      consumed: (): void => undefined,
      holds: (): void => undefined,
      whenFlushed: (listener: () => void): void => output.whenFlushed(listener),
    };
    const stream = new Http2Stream(carrier, 1, {}, 50_000, 1_000);
    let written = 0;
    stream.write(Buffer.alloc(100_000), () => written++);
    await turn();
    expect([stream.sentBytes, socket.writableLength > 50_000]).toEqual([50_000, true]);
    sender.remove(stream);
    stream.closedWith = errorCode.cancel;
    stream.closed(errorCode.cancel);
    await turn();
    expect(written).toBe(0);
    for (let n = 0; n < 20; n++) {
      takeAll();
      await turn();
    }
    expect([written, socket.writableLength]).toEqual([1, 0]);
  });
});
