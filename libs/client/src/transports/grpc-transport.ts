import { Client, connectivityState, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { ServingError } from '@mserve/wire';
import { oipProto } from '@mserve/wire/gen';
import { describedByMetadata, readyModelsOf, type MethodDescription } from '../description.js';
import type { ConnectionOptions } from '../options.js';
import { instanceOutputs, modelName, oipInputs } from '../stacked.js';
import { abortedError, codeOfGrpcStatus } from '../status.js';
import { NotBegun, type InferCall, type InferResult, type ReadyModel, type Transport } from '../transport.js';
import { readyModels } from './ready-models.js';

/** How messages of a rpc are written and read. */
interface Codec<M> {
  encode(message: M): { finish(): Uint8Array };
  decode(bytes: Uint8Array): M;
}

const service = '/inference.GRPCInferenceService/';
const longestTimerMs = 2 ** 31 - 1;
const channelOptions = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

/** The Open Inference Protocol over gRPC, with raw contents. */
export class GrpcTransport implements Transport {
  private readonly client: Client;

  /** `target` as gRPC has it: `host:port` or `unix:path`. */
  constructor(
    target: string,
    isTls: boolean,
    private readonly options: ConnectionOptions,
  ) {
    const { ca, certificate, privateKey } = options.tls ?? {};
    const asBuffer = (pem: string | Buffer | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
    const secured = isTls ? credentials.createSsl(asBuffer(ca), asBuffer(privateKey), asBuffer(certificate)) : credentials.createInsecure();
    this.client = new Client(target, secured, channelOptions);
  }

  async describe(servable: string, method: string, version: number | undefined, signal: AbortSignal): Promise<MethodDescription> {
    const wanted = { name: modelName(servable, method), version: version === undefined ? '' : String(version) };
    const deadlineMs = Infinity;
    const [metadata, { config }] = await Promise.all([
      this.call('ModelMetadata', oipProto.ModelMetadataRequest, oipProto.ModelMetadataResponse, wanted, {}, deadlineMs, signal),
      this.call('ModelConfig', oipProto.ModelConfigRequest, oipProto.ModelConfigResponse, wanted, {}, deadlineMs, signal),
    ]);
    return describedByMetadata(servable, method, withNumbers(metadata), (config?.maxBatchSize ?? 0) > 0);
  }

  async list(signal: AbortSignal): Promise<readonly ReadyModel[]> {
    const request = { repositoryName: '', ready: true };
    const { models } = await this.call(
      'RepositoryIndex',
      oipProto.RepositoryIndexRequest,
      oipProto.RepositoryIndexResponse,
      request,
      {},
      Infinity,
      signal,
    );
    return readyModels(readyModelsOf(models));
  }

  async infer({ description, version, inputs, requestId, traceparent, tracestate, timeoutMs, signal }: InferCall): Promise<InferResult> {
    const tensors = oipInputs(description, inputs);
    const request: oipProto.ModelInferRequest = {
      modelName: modelName(description.servable, description.method),
      modelVersion: version === undefined ? '' : String(version),
      id: '',
      parameters: {},
      inputs: tensors.map(({ name, datatype, shape }) => ({
        name,
        datatype,
        shape: shape.map(BigInt),
        parameters: {},
        contents: undefined,
      })),
      outputs: [],
      rawInputContents: tensors.map(({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
    };
    const headers = {
      ...(requestId !== undefined && { 'x-request-id': requestId }),
      ...(traceparent !== undefined && { traceparent }),
      ...(tracestate !== undefined && { tracestate }),
    };
    const answer = await this.call(
      'ModelInfer',
      oipProto.ModelInferRequest,
      oipProto.ModelInferResponse,
      request,
      headers,
      timeoutMs,
      signal,
    );
    const raw = answer.rawOutputContents;
    if (raw.length !== answer.outputs.length) throw new ServingError('INTERNAL', "the server's answer has no raw contents");
    const outputs = answer.outputs.map(({ name, datatype, shape }, i) => ({
      name,
      datatype,
      shape: shape.map(Number),
      bytes: raw[i] ?? new Uint8Array(),
    }));
    return { version: Number(answer.modelVersion), outputs: instanceOutputs(description, outputs) };
  }

  async close(): Promise<void> {
    this.client.close();
    return Promise.resolve();
  }

  private async call<Q, A>(
    rpc: string,
    question: Codec<Q>,
    answer: Codec<A>,
    request: Q,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<A> {
    const deadline = timeoutMs === Infinity ? Infinity : new Date(Date.now() + Math.max(1, timeoutMs));
    await this.connected(deadline, signal);
    const { token, headers: always = {} } = this.options;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries({ ...always, ...headers })) metadata.set(name, value);
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    return new Promise<A>((resolve, reject) => {
      const call = this.client.makeUnaryRequest(
        service + rpc,
        (message: Q) => Buffer.from(question.encode(message).finish()),
        (bytes: Buffer) => answer.decode(bytes),
        request,
        metadata,
        { deadline },
        (error, message) => {
          signal.removeEventListener('abort', leave);
          if (error === null && message !== undefined) resolve(message);
          else reject(signal.aborted ? abortedError(signal) : callError(error));
        },
      );
      const leave = (): void => call.cancel();
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  /** Resolves when there is a connection. NotBegun where one attempt to make it has failed. */
  private async connected(deadline: Date | number, signal: AbortSignal): Promise<void> {
    // A channel without calls keeps no process running
    const held = setInterval(() => undefined, longestTimerMs);
    try {
      await this.connection(deadline, signal);
    } finally {
      clearInterval(held);
    }
  }

  private connection(deadline: Date | number, signal: AbortSignal): Promise<void> {
    const channel = this.client.getChannel();
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (signal.aborted) return reject(abortedError(signal));
        const state = channel.getConnectivityState(true);
        if (state === connectivityState.READY) return resolve();
        if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) {
          // The channel tries again by itself, the caller after a pause
          return reject(new NotBegun(new ServingError('UNAVAILABLE', `the server at ${channel.getTarget()} cannot be reached`), undefined));
        }
        channel.watchConnectivityState(channel.getConnectivityState(false), deadline, (error) => {
          if (error === undefined) look();
          else reject(signal.aborted ? abortedError(signal) : new ServingError('DEADLINE_EXCEEDED', 'the server was not reached in time'));
        });
      };
      signal.addEventListener('abort', () => reject(abortedError(signal)), { once: true });
      look();
    });
  }
}

/** Dims of the metadata as JSON has them. */
function withNumbers(metadata: oipProto.ModelMetadataResponse): unknown {
  const plain = (tensors: oipProto.ModelMetadataResponse['inputs']): unknown[] =>
    tensors.map((one) => ({ ...one, shape: one.shape.map(Number) }));
  return { ...metadata, inputs: plain(metadata.inputs), outputs: plain(metadata.outputs) };
}

/** What the server itself says comes with the request's id; other failures are the connection's. */
function callError(error: ServiceError | null): Error {
  if (error === null) return new ServingError('INTERNAL', 'the call ended without an answer');
  const failure = new ServingError(codeOfGrpcStatus(error.code), error.details, { cause: error });
  const isServers = error.metadata.get('x-request-id').length > 0;
  return isServers && error.code === status.UNAVAILABLE ? new NotBegun(failure, undefined) : failure;
}
