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
import type { Server, ServerOptions } from '@grpc/grpc-js';
import { grpcStatusOf } from '../edge/status.js';
import type { RpcServer } from './rpc-server.js';

/** Calls that a connection in memory takes in its life. All of them may be cut off: nghttp2 ends a connection with 1000 of those in a short time. */
const callsOfConnection = 900;

/** A connection in memory. */
interface Connection {
  readonly session: ClientHttp2Session;
  callsLeft: number;
  /** Calls that are under way. */
  open: number;
}

/**
 * Serves the rpcs that are no infer calls (health, reflection, metadata) with a grpc-js server of this process that has no port of its own: their
 * HTTP/2 streams are passed on to it, frame by frame, over connections in memory, which calls of all clients share. Such calls are few; the infer calls
 * never come here. The server is made when the first of them comes: that takes a tenth of a second, which a start without such calls does not need.
 */
export class RpcRelay {
  private starting: Promise<RpcServer> | undefined;
  private server: RpcServer | undefined;
  /** For new calls. */
  private current: Connection | undefined;
  private readonly connections = new Set<Connection>();
  private isClosed = false;

  constructor(
    private readonly options: ServerOptions,
    private readonly addServices: (server: Server) => Promise<void>,
  ) {}

  /** Owns the stream from here on. `requestId` is in the metadata of the answer. */
  pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, requestId: string): void {
    stream.on('error', ignore);
    if (this.server !== undefined) return this.passTo(this.server, stream, headers, requestId);
    this.starting ??= this.start();
    this.starting.then(
      (server) => this.passTo(server, stream, headers, requestId),
      () => refuse(stream, requestId),
    );
  }

  /** Ends every call that is under way. */
  close(): void {
    this.isClosed = true;
    for (const { session } of this.connections) session.destroy();
    this.server?.close();
  }

  /** Another call tries again when it rejects. */
  private async start(): Promise<RpcServer> {
    try {
      const { RpcServer: Rpcs } = await import('./rpc-server.js');
      const server = await Rpcs.start(this.options, this.addServices);
      if (this.isClosed) server.close();
      this.server = server;
      return server;
    } catch (thrown) {
      this.starting = undefined;
      throw thrown;
    }
  }

  private passTo(server: RpcServer, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, requestId: string): void {
    if (stream.destroyed || stream.closed) return;
    if (this.isClosed) return reset(stream, constants.NGHTTP2_CANCEL);
    const upstream = this.request(this.connect(server), headers as OutgoingHttpHeaders);
    const answer = passAnswer(upstream, stream, requestId);
    passRequests(stream, upstream);
    stream.on('close', () => reset(upstream, stream.rstCode || constants.NGHTTP2_CANCEL));
    upstream.on('close', () => {
      // It is still being written, and ends the stream by itself
      if (answer.isWhole) return;
      reset(stream, upstream.rstCode || constants.NGHTTP2_INTERNAL_ERROR);
    });
  }

  private request(connection: Connection, headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const { session } = connection;
    const upstream = session.request(headers, { endStream: false });
    connection.callsLeft -= 1;
    connection.open += 1;
    upstream.on('error', ignore);
    upstream.on('close', () => {
      connection.open -= 1;
      // Not while a call is on its way: it would be refused
      if (connection.open === 0 && connection !== this.current) session.close();
    });
    return upstream;
  }

  private connect(server: RpcServer): Connection {
    const { current } = this;
    if (current !== undefined && current.callsLeft > 0 && !current.session.closed && !current.session.destroyed) return current;
    const [near, far] = memoryConnection();
    server.inject(far);
    const session = connect('http://services', { createConnection: () => near });
    session.on('error', ignore);
    const made = { session, callsLeft: callsOfConnection, open: 0 };
    this.connections.add(made);
    session.on('close', () => this.connections.delete(made));
    this.current = made;
    if (current?.open === 0) current.session.close();
    return made;
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

/** `isWhole`: all of the answer is here, with the status at its end. A connection that ends takes answers along without an error. */
function passAnswer(upstream: ClientHttp2Stream, stream: ServerHttp2Stream, requestId: string): { readonly isWhole: boolean } {
  const answer = { isWhole: false };
  let trailers: IncomingHttpHeaders = {};
  upstream.on('response', (received, flags) => {
    const headers = { ...received, 'x-request-id': requestId };
    if (stream.destroyed || stream.headersSent) return;
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      answer.isWhole = true;
      stream.respond(headers as OutgoingHttpHeaders, { endStream: true });
      return;
    }
    stream.on('wantTrailers', () => stream.sendTrailers(trailers as OutgoingHttpHeaders));
    stream.respond(headers as OutgoingHttpHeaders, { waitForTrailers: true });
    upstream.pipe(stream, { end: false });
    upstream.on('end', () => {
      if (answer.isWhole) stream.end();
    });
  });
  upstream.on('trailers', (received) => {
    trailers = received;
    answer.isWhole = true;
  });
  return answer;
}

/** The services could not be started. */
function refuse(stream: ServerHttp2Stream, requestId: string): void {
  if (stream.destroyed || stream.closed) return;
  const status = { 'grpc-status': String(grpcStatusOf({ code: 'INTERNAL' })), 'grpc-message': 'this rpc could not be started' };
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-request-id': requestId, ...status }, { endStream: true });
}

function reset(stream: ServerHttp2Stream | ClientHttp2Stream, code: number): void {
  if (!stream.closed && !stream.destroyed) stream.close(code);
}

function ignore(): void {}
