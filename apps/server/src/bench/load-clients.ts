import { Agent, request } from 'node:http';
import { connect, type ClientHttp2Session } from 'node:http2';
import { ProtobufReader } from '@mserve/wire';
import { jsonObject } from '../json-object.js';
import type { BenchProtocol, RequestBody } from './request-bodies.js';

/** Why a request failed: a status (HTTP, `grpc 14`, or a code of the connection) and what the server said. */
export interface CallFailure {
  readonly status: string;
  readonly text: string;
  /** The request got no answer: whoever goes on at once only finds the same again. */
  readonly isConnection?: boolean | undefined;
}

/** Sends requests of one protocol. */
export interface LoadClient {
  /** Resolves with undefined when every instance has a result, else with why not. Never rejects. */
  send(body: RequestBody): Promise<CallFailure | undefined>;
  /** Cuts what is on its way. */
  close(): void;
}

const mostText = 200;

function connectionFailure(error: Error): CallFailure {
  const { code = error.name } = error as NodeJS.ErrnoException;
  return { status: code, text: error.message.slice(0, mostText), isConnection: true };
}

function restFailure(status: number, body: Buffer): CallFailure | undefined {
  // Single instances of the original's protocol may fail in an answer that is one
  const isSuspect = status !== 200 || body.includes('"error_msg"');
  if (!isSuspect) return undefined;
  const answer = jsonObject(body.toString());
  const instances: unknown = answer?.['instances'];
  const first: unknown = Array.isArray(instances)
    ? instances.find((one: unknown) => JSON.stringify(one)?.includes('"error_msg"'))
    : undefined;
  if (status === 200 && answer?.['error_msg'] === undefined && first === undefined) return undefined;
  const said = answer?.['error'] ?? answer?.['error_msg'] ?? first;
  const text = typeof said === 'string' ? said : said === undefined ? body.toString() : JSON.stringify(said);
  return { status: String(status), text: text.slice(0, mostText) };
}

/** One keep-alive connection for each request that is on its way. */
class RestClient implements LoadClient {
  private readonly agent: Agent;
  private readonly host: string;
  private readonly port: string;

  constructor(
    address: string,
    connections: number,
    private readonly timeoutMs: number,
  ) {
    const colon = address.lastIndexOf(':');
    this.host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    this.port = address.slice(colon + 1);
    this.agent = new Agent({ keepAlive: true, maxSockets: connections, noDelay: true });
  }

  send({ path, headers, body }: RequestBody): Promise<CallFailure | undefined> {
    const { host, port, agent, timeoutMs } = this;
    return new Promise((resolve) => {
      const call = request(
        { host, port, path, method: 'POST', agent, headers: { ...headers, 'content-length': body.length } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', (error) => resolve(connectionFailure(error)));
          response.on('end', () => resolve(restFailure(response.statusCode ?? 0, Buffer.concat(chunks))));
        },
      );
      call.setTimeout(timeoutMs, () => call.destroy(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'TIMEOUT' })));
      call.on('error', (error) => resolve(connectionFailure(error)));
      call.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** The first error of a PredictReply (its field 4); undefined when it has none. */
function predictFailure(message: Uint8Array): CallFailure | undefined {
  const reader = new ProtobufReader(message);
  while (reader.more) {
    const tag = reader.tag();
    if (tag >>> 3 !== 4) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.open();
    let code = 0;
    let text = '';
    while (reader.more) {
      const inner = reader.tag();
      if (inner >>> 3 === 1) code = reader.signed();
      else if (inner >>> 3 === 2) text = Buffer.from(reader.view()).toString();
      else reader.skip(inner);
    }
    reader.close(outer);
    if (code !== 0) return { status: `error_code ${code}`, text: text.slice(0, mostText) };
  }
  return undefined;
}

/** Calls as HTTP/2 streams of a few connections, spread evenly. */
class GrpcClient implements LoadClient {
  private readonly sessions: (ClientHttp2Session | undefined)[];
  private next = 0;

  constructor(
    private readonly address: string,
    connections: number,
    private readonly timeoutMs: number,
    private readonly isPredict: boolean,
  ) {
    this.sessions = new Array<ClientHttp2Session | undefined>(connections).fill(undefined);
  }

  send({ path, headers, body }: RequestBody): Promise<CallFailure | undefined> {
    return new Promise((resolve) => {
      const at = this.next++ % this.sessions.length;
      const session = this.sessionAt(at, (error) => resolve(connectionFailure(error)));
      const stream = session.request({ ':method': 'POST', ':path': path, ...headers, 'grpc-timeout': `${this.timeoutMs}m` });
      const chunks: Buffer[] = [];
      let ended: CallFailure | undefined = { status: 'CLOSED', text: 'the call ended without a status', isConnection: true };
      const take = (trailers: Readonly<Record<string, unknown>>): void => {
        const status = trailers['grpc-status'];
        if (status === undefined) return;
        const text = decodeURIComponent(String(trailers['grpc-message'] ?? '').replaceAll(/%(?![0-9a-fA-F]{2})/g, '%25'));
        ended = String(status) === '0' ? undefined : { status: `grpc ${String(status)}`, text: text.slice(0, mostText) };
      };
      stream.on('response', take);
      stream.on('trailers', take);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', (error) => (ended = connectionFailure(error)));
      stream.on('close', () => resolve(ended ?? (this.isPredict ? predictFailure(Buffer.concat(chunks).subarray(5)) : undefined)));
      stream.setTimeout(this.timeoutMs + 1_000, () => stream.close());
      stream.end(body);
    });
  }

  close(): void {
    for (const session of this.sessions) session?.destroy();
  }

  private sessionAt(at: number, onError: (error: Error) => void): ClientHttp2Session {
    const known = this.sessions[at];
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = connect(`http://${this.address}`, { settings: { initialWindowSize: 4 * 2 ** 20 } });
    session.once('connect', () => session.setLocalWindowSize(16 * 2 ** 20));
    session.on('error', onError);
    session.on('goaway', () => session.close());
    this.sessions[at] = session;
    return session;
  }
}

/** A client with room for `concurrency` requests on their way; gRPC spreads them over at most 8 connections. */
export function loadClient(protocol: BenchProtocol, address: string, concurrency: number, timeoutMs: number): LoadClient {
  if (protocol.endsWith('rest')) return new RestClient(address, concurrency, timeoutMs);
  return new GrpcClient(address, Math.min(8, concurrency), timeoutMs, protocol === 'ms-grpc');
}
