import type { Server, Socket } from 'node:net';

/** Connections beyond the limit that may be open for one request each. */
const mostSpare = 64;

/** Both sockets of a TLS connection have it. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/**
 * The limit of connections of a port. One beyond it is not dead: it may bring one request, which is answered if it is no infer call (a probe of health),
 * else refused. When there are too many of these too, the oldest one makes room.
 */
export class SpareConnections {
  private open = 0;
  private readonly spare = new Map<string, Socket>();

  /** `onRefused` is told of each connection beyond the limit. */
  constructor(
    server: Server,
    private readonly maxConnections: number,
    private readonly onRefused: () => void = () => undefined,
  ) {
    server.on('connection', this.onConnection);
  }

  /** Whether this connection of the port, or what is encrypted in it, is one beyond the limit. */
  has(socket: Socket): boolean {
    return this.spare.size > 0 && this.spare.has(nameOf(socket));
  }

  private readonly onConnection = (socket: Socket): void => {
    const name = nameOf(socket);
    socket.once('close', () => {
      this.open--;
      this.spare.delete(name);
    });
    if (++this.open <= this.maxConnections) return;
    this.onRefused();
    this.spare.set(name, socket);
    if (this.spare.size <= mostSpare) return;
    const [oldest] = this.spare.values();
    oldest?.destroy();
  };
}
