import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { refusal, ServingError } from '@mserve/wire';
import { askedOfPath, modelOfPath } from '../access/asked-of.js';
import type { Access, Asked } from '../edge/access.js';
import { clip } from '../edge/clip.js';
import { requestIdOf } from '../edge/request-id.js';
import { httpStatusOf, jsonAnswerHeaders, tooLarge } from '../edge/status.js';
import { formatAddress, type Address } from '@mserve/config';
import { listenAddressOf } from './address.js';
import { acceptedCompression, compress, compressFromBytes } from './answer-compression.js';
import type { Cors } from './cors.js';
import { BodyInflater } from './body-inflater.js';
import { ConnectionAges } from './connection-ages.js';
import { ExchangeBook } from './exchange-book.js';
import { HttpConnections } from './http-connections.js';
import { ExchangeRequest, ExchangeResponse, HttpExchange, type ExchangeOwner } from './http-exchange.js';
import { answerMalformed, connectionRefusalOf, originForm } from './http-malformed.js';
import {
  hasTwoHosts,
  httpCompression,
  httpDeadlineAt,
  httpInferRoute,
  httpInflateErrors,
  isInferContentType,
  unroutedPostRoute,
} from './http-route.js';
import type { IngressAnswer, IngressListener, InferRoute, PortEvents } from '../edge/ingress.js';
import { contextOf, serverTlsOf } from '../tls/tls-context.js';
import type { IngressLimits, TlsOptions } from '../edge/ingress-options.js';
import type { InFlight } from './in-flight.js';
import { OrdinaryRequests } from './ordinary-requests.js';
import { PlainAnswers } from './plain-answers.js';
import { ReadGarbage } from './read-garbage.js';
import { tellEvents } from './port-events.js';
import { SpareConnections } from './spare-connections.js';
import { cutStalledWrite } from './stalled-write.js';
import { TurnGather } from './turn-gather.js';

type HttpAnswer = Extract<IngressAnswer, { kind: 'http' }>;

/** The most that the head of a request may have: its line and its headers. */
export const maxHeadBytes = 16_384;
/** How often node looks for headers over their time limit. */
const timeoutCheckMs = 1_000;
/** Smaller answers are joined and leave in one piece; larger ones part by part, uncopied. */
const joinBelowBytes = 64 * 1024;

/**
 * The REST port: one node:http server. Infer routes are served here, everything else goes to `fallback` (Nest's Fastify).
 * Owns each connection and each exchange until it is answered or its client is gone.
 */
export class HttpFront implements ExchangeOwner {
  private readonly server: Server<typeof ExchangeRequest, typeof ExchangeResponse>;
  private readonly gather: TurnGather;
  private readonly exchanges: ExchangeBook<HttpExchange>;
  private readonly inflater: BodyInflater<HttpExchange>;
  private readonly connections: HttpConnections;
  private readonly garbage = new ReadGarbage();
  private readonly plain: PlainAnswers | undefined;
  private readonly ordinary: OrdinaryRequests;
  private readonly spare: SpareConnections;
  private watches: readonly { stop(): void }[] = [];
  /** Every connection ends with its next answer. */
  private leaving = false;
  private readonly ages: ConnectionAges<Socket> | undefined;

