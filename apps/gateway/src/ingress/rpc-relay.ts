import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { Duplex } from 'node:stream';
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';

/**
 * Requests of these rpcs are names. They come back in error texts, which gRPC sends as a header: one of megabytes would hold up the connection in
 * memory, and with it every other client's calls.
 */
const maxRequestBytes = 8 * 1024;

/**
 * Serves the rpcs that are no infer calls (health, reflection, metadata) with a grpc-js server of this process that has no port of its own: their
 * HTTP/2 streams are passed on to it, frame by frame, over one connection in memory. Such calls are few; the infer calls never come here.
 */
export class RpcRelay {
  private readonly server: Server;
  private readonly injector: ReturnType<Server['createConnectionInjector']>;
  private connection: ClientHttp2Session | undefined;

  constructor(options: ServerOptions, addServices: (server: Server) => void) {
    this.server = new Server({ ...options, 'grpc.max_receive_message_length': maxRequestBytes });
    addServices(this.server);
    this.injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Owns the stream from here on. `requestId` is in the metadata of the answer. */
  pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, requestId: string): void {
    stream.on('error', ignore);
    const upstream = this.connect().request(headers as OutgoingHttpHeaders, { endStream: false });
    upstream.on('error', ignore);
    passAnswer(upstream, stream, requestId);
    passRequests(stream, upstream);
    stream.on('close', () => reset(upstream, stream.rstCode || constants.NGHTTP2_CANCEL));
    upstream.on('close', () => {
      // Ended in order: its answer is still being written, and ends the stream by itself
      if (upstream.rstCode === constants.NGHTTP2_NO_ERROR && stream.headersSent) return;
      reset(stream, upstream.rstCode || constants.NGHTTP2_INTERNAL_ERROR);
    });
  }

  /** Ends every call that is under way. */
  close(): void {
    this.connection?.destroy();
    this.server.forceShutdown();
  }

  private connect(): ClientHttp2Session {
    if (this.connection !== undefined && !this.connection.closed && !this.connection.destroyed) return this.connection;
    const [near, far] = memoryConnection();
    this.injector.injectConnection(far);
    const connection = connect('http://services', { createConnection: () => near });
    connection.on('error', ignore);
    this.connection = connection;
    return connection;
  }
}

/** Takes no more requests of a call while its client leaves answers unread: grpc-js would keep the answers to all of them. */
function passRequests(stream: ServerHttp2Stream, upstream: ClientHttp2Stream): void {
  stream.on('data', (chunk: Buffer) => {
    const goOn = (): void => void stream.resume();
    if (!upstream.write(chunk)) {
      stream.pause();
      upstream.once('drain', goOn);
    } else if (stream.writableNeedDrain) {
      stream.pause();
      stream.once('drain', goOn);
    }
  });
  stream.on('end', () => upstream.end());
}

/**
 * Both ends of a connection in memory. A write never waits for the other end to read: node's HTTP/2 sessions read nothing while a write of theirs is
 * under way, and two of them would wait for each other for ever. HTTP/2's windows bound what is between them.
 */
function memoryConnection(): [Duplex, Duplex] {
  const ends: [Duplex, Duplex] = [endOf(() => ends[1]), endOf(() => ends[0])];
  return ends;
}

function endOf(other: () => Duplex): Duplex {
  return new Duplex({
    read: ignore,
    write(chunk, _encoding, done) {
      // In a turn of its own: a session that is given bytes while it reads others crashes the process
      setImmediate(() => {
        other().push(chunk);
        done();
      });
    },
    final(done) {
      other().push(null);
      done();
    },
  });
}

function passAnswer(upstream: ClientHttp2Stream, stream: ServerHttp2Stream, requestId: string): void {
  let trailers: IncomingHttpHeaders = {};
  upstream.on('response', (received, flags) => {
    const headers = { ...received, 'x-request-id': requestId };
    if (stream.destroyed || stream.headersSent) return;
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      stream.respond(headers as OutgoingHttpHeaders, { endStream: true });
      return;
    }
    stream.on('wantTrailers', () => stream.sendTrailers(trailers as OutgoingHttpHeaders));
    stream.respond(headers as OutgoingHttpHeaders, { waitForTrailers: true });
    upstream.pipe(stream);
  });
  upstream.on('trailers', (received) => (trailers = received));
}

function reset(stream: ServerHttp2Stream | ClientHttp2Stream, code: number): void {
  if (!stream.closed && !stream.destroyed) stream.close(code);
}

function ignore(): void {}
