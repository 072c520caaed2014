import { lstat, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, Server as TlsServer, type TLSSocket } from 'node:tls';
import { messageBytes, refusal, ServingError } from '@mserve/wire';
import { askedOfRpc } from '../access/asked-of.js';
import type { Access, Client } from '../edge/access.js';
import { requestIdOf } from '../edge/request-id.js';
import { Connection, type ConnectionLimits, type ConnectionOwner } from '../http2/connection.js';
import { encodeFields } from '../http2/hpack-encoder.js';
import type { Http2Stream, StreamListener } from '../http2/stream.js';
import { grpcStatusOf, tooLarge } from '../edge/status.js';
import { formatAddress, type Address } from '@mserve/config';
import { listenAddressOf } from './address.js';
import { compress, compressFromBytes } from './answer-compression.js';
import { BodyInflater } from './body-inflater.js';
import { ConnectionAges } from './connection-ages.js';
import { ExchangeBook } from './exchange-book.js';
import { GracefulGoaway } from './graceful-goaway.js';
import { GrpcExchange, type GrpcExchangeOwner } from './grpc-exchange.js';
import { failureHead } from './grpc-fields.js';
import { grpcCompression, grpcDeadlineAt, grpcInflateErrors, isGrpcContentType, joined } from './grpc-wire.js';
import type { GrpcPort, IngressAnswer, IngressListener, InferRoute, PortEvents } from '../edge/ingress.js';
import { contextOf, serverTlsOf } from '../tls/tls-context.js';
import type { IngressLimits, TlsOptions } from '../edge/ingress-options.js';
import type { InFlight } from './in-flight.js';
import { InferStream, StreamCall, type InferStreamOwner } from './infer-stream.js';
import { ReadGarbage } from './read-garbage.js';
import { RpcRelay } from './rpc-relay.js';
import { SharedReads } from './shared-reads.js';
import { tellEvents } from './port-events.js';
import { watchSilentConnections } from './silent-connections.js';
import { TurnGather } from './turn-gather.js';

type GrpcAnswer = Exclude<IngressAnswer, { kind: 'http' }>;

const streamPath = '/inference.GRPCInferenceService/ModelStreamInfer';

const inferRoutes: ReadonlyMap<string, InferRoute> = new Map([
  ['/mindspore.serving.proto.MSService/Predict', 'ms-grpc'],
  ['/inference.GRPCInferenceService/ModelInfer', 'oip-grpc'],
]);

/** The most metadata of a call: names and values, and 32 bytes for each field. More ends the call's stream, not its connection. */
export const maxMetadataBytes = 64 * 1024;
/** The most fields of metadata, those of HTTP/2 included. */
export const maxMetadataFields = 128;

/** What one stream, and one connection, may have on its way: HTTP/2's default of 64 KiB makes large messages twice as dear. */
const streamWindowBytes = 4 * 1024 * 1024;
const connectionWindowBytes = 16 * 1024 * 1024;

/** What one connection may have waiting in streams that are not read on: their answers are not taken. */
const maxHeldBytes = 64 * 1024 * 1024;

/**
 * The gRPC port: an HTTP/2 server of our own (ADR 28). The two infer rpcs are served here, as bytes; every other rpc is passed on to grpc-js (ADR 8).
 * Owns each connection and each exchange until it is answered or its client is gone.
 */
export class GrpcFront implements GrpcExchangeOwner, ConnectionOwner {
  private readonly server: Server;
  private readonly relay: RpcRelay;
  private readonly connections = new Set<Connection>();
  private readonly connectionLimits: ConnectionLimits;
  private readonly gather: TurnGather;
  private readonly exchanges: ExchangeBook<GrpcExchange | StreamCall>;
  private readonly inflater: BodyInflater<GrpcExchange | StreamCall>;
  private readonly streams = new Set<InferStream>();
  private readonly streamOwner: InferStreamOwner;
  private unixPath: string | undefined;
  private receiving: { readonly stop: () => void } | undefined;
  private silence: { readonly stop: () => void } | undefined;
  private isLeaving = false;
  private isDraining = false;
  private readonly goaway = new GracefulGoaway();
  private readonly reads = new SharedReads();
  private readonly garbage = new ReadGarbage();
  private readonly ages: ConnectionAges<Connection> | undefined;

