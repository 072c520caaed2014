import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { IdTable } from '@mserve/bus';
import { ServingError } from '@mserve/wire';
import { formatAddress, parseAddress, type ListenAddress } from './address.js';
import type { InferRoute, IngressAnswer, IngressRequest } from './ingress.js';
import type { IngressLimits, TlsOptions } from './ingress-options.js';
import { nextToken, type TurnGather } from './turn-gather.js';

type RawCall = ServerUnaryCall<Buffer, Buffer>;
type GrpcAnswer = Exclude<IngressAnswer, { kind: 'http' }>;

const inferPaths: readonly (readonly [string, InferRoute])[] = [
  ['/mindspore.serving.proto.MSService/Predict', 'ms-grpc'],
  ['/inference.GRPCInferenceService/ModelInfer', 'oip-grpc'],
];

/** What one HTTP/2 stream may have on its way: the default of 64 KiB makes large messages twice as dear. */
const flowControlWindowBytes = 4 * 1024 * 1024;

/** One infer call in hand; is itself the IngressRequest. */
class GrpcExchange implements IngressRequest {
  readonly token = nextToken();
  readonly path = '';
  readonly verb = 'POST';
  readonly deadlineAt: number;

  constructor(
    private readonly call: RawCall,
    readonly route: InferRoute,
    readonly callback: sendUnaryData<Buffer>,
  ) {
    const deadline = call.getDeadline();
    this.deadlineAt = deadline === Infinity ? Infinity : performance.now() + (Number(deadline) - Date.now());
  }

  get body(): Uint8Array {
    return this.call.request;
  }

  get headers(): Readonly<Record<string, string | undefined>> {
    const headers: Record<string, string | undefined> = {};
    for (const [name, value] of Object.entries(this.call.metadata.getMap())) if (typeof value === 'string') headers[name] = value;
    return headers;
  }
}

/** The gRPC port: one grpc-js server. The two infer rpcs pass through as bytes; `addServices` adds the others. */
export class GrpcFront {
  private readonly server: Server;
  private readonly exchanges = new IdTable<GrpcExchange>();
  private unixPath: string | undefined;

  constructor(
    limits: IngressLimits,
    private readonly gather: TurnGather,
    addServices: (server: Server) => void,
    private readonly tls?: TlsOptions,
  ) {
    this.server = new Server({
      'grpc.max_receive_message_length': limits.maxMessageBytes,
      'grpc.max_send_message_length': limits.maxMessageBytes,
      'grpc.max_concurrent_streams': limits.maxConcurrentStreams,
      'grpc-node.flow_control_window': flowControlWindowBytes,
    });
    for (const [path, route] of inferPaths) {
      this.server.register(path, (call: RawCall, callback: sendUnaryData<Buffer>) => this.begin(call, callback, route), passThrough, passThrough, 'unary');
    }
    addServices(this.server);
  }

  /** Binds the port or socket file; resolves with the address bound. Rejects with the original's texts. */
  async listen(text: string): Promise<string> {
    const address: ListenAddress = parseAddress('Serving gRPC', text);
    if (address.kind === 'unix') await removeStaleSocket(address.path);
    const failed = (error?: Error): ServingError =>
      new ServingError('UNAVAILABLE', `Serving Error: Serving gRPC server start failed, create server failed, address ${text}`, { cause: error });
    const port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync(formatAddress(address), this.credentials(), (error, bound) => (error === null ? resolve(bound) : reject(failed(error))));
    });
    if (address.kind === 'unix') this.unixPath = address.path;
    return formatAddress(address, port);
  }

  get inFlight(): number {
    return this.exchanges.size;
  }

  /** false when the token is not one of this port. */
  answer(answer: GrpcAnswer): boolean {
    const exchange = this.exchanges.get(answer.token);
    if (exchange === undefined) return false;
    this.exchanges.delete(answer.token);
    if (answer.kind === 'grpc') exchange.callback(null, asBuffer(answer.message));
    else exchange.callback({ code: answer.status, details: answer.message });
    return true;
  }

  /** Takes no new connections and calls. Resolves when the calls in hand are done. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    await this.removeSocket();
  }

  /** Ends every call now. */
  async close(): Promise<void> {
    this.server.forceShutdown();
    await this.removeSocket();
  }

  private begin(call: RawCall, callback: sendUnaryData<Buffer>, route: InferRoute): void {
    const exchange = new GrpcExchange(call, route, callback);
    const { token } = exchange;
    this.exchanges.set(token, exchange);
    call.on('cancelled', () => {
      if (this.exchanges.delete(token)) this.gather.addGone(token);
    });
    this.gather.add(exchange);
  }

  private credentials(): ServerCredentials {
    if (this.tls === undefined) return ServerCredentials.createInsecure();
    const { certificate, privateKey, customCa, verifyClient } = this.tls;
    const root = customCa === undefined ? null : Buffer.from(customCa);
    return ServerCredentials.createSsl(root, [{ cert_chain: Buffer.from(certificate), private_key: Buffer.from(privateKey) }], verifyClient === true);
  }

  private async removeSocket(): Promise<void> {
    if (this.unixPath === undefined) return;
    await rm(this.unixPath, { force: true });
    this.unixPath = undefined;
  }
}

/** grpc-js hands bytes to and from these; ours are the message itself. */
function passThrough(message: Buffer): Buffer {
  return message;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A socket file that a killed server left behind would keep the address busy for ever; one that answers is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  const refused = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (refused) await rm(path, { force: true });
}
