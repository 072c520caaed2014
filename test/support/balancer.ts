import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Where a balancer sends connections. */
export interface Backend {
  /** `host:port` that gets the connections. */
  readonly address: string;
  /** URL that answers 200 while the backend is to get new ones. */
  readonly readiness: string;
}

/** How often each backend is asked whether it is ready. */
const askEveryMs = 50;

/**
 * A TCP balancer, as there is one in front of the gateways of a fleet: each new connection goes to the next backend that is ready, and stays there. Knows nothing
 * of what goes through it.
 */
export class Balancer {
  private readonly ready = new Set<string>();
  private readonly given: Record<string, number> = {};
  private readonly sockets = new Set<Socket>();
  private waiters: (() => void)[] = [];
  private asking: NodeJS.Timeout | undefined;
  private turn = 0;
  private isClosed = false;

  private constructor(
    private readonly server: Server,
    private readonly backends: readonly Backend[],
  ) {}

  static async start(backends: readonly Backend[]): Promise<Balancer> {
    const server = createServer({ noDelay: true });
    const balancer = new Balancer(server, backends);
    server.on('connection', (socket) => balancer.take(socket));
    await balancer.ask();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Connections that a backend got so far. */
  connectionsOf(address: string): number {
    return this.given[address] ?? 0;
  }

  /** Resolves when a backend has got more than `connections`. */
  async untilConnections(address: string, connections: number): Promise<void> {
    while (this.connectionsOf(address) <= connections) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.asking);
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async ask(): Promise<void> {
    await Promise.all(
      this.backends.map(async ({ address, readiness }) => {
        const isReady = await fetch(readiness).then(
          async (response) => {
            await response.arrayBuffer();
            return response.status === 200;
          },
          () => false,
        );
        if (isReady) this.ready.add(address);
        else this.ready.delete(address);
      }),
    );
    if (!this.isClosed) this.asking = setTimeout(() => void this.ask(), askEveryMs);
  }

  private take(client: Socket): void {
    this.sockets.add(client);
    client.on('error', () => undefined).on('close', () => this.sockets.delete(client));
    const candidates = this.backends.map(({ address }) => address).filter((address) => this.ready.has(address));
    const first = this.turn++ % Math.max(1, candidates.length);
    this.join(client, [...candidates.slice(first), ...candidates.slice(0, first)]);
  }

  /** With the first of `candidates` that takes it. */
  private join(client: Socket, candidates: readonly string[]): void {
    const [address, ...others] = candidates;
    if (address === undefined || client.destroyed) return void client.destroy();
    const [host, port] = address.split(':');
    const backend = connect({ host, port: Number(port), noDelay: true });
    this.sockets.add(backend);
    backend.on('close', () => this.sockets.delete(backend));
    const onRefused = (): void => this.join(client, others);
    backend.once('error', onRefused);
    backend.once('connect', () => {
      backend.off('error', onRefused).on('error', () => undefined);
      this.given[address] = this.connectionsOf(address) + 1;
      for (const resolve of this.waiters.splice(0)) resolve();
      client.pipe(backend).pipe(client);
      // A connection that was reset is no connection that was ended
      backend.on('close', (hadError) => (hadError ? client.resetAndDestroy() : client.destroySoon()));
      client.on('close', () => backend.destroy());
    });
  }
}