  constructor(
    private readonly limits: IngressLimits,
    private readonly listener: IngressListener,
    private readonly inFlight: InFlight,
    addServices: GrpcPort['addServices'],
    tls?: TlsOptions,
    events: PortEvents = {},
    private readonly access?: Access,
  ) {
    this.relay = new RpcRelay(
      {
        'grpc.max_receive_message_length': limits.maxMessageBytes,
        'grpc.max_send_message_length': limits.maxMessageBytes,
        'grpc.max_concurrent_streams': limits.maxConcurrentStreams,
      },
      addServices,
    );
    this.gather = new TurnGather(listener);
    this.exchanges = new ExchangeBook(this.gather, Math.max(limits.maxBufferedBytes, limits.maxMessageBytes), inFlight);
    this.inflater = new BodyInflater(this.exchanges, limits, this.gather, grpcInflateErrors, (exchange, error) =>
      this.refuseEarly(exchange, error),
    );
    this.streamOwner = this.ownerOfStreams();
    const { maxConnectionAgeMs, maxConnectionAgeGraceMs } = limits;
    if (maxConnectionAgeMs > 0) {
      const onAged = (connection: Connection): void => {
        this.goaway.send(connection);
        const grace = setTimeout(() => this.drainStreams(connection), maxConnectionAgeGraceMs).unref();
        connection.once('close', () => clearTimeout(grace));
      };
      this.ages = new ConnectionAges(maxConnectionAgeMs, onAged);
    }
    this.connectionLimits = {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxFieldBytes: maxMetadataBytes,
      maxFields: maxMetadataFields,
      streamWindowBytes,
      connectionWindowBytes,
      maxHeldBytes,
    };
    this.server =
      tls === undefined
        ? createServer({ pauseOnConnect: true }, (socket) => this.onSocket(socket))
        : createTlsPort(limits, tls, (socket) => this.onTlsSocket(socket));
    this.server.maxConnections = limits.maxConnections;
    tellEvents(this.server, events);
  }

