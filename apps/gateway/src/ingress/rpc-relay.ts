import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Duplex } from 'node:stream';
import type { Server, ServerOptions } from '@grpc/grpc-js';
import { grpcStatusOf } from '../edge/status.js';
import { errorCode } from '../http2/frames.js';
import { encodeFields } from '../http2/hpack-encoder.js';
import type { RequestHeaders } from '../http2/request-headers.js';
import type { Http2Stream, StreamListener } from '../http2/stream.js';
import { failureHead, type Fields } from './grpc-fields.js';
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
  pass(stream: Http2Stream, requestId: string): void {
    const call = new RelayedCall(stream, requestId);
    stream.listener = call;
    if (this.server !== undefined) return this.passTo(this.server, call);
    // What comes meanwhile waits
    stream.pause();
    this.starting ??= this.start();
    this.starting.then(
      (server) => this.passTo(server, call),
      () => stream.respond(failureHead(grpcStatusOf({ code: 'INTERNAL' }), 'this rpc could not be started', requestId), true),
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

  private passTo(server: RpcServer, call: RelayedCall): void {
    const { stream } = call;
    if (stream.isClosed) return;
    if (this.isClosed) return stream.reset(errorCode.cancel);
    call.begin(this.request(this.connect(server), stream.headers));
    stream.resume();
  }

  private request(connection: Connection, headers: RequestHeaders): ClientHttp2Stream {
    const { session } = connection;
    const upstream = session.request(headers as OutgoingHttpHeaders, { endStream: false });
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

/** One call on its way to grpc-js and back. */
class RelayedCall implements StreamListener {
  private upstream: ClientHttp2Stream | undefined;
  /** All of the answer is here, with the status at its end. A connection that ends takes answers along without an error. */
  private isWhole = false;

  constructor(
    readonly stream: Http2Stream,
    private readonly requestId: string,
  ) {}

  begin(upstream: ClientHttp2Stream): void {
    this.upstream = upstream;
    upstream.on('response', (headers, flags) => this.onResponse(headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0));
    upstream.on('drain', () => this.throttle());
    upstream.on('close', () => {
      // It is still being written, and ends the stream by itself
      if (!this.isWhole) this.stream.reset(upstream.rstCode || errorCode.internalError);
    });
  }

  onData(piece: Buffer): void {
    // A copy: the piece is not ours afterwards
    this.upstream?.write(Buffer.from(piece));
    this.throttle();
  }

  onEnd(): void {
    this.upstream?.end();
  }

  onDrain(): void {
    this.upstream?.resume();
    this.throttle();
  }

  onClose(code: number): void {
    const { upstream } = this;
    if (upstream !== undefined && !upstream.closed && !upstream.destroyed) upstream.close(code || constants.NGHTTP2_CANCEL);
  }

  private onResponse(received: IncomingHttpHeaders, isAll: boolean): void {
    const { stream, upstream } = this;
    this.isWhole ||= isAll;
    stream.respond(encodeFields([...fieldsOf(received), ['x-request-id', this.requestId]]), isAll);
    if (isAll || upstream === undefined) return;
    let trailers: IncomingHttpHeaders = {};
    upstream.on('data', (chunk: Buffer) => {
      if (!stream.write(chunk)) upstream.pause();
    });
    upstream.on('trailers', (fields) => {
      trailers = fields;
      this.isWhole = true;
    });
    upstream.on('end', () => {
      if (this.isWhole) stream.end(encodeFields(fieldsOf(trailers)));
    });
  }

  /** Takes no more requests of a call while its client leaves answers unread: grpc-js would keep the answers to all of them. */
  private throttle(): void {
    const isFull = this.stream.needsDrain || this.upstream?.writableNeedDrain === true;
    if (isFull) this.stream.pause();
    else this.stream.resume();
  }
}

/** The fields of an answer by node, as they came. */
function fieldsOf(received: IncomingHttpHeaders): Fields {
  const fields: Fields = [];
  for (const [name, value] of Object.entries(received)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) fields.push([name, String(one)]);
  }
  return fields;
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

function ignore(): void {}
