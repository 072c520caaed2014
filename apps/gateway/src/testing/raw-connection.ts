import { connect, type Socket } from 'node:net';

/** A TCP connection for specs that say things no HTTP client says. */
export class RawConnection {
  received = '';
  closed = false;
  private waiters: (() => void)[] = [];

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  /** `address` is `host:port`. */
  static async open(address: string): Promise<RawConnection> {
    const [host, port] = address.split(':');
    const socket = connect({ host, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  /** Opens a connection, says `text`, and resolves with all that comes until the server closes. */
  static async exchange(address: string, text: string): Promise<string> {
    const connection = await RawConnection.open(address);
    connection.socket.write(text, 'latin1');
    await connection.until(() => connection.closed);
    return connection.received;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.closed) throw new Error(`the connection was closed after ${JSON.stringify(this.received.slice(0, 200))}`);
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  /** How many answers have begun to arrive. */
  get answers(): number {
    return this.received.split('HTTP/1.1 ').length - 1;
  }

  private wake(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}