  constructor(
    private readonly limits: IngressLimits,
    private readonly listener: IngressListener,
    private readonly inFlight: InFlight,
    private readonly fallback: RequestListener,
    private readonly cors: Cors | undefined,
    tls?: TlsOptions,
    events: PortEvents = {},
    private readonly access?: Access,
  ) {
    this.gather = new TurnGather(listener);
    // CORS adds headers to answers
    this.plain = cors === undefined ? new PlainAnswers(limits.keepAliveTimeoutMs) : undefined;
    this.exchanges = new ExchangeBook(this.gather, Math.max(limits.maxBufferedBytes, limits.maxMessageBytes), inFlight);
    this.inflater = new BodyInflater(this.exchanges, limits, this.gather, httpInflateErrors, (exchange, error) =>
      this.refuseWhole(exchange, error),
    );
    const options = {
      IncomingMessage: ExchangeRequest,
      ServerResponse: ExchangeResponse,
      headersTimeout: limits.headersTimeoutMs,
      // Of bodies: watchReceiving and limitBody
      requestTimeout: 0,
      maxHeaderSize: maxHeadBytes,
      // HttpConnections closes those that are idle
      keepAliveTimeout: 0,
      connectionsCheckingInterval: Math.min(timeoutCheckMs, limits.headersTimeoutMs),
      noDelay: true,
    };
    this.server =
      tls === undefined
        ? createServer(options, this.onRequest)
        : createTlsServer({ ...options, ...serverTlsOf(tls), handshakeTimeout: limits.headersTimeoutMs }, this.onRequest);
    tellEvents(this.server, events);
    const isTls = tls !== undefined;
    this.ordinary = new OrdinaryRequests(this.server, isTls, (socket) => this.connections.isBusy(socket));
    this.connections = new HttpConnections(limits.keepAliveTimeoutMs, (socket) => this.ordinary.idle(socket));
    this.server.on(isTls ? 'secureConnection' : 'connection', this.connections.add);
    this.spare = new SpareConnections(this.server, limits.maxConnections, () => events.onConnectionRefused?.('too-many-connections'));
    if (limits.maxConnectionAgeMs > 0) {
      const ages = new ConnectionAges<Socket>(limits.maxConnectionAgeMs);
      this.server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => ages.follow(socket));
      this.ages = ages;
    }
    this.server.on('checkContinue', this.onExpectContinue);
    this.server.on('clientError', (error, socket) => {
      events.onConnectionRefused?.(connectionRefusalOf(error));
      answerMalformed(error, socket as Socket);
    });
  }

  /** Binds the port; resolves with the address bound. Rejects with the original's texts. */
  async listen(text: string): Promise<string> {
    const address: Address = listenAddressOf('RESTful server', text);
    if (address.kind === 'unix') throw new TypeError('the REST port is a TCP port');
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void =>
        reject(
          new ServingError('UNAVAILABLE', `Serving Error: RESTful server start failed, bind to the socket address ${text} failed`, {
            cause: error,
            facts: { given: text },
          }),
        );
      this.server.once('error', onError);
      this.server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
        this.server.off('error', onError);
        // A failed accept (no file descriptors left) is the client's loss, not the process' end
        this.server.on('error', () => undefined);
        resolve();
      });
    });
    this.watches = [
      this.exchanges.watchReceiving(this.limits, (exchange, error) => this.refuseEarly(exchange, error)),
      this.connections.closeIdle(),
    ];
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
  answer(answer: HttpAnswer): boolean {
    const exchange = this.exchanges.answered(answer.token);
    if (exchange === undefined) return false;
    try {
      if (exchange.route === 'oip-rest' && this.compress(exchange, answer)) return true;
      this.write(exchange, answer);
    } catch (error) {
      // An answer that HTTP cannot carry costs its own connection only
      exchange.response.destroy(error as Error);
    }
    return true;
  }

  /** Each connection ends with its next answer; new ones are still taken. */
  leave(): void {
    this.leaving = true;
  }

  /** Takes no new connections; those open end with their next answer. Resolves when all are closed. */
  async drain(): Promise<void> {
    this.leaving = true;
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeIdleConnections();
    });
    await this.exchanges.endReceiving(this.limits.drainReceiveMs, closed, (exchange, error) => this.refuseEarly(exchange, error));
    for (const watch of this.watches) watch.stop();
  }

  /** Ends every connection now. */
  close(): void {
    this.leaving = true;
    this.server.close();
    this.server.closeAllConnections();
    for (const watch of this.watches) watch.stop();
  }

  private readonly onRequest = (request: ExchangeRequest, response: ExchangeResponse): void => {
    request.url = originForm(request.url ?? '');
    response._keepAliveTimeout = this.limits.keepAliveTimeoutMs;
    const route = httpInferRoute(request.url) ?? unroutedPostRoute(request.method, request.url);
    if (hasTwoHosts(request.rawHeaders)) {
      response.writeHead(400, { 'content-type': 'application/json', connection: 'close' });
      response.end(`{"${route === 'ms-rest' ? 'error_msg' : 'error'}":"more than one Host header"}`);
      return;
    }
    if (this.cors?.answer(request, response) === true) return;
    if (this.spare.has(request.socket)) {
      response.setHeader('connection', 'close');
      if (route !== undefined) return this.refuseSpare(request, response, route);
    }
    if (route !== undefined) this.begin(request, response, route);
    else if (this.access === undefined || admitted(this.access, request, response)) this.passOn(request, response);
  };

  /** An infer request on a connection beyond the limit. */
  private refuseSpare(request: ExchangeRequest, response: ExchangeResponse, route: InferRoute): void {
    const text = `the server has as many connections as it may have, ${this.limits.maxConnections}`;
    response.writeHead(503, jsonAnswerHeaders(503));
    response.end(JSON.stringify({ [route === 'ms-rest' ? 'error_msg' : 'error']: text }));
    request.resume();
  }

  /** A request that is none of ours. */
  private passOn(request: ExchangeRequest, response: ExchangeResponse): void {
    const { requestTimeoutMs, writeTimeoutMs } = this.limits;
    const { socket } = request;
    if (this.isEnding(socket)) response.setHeader('connection', 'close');
    limitBody(request, response, requestTimeoutMs);
    cutStalledWrite(response, writeTimeoutMs, () => {
      // Else there is no answer yet: a model may take long to load
      if (socket.writableLength > 0) socket.destroy();
    });
    const unfinished = { close: () => giveUp(response) };
    this.connections.follow(socket, unfinished);
    response.once('close', () => this.connections.unfollow(socket, unfinished));
    response.setHeader('x-request-id', requestIdOf(oneHeader(request, 'x-request-id'), this.inFlight.nextToken()));
    this.fallback(request, response);
  }

  private readonly onExpectContinue = (request: ExchangeRequest, response: ExchangeResponse): void => {
    const length = request.headers['content-length'];
    const isInfer = httpInferRoute(originForm(request.url ?? '')) !== undefined;
    // A refusal takes the place of "100 Continue", and the client need not send its body: over the limit, or not let in
    const isKnown = this.access === undefined || !(this.access.admit(askedOf(request), request) instanceof ServingError);
    if (isKnown && (length === undefined || Number(length) <= this.limits.maxMessageBytes || !isInfer)) response.writeContinue();
    this.onRequest(request, response);
  };

  private begin(request: ExchangeRequest, response: ExchangeResponse, route: InferRoute): void {
    const { headers } = request;
    const length = headers['content-length'];
    const announcedBytes = length === undefined ? -1 : Number(length);
    const deadlineAt = httpDeadlineAt(headers);
    const exchange = new HttpExchange(this, this.inFlight.nextToken(), request, response, route, deadlineAt ?? Infinity, announcedBytes);
    this.exchanges.begin(exchange);
    this.connections.follow(exchange.socket, exchange);
    if (this.access !== undefined && !this.admits(this.access, exchange, request)) return;
    if (exchange.verb !== 'POST') {
      // Not worth reading a body: the protocol refuses the verb
      limitBody(request, response, this.limits.requestTimeoutMs);
      exchange.complete();
      this.gather.add(exchange);
      return;
    }
    if (announcedBytes > this.limits.maxMessageBytes) return this.refuseSize(exchange);
    if (deadlineAt === undefined) {
      const text = `x-request-timeout-ms is '${String(headers['x-request-timeout-ms']).slice(0, 100)}', it must be one number of milliseconds`;
      return this.refuseEarly(exchange, refusal('header-malformed', { detail: text }));
    }
    // The original reads neither of the two headers
    if (route === 'oip-rest') this.checkBodyHeaders(exchange);
  }

  /** Lets its client in, or refuses it. */
  private admits(access: Access, exchange: HttpExchange, request: ExchangeRequest): boolean {
    const client = access.admit('infer', request);
    const model = modelOfPath(exchange.path);
    if (client instanceof ServingError) this.refuseEarly(exchange, client);
    else if (client !== undefined && model !== undefined && !client.mayMean(model))
      this.refuseEarly(exchange, refusal('client-not-allowed', { given: client.name, detail: `use '${clip(model)}'` }));
    else {
      exchange.client = client;
      return true;
    }
    return false;
  }

  /** Refuses a body of another content type or an unknown compression; notes the compression of the others. */
  private checkBodyHeaders(exchange: HttpExchange): void {
    const { headers } = exchange;
    if (!isInferContentType(headers['content-type'])) {
      const text = `content-type '${(headers['content-type'] ?? '').slice(0, 100)}' is not supported, use application/json or application/octet-stream`;
      return this.refuseEarly(exchange, refusal('content-unsupported', { detail: text }));
    }
    const compression = httpCompression(headers['content-encoding']);
    if (compression instanceof ServingError) this.refuseEarly(exchange, compression);
    else exchange.compression = compression;
  }

  onChunk(exchange: HttpExchange, chunk: Buffer): void {
    const { maxMessageBytes, maxBodyChunks } = this.limits;
    if (exchange.receivedBytes + chunk.length > maxMessageBytes) return this.refuseSize(exchange);
    if (exchange.announcedBytes < 0 && exchange.receivedChunks >= maxBodyChunks) {
      return this.refuseEarly(exchange, tooLarge(`http message has more than ${maxBodyChunks} chunks`));
    }
    this.garbage.add(chunk.length);
    if (!this.exchanges.take(exchange, chunk)) this.refuseEarly(exchange, refusal('too-many-bytes'));
  }

  onEnd(exchange: HttpExchange): void {
    if (exchange.compression !== undefined) return this.inflater.inflate(exchange, exchange.compression);
    exchange.complete();
    this.gather.add(exchange);
  }

  onClose(exchange: HttpExchange): void {
    if (this.connections.unfollow(exchange.socket, exchange)) this.exchanges.close(exchange);
  }

  private refuseSize(exchange: HttpExchange): void {
    this.refuseEarly(exchange, tooLarge(`http message is bigger than ${this.limits.maxMessageBytes}`));
  }

  /**
   * Answers before the body is complete, in the shape of the request's protocol, and ends the connection.
   * What the client is still sending is read and dropped for a moment: closing on it would reset the connection and lose the answer.
   */
  private refuseEarly(exchange: HttpExchange, error: ServingError): void {
    this.exchanges.refused(exchange);
    const refusal = this.refusalOf(exchange, error);
    const { response } = exchange;
    const body = joinBody(refusal.body);
    response.writeHead(refusal.status, {
      ...refusal.headers,
      'content-length': String(Buffer.byteLength(body)),
      'x-request-id': exchange.requestId,
      connection: 'close',
    });
    response.write(body);
    const finish = (): void => {
      clearTimeout(timer);
      response.end();
    };
    const timer = setTimeout(finish, this.limits.lingerMs);
    exchange.onOver = finish;
  }

  /** Answers a request whose body is complete and cannot be taken; the connection stays. */
  private refuseWhole(exchange: HttpExchange, error: ServingError): void {
    this.answer(this.refusalOf(exchange, error));
  }

  private refusalOf(exchange: HttpExchange, error: ServingError): HttpAnswer {
    const refusal = this.listener.refusalOf(exchange, error);
    if (refusal.kind !== 'http') throw new TypeError('an HTTP request was refused with a gRPC answer');
    return refusal;
  }

  /** Writes the answer later, and compressed, when its client asked for that and it is worth it; else false. */
  private compress(exchange: HttpExchange, answer: HttpAnswer): boolean {
    const compression = acceptedCompression(exchange.headers['accept-encoding']);
    if (compression === undefined || bytesOf(answer.body) < compressFromBytes) return false;
    const body = joinBody(answer.body);
    compress(compression, typeof body === 'string' ? Buffer.from(body) : body, (compressed) => {
      const headers = compressed && {
        ...answer.headers,
        'content-encoding': compression,
        vary: varyOf(exchange.response, 'accept-encoding'),
      };
      try {
        this.write(exchange, headers === undefined ? answer : { ...answer, headers, body: [compressed as Buffer] });
      } catch (error) {
        exchange.response.destroy(error as Error);
      }
    });
    return true;
  }

  private write({ response, requestId }: HttpExchange, answer: HttpAnswer): void {
    if (response.destroyed || response.headersSent) return;
    const { body, onWritten } = answer;
    const bytes = bytesOf(body);
    if (onWritten !== undefined) response.once('finish', onWritten);
    if (!this.writePlain(response, answer, bytes, requestId)) this.writeParts(response, answer, bytes, requestId);
    const { socket } = response;
    // Until the answer is over: HttpConnections
    if (socket !== null && socket.writableLength > 0) cutStalledWrite(response, this.limits.writeTimeoutMs, () => socket.destroy());
  }

  /** The connection ends with its next answer. */
  private isEnding(socket: Socket | null): boolean {
    return this.leaving || this.ages?.isOver(socket) === true;
  }

  /** false: it has to be written part by part, by node. */
  private writePlain(response: ExchangeResponse, { status, headers, body }: HttpAnswer, bytes: number, requestId: string): boolean {
    if (this.plain === undefined || status !== 200 || body.length !== 1 || bytes >= joinBelowBytes) return false;
    const text = body[0];
    if (typeof text !== 'string' || this.isEnding(response.socket)) return false;
    return this.plain.write(response, headers, text, bytes, requestId);
  }

  private writeParts(response: ExchangeResponse, { status, headers, body }: HttpAnswer, bytes: number, requestId: string): void {
    const head: string[] = [];
    for (const name in headers) if (name !== 'content-length') head.push(name, headers[name] as string);
    head.push('content-length', String(bytes), 'x-request-id', requestId);
    if (this.isEnding(response.socket)) head.push('connection', 'close');
    response.writeHead(status, head);
    if (bytes < joinBelowBytes) {
      writeAtOnce(response, joinBody(body), bytes);
      return;
    }
    this.inFlight.answered(bytes);
    for (const part of body) response.write(part);
    response.end();
  }
}