  /** Binds the port or socket file; resolves with the address bound. Rejects with the original's texts. */
  async listen(text: string): Promise<string> {
    const address: Address = listenAddressOf('Serving gRPC', text);
    if (address.kind === 'unix') await removeStaleSocket(address.path);
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void =>
        reject(
          new ServingError('UNAVAILABLE', `Serving Error: Serving gRPC server start failed, create server failed, address ${text}`, {
            cause: error,
            facts: { given: text },
          }),
        );
      this.server.once('error', onError);
      this.server.listen(
        address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port, backlog: 1024 },
        () => {
          this.server.off('error', onError);
          // A failed accept (no file descriptors left) is the client's loss, not the process' end
          this.server.on('error', () => undefined);
          resolve();
        },
      );
    });
    this.receiving = this.exchanges.watchReceiving(this.limits, (exchange, error) => this.refuseEarly(exchange, error));
    this.silence = watchSilentConnections(this.connections, this.limits.writeTimeoutMs);
    if (address.kind === 'unix') {
      this.unixPath = address.path;
      return formatAddress(address);
    }
    return formatAddress(address, (this.server.address() as AddressInfo).port);
  }

  /** New connections get these; those that are open go on. Nothing happens without TLS. */
  renewTls(tls: TlsOptions): void {
    const server: unknown = this.server;
    if (server instanceof TlsServer) server.setSecureContext(contextOf(tls));
  }

  /** Bytes of bodies that are held now. */
  get bufferedBytes(): number {
    return this.exchanges.bytes;
  }

  /** false when the token is not one of this port. */
  answer(answer: GrpcAnswer): boolean {
    const exchange = this.exchanges.answered(answer.token);
    if (exchange === undefined) return false;
    this.send(exchange, answer);
    return true;
  }

  /** Every client opens its next call over another connection (GOAWAY); new ones are still taken. */
  leave(): void {
    this.isLeaving = true;
    for (const connection of this.connections) this.goaway.send(connection);
  }

  /** Takes no new connections and calls. Resolves when the calls in hand are done and all connections are closed. */
  async drain(): Promise<void> {
    this.isDraining = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.connections) this.goaway.send(connection);
    for (const stream of this.streams) stream.drain();
    await this.exchanges.endReceiving(this.limits.drainReceiveMs, closed, (exchange, error) => this.refuseEarly(exchange, error));
    await this.end();
  }

  /** Ends every connection now. */
  async close(): Promise<void> {
    this.isDraining = true;
    this.server.close();
    for (const connection of this.connections) connection.destroy();
    await this.end();
  }

  onChunk(exchange: GrpcExchange, chunk: Buffer): void {
    const { maxMessageBytes } = this.limits;
    const rest = exchange.takePrefix(chunk);
    if (rest === undefined) return;
    if (exchange.announcedBytes > maxMessageBytes) {
      return this.refuseEarly(exchange, tooLarge(`Received message larger than max (${exchange.announcedBytes} vs. ${maxMessageBytes})`));
    }
    if (exchange.receivedBytes + rest.length > exchange.announcedBytes) {
      return this.refuseEarly(
        exchange,
        refusal('call-unsupported', { detail: 'a unary call has one request message, more than one was sent' }),
      );
    }
    if (rest.length === 0 || this.exchanges.take(exchange, rest)) return;
    this.refuseEarly(exchange, refusal('too-many-bytes'));
  }

  onEnd(exchange: GrpcExchange): void {
    const { announcedBytes, receivedBytes } = exchange;
    if (!exchange.hasBegun)
      return this.refuseEarly(exchange, refusal('call-unsupported', { detail: 'a unary call has one request message, none was sent' }));
    if (announcedBytes < 0)
      return this.refuseEarly(exchange, refusal('call-malformed', { detail: 'the request message ends within its prefix' }));
    if (receivedBytes < announcedBytes) {
      return this.refuseEarly(
        exchange,
        refusal('call-malformed', { detail: `the request message ends after ${receivedBytes} of its ${announcedBytes} bytes` }),
      );
    }
    if (!exchange.isCompressed) {
      exchange.complete();
      this.gather.add(exchange);
      return;
    }
    const compression = grpcCompression(exchange.encoding);
    if (compression instanceof ServingError) this.refuseEarly(exchange, compression);
    else this.inflater.inflate(exchange, compression);
  }

  onClose(exchange: GrpcExchange): void {
    this.exchanges.close(exchange);
  }

  /** `accepted`: nothing of it was read. */
  private onSocket(accepted: Socket): void {
    const socket = this.reads.take(accepted, (bytes) => connection.receive(bytes));
    const connection = new Connection(socket, this, this.connectionLimits);
    this.follow(connection);
  }

  private onTlsSocket(socket: TLSSocket): void {
    const connection = new Connection(socket, this, this.connectionLimits);
    socket.on('data', (bytes: Buffer) => {
      this.garbage.add(bytes.length);
      connection.receive(bytes);
    });
    this.follow(connection);
  }

  private follow(connection: Connection): void {
    this.connections.add(connection);
    this.ages?.follow(connection);
    // A connection that does not begin to speak HTTP/2 is nobody's
    const silence = setTimeout(() => connection.destroy(), this.limits.headersTimeoutMs).unref();
    connection.once('settings', () => clearTimeout(silence));
    connection.once('close', () => {
      clearTimeout(silence);
      this.connections.delete(connection);
    });
    if (this.isDraining) this.goaway.send(connection);
  }

  /** Streams of the connection end when what they have in hand is answered. */
  private drainStreams(connection: Connection): void {
    for (const call of this.streams) if (call.stream.carrier === connection) call.drain();
  }

  onStream(stream: Http2Stream, connection: Connection): void {
    // Not before its first call, which a client that has just connected would else open over yet another connection
    if (this.isLeaving) this.goaway.send(connection);
    const { headers } = stream;
    const path = headers[':path'] ?? '';
    const route = inferRoutes.get(path);
    const isStream = path === streamPath;
    const isInfer = route !== undefined || isStream;
    const client = this.access?.admit(isInfer ? 'infer' : askedOfRpc(path), { headers, socket: connection.socket });
    if (client instanceof ServingError) return this.refuseStream(stream, client);
    if (!isInfer) return this.relay.pass(stream, this.requestIdFor(stream));
    if (headers[':method'] !== 'POST' || !isGrpcContentType(headers['content-type'])) {
      stream.listener = unheard;
      return stream.respond(encodeFields([[':status', headers[':method'] === 'POST' ? '415' : '405']]), true);
    }
    const timeout = headers['grpc-timeout'];
    const deadlineAt = grpcDeadlineAt(timeout);
    if (route === undefined) return this.beginStream(stream, deadlineAt ?? performance.now(), client);
    const exchange = new GrpcExchange(this, this.inFlight.nextToken(), stream, route, deadlineAt ?? Infinity);
    exchange.client = client;
    this.exchanges.begin(exchange);
    if (deadlineAt === undefined)
      this.refuseEarly(
        exchange,
        refusal('call-malformed', { detail: `grpc-timeout is '${String(timeout).slice(0, 100)}', which is no timeout` }),
      );
  }

  private requestIdFor(stream: Http2Stream): string {
    return requestIdOf(stream.headers['x-request-id'], this.inFlight.nextToken());
  }

  /** With its status and nothing else, before anything of it is read. */
  private refuseStream(stream: Http2Stream, error: ServingError): void {
    stream.listener = unheard;
    stream.respond(failureHead(grpcStatusOf(error), error.message, this.requestIdFor(stream)), true);
  }

  private beginStream(stream: Http2Stream, deadlineAt: number, client: Client | undefined): void {
    const begun = new InferStream(this.streamOwner, stream, deadlineAt, this.limits);
    begun.client = client;
    this.streams.add(begun);
    if (this.isDraining) begun.drain();
  }

  private ownerOfStreams(): InferStreamOwner {
    return {
      nextToken: () => this.inFlight.nextToken(),
      onBegin: (call) => this.exchanges.begin(call),
      onPiece: (call, piece) => this.exchanges.take(call, piece),
      onWhole: (call) => {
        call.complete();
        this.gather.add(call);
      },
      onCompressed: (call, compression) => this.inflater.inflate(call, compression),
      onRefused: (call, error) => this.refuseEarly(call, error),
      onCallOver: (call) => this.exchanges.close(call),
      onStreamOver: (stream) => this.streams.delete(stream),
    };
  }

  /** Answers by itself, in the shape of the call's protocol. */
  private refuseEarly(exchange: GrpcExchange | StreamCall, error: ServingError): void {
    this.exchanges.refused(exchange);
    const shaped = this.listener.refusalOf(exchange, error);
    this.send(
      exchange,
      shaped.kind === 'http' ? { token: exchange.token, kind: 'grpc-error', status: grpcStatusOf(error), message: error.message } : shaped,
    );
  }

  private send(exchange: GrpcExchange | StreamCall, answer: GrpcAnswer): void {
    if (exchange instanceof StreamCall) {
      exchange.stream.answer(exchange, answer.message);
      // It has copied the message
      if (answer.kind === 'grpc') answer.onWritten?.();
      return;
    }
    exchange.trace = answer.trace;
    if (answer.kind === 'grpc-error') exchange.fail(answer.status, answer.message, this.limits.lingerMs);
    else this.sendMessage(exchange, answer);
  }

  private sendMessage(exchange: GrpcExchange, { message, onWritten }: Extract<GrpcAnswer, { kind: 'grpc' }>): void {
    const { maxMessageBytes, writeTimeoutMs, lingerMs } = this.limits;
    const bytes = messageBytes(message);
    this.inFlight.answered(bytes);
    if (bytes > maxMessageBytes) {
      const text = `Sent message larger than max (${bytes} vs. ${maxMessageBytes})`;
      return exchange.fail(grpcStatusOf({ code: 'RESOURCE_EXHAUSTED' }), text, lingerMs);
    }
    const compression = bytes < compressFromBytes ? undefined : exchange.answerCompression;
    exchange.onWritten = onWritten;
    if (compression === undefined) return exchange.reply(message, bytes, writeTimeoutMs);
    compress(compression, joined(message), (compressed) => {
      if (compressed === undefined) exchange.reply(message, bytes, writeTimeoutMs);
      else exchange.reply([compressed], compressed.byteLength, writeTimeoutMs, compression);
    });
  }

  private async end(): Promise<void> {
    this.receiving?.stop();
    this.silence?.stop();
    this.relay.close();
    if (this.unixPath === undefined) return;
    await rm(this.unixPath, { force: true });
    this.unixPath = undefined;
  }
}

/** What comes of a stream that was refused. */
const unheard: StreamListener = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };

function createTlsPort(limits: IngressLimits, tls: TlsOptions, onSocket: (socket: TLSSocket) => void): Server {
  const options = { ...serverTlsOf(tls), ALPNProtocols: ['h2'], handshakeTimeout: limits.headersTimeoutMs };
  const server = createTlsServer(options, (socket: TLSSocket) => {
    // gRPC clients ask for it
    if (socket.alpnProtocol === 'h2') onSocket(socket);
    else socket.destroy();
  });
  // node leaves a connection open whose handshake takes too long
  return server.on('tlsClientError', (_error, socket) => socket.destroy());
}

/** A socket file that a killed server left behind would keep the address busy for ever; one that answers, and a file that is no socket, is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  const refused = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  // A connection to any other file is refused in the same way
  if (refused && (await lstat(path)).isSocket()) await rm(path, { force: true });
}
