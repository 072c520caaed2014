import type { Duplex } from 'node:stream';
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';

/**
 * Requests of these rpcs are names. They come back in error texts, which gRPC sends as a header: one of megabytes would hold up the connection in
 * memory, and with it every other client's calls.
 */
const maxRequestBytes = 8 * 1024;

/** A grpc-js server without a port: what it serves comes over connections that it is given. */
export class RpcServer {
  private readonly injector: ReturnType<Server['createConnectionInjector']>;

  private constructor(private readonly server: Server) {
    this.injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Rejects when `addServices` does. */
  static async start(options: ServerOptions, addServices: (server: Server) => Promise<void>): Promise<RpcServer> {
    const server = new Server({ ...options, 'grpc.max_receive_message_length': maxRequestBytes });
    await addServices(server);
    return new RpcServer(server);
  }

  /** Serves a client at the other end of this connection. */
  inject(connection: Duplex): void {
    this.injector.injectConnection(connection);
  }

  /** Ends every call that is under way. */
  close(): void {
    this.server.forceShutdown();
  }
}