/** Tells who writes an answer that its client is gone, as node does for the answer that is being written: else its files would stay open. */
function giveUp(response: ServerResponse): void {
  if (response.destroyed) return;
  response.destroy();
  response.emit('close');
}

function askedOf({ method, url }: ExchangeRequest): Asked {
  const path = originForm(url ?? '');
  return (httpInferRoute(path) ?? unroutedPostRoute(method, path)) === undefined ? askedOfPath(method, path) : 'infer';
}

/** Whether a request that is for Nest may go on; else it is answered. */
function admitted(access: Access, request: ExchangeRequest, response: ServerResponse): boolean {
  const client = access.admit(askedOfPath(request.method, request.url ?? ''), request);
  if (!(client instanceof ServingError)) return true;
  const status = httpStatusOf(client);
  response.writeHead(status, { ...jsonAnswerHeaders(status), connection: 'close' }).end(JSON.stringify({ error: client.message }));
  request.resume();
  return false;
}

/** A body that no exchange receives is short, or dropped: it has `timeoutMs` as a whole. */
function limitBody(request: ExchangeRequest, response: ServerResponse, timeoutMs: number): void {
  const { headers, socket } = request;
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return;
  const timer = setTimeout(() => {
    if (!request.complete) answerMalformed(Object.assign(new Error('request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
  }, timeoutMs).unref();
  response.once('close', () => {
    if (request.complete || socket.destroyed) clearTimeout(timer);
  });
}

/**
 * Head and text leave in one plain write. `end(text)` alone would add an empty piece that only marks the end, and make node gather the two
 * (writev), which costs a third more per answer.
 */
function writeAtOnce(response: ServerResponse, body: string | Uint8Array, bytes: number): void {
  if (typeof body !== 'string' || body === '') {
    response.end(body);
    return;
  }
  response.cork();
  response.write(body, bytes === body.length ? 'latin1' : 'utf8');
  response.uncork();
  response.end();
}

/** `name` with what the answer varies by already. */
function varyOf(response: ServerResponse, name: string): string {
  const set = response.getHeader('vary');
  return typeof set === 'string' ? `${set}, ${name}` : name;
}

function bytesOf(body: readonly (Uint8Array | string)[]): number {
  let bytes = 0;
  for (const part of body) bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.byteLength;
  return bytes;
}

/** A header that node joins when it comes several times. */
function oneHeader(request: ExchangeRequest, name: string): string | undefined {
  return request.headers[name] as string | undefined;
}

function joinBody(parts: readonly (Uint8Array | string)[]): string | Uint8Array {
  if (parts.length === 1) return parts[0] as string | Uint8Array;
  if (parts.every((part) => typeof part === 'string')) return parts.join('');
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}
