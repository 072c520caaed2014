import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';

/**
 * Answers requests that ask for another protocol (`Upgrade`) as those that do not, which a server may (RFC 9110, 7.8): Java's HttpClient asks for HTTP/2
 * with ordinary requests. node alone would do so too, but drops what comes behind such a request: the request is given to it once more, without that header.
 */
export class OrdinaryRequests {
  /** What node does with a connection. Told directly: other listeners have seen it. */
  private readonly accept: (socket: Socket) => void;
  /** Connections whose earlier requests are not answered yet, and what they go on with. */
  private readonly waiting = new WeakMap<Socket, Buffer>();
  private hasWaiting = false;

  /** `server` has no listeners yet but node's own. `isBusy`: whether earlier requests of a connection are unanswered; {@link idle} is to be called later. */
  constructor(
    private readonly server: Server,
    isTls: boolean,
    private readonly isBusy: (socket: Socket) => boolean,
  ) {
    this.accept = server.listeners(isTls ? 'secureConnection' : 'connection')[0] as (socket: Socket) => void;
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const bytes = Buffer.concat([headOf(request), head]);
      if (this.isBusy(socket)) this.hold(socket, bytes);
      else this.again(socket, bytes);
    });
  }

  /** All earlier requests of this connection are answered. */
  idle(socket: Socket): void {
    if (!this.hasWaiting) return;
    const bytes = this.waiting.get(socket);
    if (bytes === undefined) return;
    this.waiting.delete(socket);
    // Not at once: node is still ending the answer before
    setImmediate(() => this.again(socket, bytes));
  }

  private hold(socket: Socket, bytes: Buffer): void {
    this.waiting.set(socket, bytes);
    this.hasWaiting = true;
    socket.on('error', ignore);
  }

  private again(socket: Socket, bytes: Buffer): void {
    socket.off('error', ignore);
    if (socket.destroyed || !socket.writable) return;
    // The time of keep-alive, which the answer before has set
    socket.setTimeout(0);
    socket.unshift(bytes);
    this.accept.call(this.server, socket);
  }
}

/** The head of a request as it came, without `Upgrade`. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.toLowerCase() !== 'upgrade') text += `${name}: ${rawHeaders[i + 1]}\r\n`;
  }
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** A connection that fails is closed as well, and that is listened to. */
function ignore(): void {}
