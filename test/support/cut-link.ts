import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy to one port of this machine, which can stop passing anything on: what a network does that is cut. Nobody's connection is closed by that. */
export class CutLink {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  private constructor(
    private readonly server: Server,
    private readonly port: number,
  ) {}

  static async start(port: number): Promise<CutLink> {
    const server = createServer({ noDelay: true });
    const link = new CutLink(server, port);
    server.on('connection', (socket) => link.join(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  /** `127.0.0.1:{port}` */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Passes nothing on, from now until {@link heal}. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.pause();
  }

  heal(): void {
    this.isCut = false;
    for (const socket of this.sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(near: Socket): void {
    const far = connect({ host: '127.0.0.1', port: this.port, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      // Not pipe(): it would resume what is paused
      from.on('data', (chunk) => {
        to.write(chunk);
      });
      from.on('end', () => to.end());
      if (this.isCut) from.pause();
    }
  }
}
