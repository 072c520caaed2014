import { credentials, makeClientConstructor, type Client, type ServiceError } from '@grpc/grpc-js';
import { LocalTensorStore, MemoryExchange, type ServableStatus, type TensorStore } from '@mserve/bus';
import type { Gateway } from '../gateway.js';
import { GatewayModule } from '../gateway.module.js';
import { protocolsToken } from '../infer/infer-path.js';
import { runGateway } from '../start-gateway.js';
import type { GatewayOptions } from '../gateway-options.js';
import { createLog } from '@mserve/app';
import { FakeScheduler, method, servable } from './fake-scheduler.js';
import { plainProtocols } from './plain-protocols.js';

export const defaultServables: readonly ServableStatus[] = [servable('kit', [method('echo'), method('other')])];

export interface RigOptions extends GatewayOptions {
  /** Speak the real protocols; default: plain ones. */
  readonly publicProtocols?: boolean;
  /** Default: local tensors. */
  readonly store?: TensorStore;
}

/** A gateway with both ports open, and a fake scheduler, on one MemoryExchange. */
export class GatewayRig {
  private constructor(
    readonly exchange: MemoryExchange,
    readonly scheduler: FakeScheduler,
    readonly gateway: Gateway,
    /** See RunningGateway. */
    readonly close: (graceMs?: number) => Promise<number>,
    private readonly closeBus: () => Promise<void>,
  ) {}

  static async start(
    { publicProtocols = false, store = new LocalTensorStore(), ...options }: RigOptions = {},
    servables = defaultServables,
  ): Promise<GatewayRig> {
    const exchange = new MemoryExchange();
    const bus = exchange.connect('gateway');
    const scheduler = new FakeScheduler(exchange, servables, 5);
    const log = options.log ?? createLog('silent', 'gateway');
    const module = GatewayModule.register({
      bus,
      store,
      options: { restAddress: '127.0.0.1:0', grpcAddress: '127.0.0.1:0', drainDelayMs: 0, ...options },
      log,
    });
    if (!publicProtocols) module.providers?.push({ provide: protocolsToken, useValue: plainProtocols });
    const { gateway, close } = await runGateway(bus, module, log);
    scheduler.start();
    if (servables.length > 0) await gateway.whenReady();
    return new GatewayRig(exchange, scheduler, gateway, close, () => bus.close());
  }

  get url(): string {
    return `http://${this.gateway.restAddress}`;
  }

  post(body: string, headers: Record<string, string> = {}, path = '/model/kit:echo'): Promise<Response> {
    return fetch(`${this.url}${path}`, { method: 'POST', body, headers });
  }

  /** Resolves when nothing is in hand: answers are written out a moment after clients have read them. */
  async idle(): Promise<void> {
    while (this.gateway.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async stop(): Promise<void> {
    await this.close(0);
    await this.scheduler.stop();
    await this.closeBus();
  }
}

/** A client of the raw infer rpc: bytes in, bytes out. */
export const RawClient = makeClientConstructor(
  {
    Predict: {
      path: '/mindspore.serving.proto.MSService/Predict',
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  'MSService',
);

export interface RawCall {
  cancel(): void;
  readonly done: Promise<string>;
}

/** Rejects with grpc-js' ServiceError. */
export function predict(client: Client, body: string | Buffer, options: { deadline?: Date } = {}): RawCall {
  const pass = (bytes: Buffer): Buffer => bytes;
  let cancel = (): void => undefined;
  const done = new Promise<string>((resolve, reject) => {
    const call = client.makeUnaryRequest(
      '/mindspore.serving.proto.MSService/Predict',
      pass,
      pass,
      Buffer.from(body),
      options,
      (error: ServiceError | null, reply?: Buffer) => {
        if (error === null) resolve(String(reply));
        else reject(error);
      },
    );
    cancel = () => call.cancel();
  });
  return { cancel: () => cancel(), done };
}

export function rawClient(address: string): Client {
  return new RawClient(address, credentials.createInsecure());
}
