import { loadPackageDefinition, type Client, type GrpcObject, type ServiceClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoDirectory } from '@mserve/gateway';
import { dtypeEntry, dtypeTable, elementCount, isVariableSize, ServingError, type Tensor } from '@mserve/wire';

/** Messages of ms_distributed.proto as @grpc/proto-loader gives and takes them. 64-bit integers come as strings. */

export interface ErrorMsg {
  readonly error_code: string | number;
  readonly error_msg: Uint8Array;
}

export interface TensorInfo {
  readonly shape: { readonly dims: readonly (string | number)[] } | null;
  readonly dtype: number;
}

export interface AgentSpec {
  readonly rank_id: string | number;
  readonly batch_size: string | number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

export interface AgentRegisterRequest {
  readonly agent_spec: readonly AgentSpec[];
  readonly address: string;
}

export interface AgentExitRequest {
  readonly address?: string;
  readonly agent_ip?: string;
}

export interface TensorMessage extends TensorInfo {
  readonly data: Uint8Array;
}

export interface PredictReply {
  readonly outputs: readonly TensorMessage[];
  readonly error_msg: ErrorMsg | null;
}

/** What is asked of an agent. */
export interface AgentRequests {
  readonly Predict: { readonly inputs: readonly TensorMessage[]; readonly return_result: boolean; readonly subgraph: number };
  readonly Exit: { readonly address: string };
  readonly Ping: { readonly address: string };
  readonly Pong: { readonly address: string };
}

export interface AgentReplies {
  readonly Predict: PredictReply;
  readonly Exit: object;
  readonly Ping: object;
  readonly Pong: object;
}

const maxMessageBytes = 512 * 1024 * 1024;

/** Sizes of messages as the original has them. */
export const channelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
};

/** The two services between worker and agents. */
export interface OriginalServices {
  readonly worker: ServiceClientConstructor;
  readonly agent: ServiceClientConstructor;
}

/** Reads the definitions of the services. Throws Error when the .proto file is missing from this installation. */
export function loadOriginalServices(): OriginalServices {
  const options = { keepCase: true, longs: String, defaults: true, oneofs: true, includeDirs: [protoDirectory()] };
  let node: GrpcObject = loadPackageDefinition(loadSync('mindspore_serving/proto/ms_distributed.proto', options));
  for (const part of ['mindspore', 'serving', 'proto']) node = node[part] as GrpcObject;
  return { worker: node['MSDistributedWorker'] as ServiceClientConstructor, agent: node['MSAgent'] as ServiceClientConstructor };
}

/** Calls an agent. Rejects with the ServiceError of grpc-js. */
export function callAgent<Name extends keyof AgentRequests>(
  client: Client,
  name: Name,
  request: AgentRequests[Name],
  deadlineMs: number,
): Promise<AgentReplies[Name]> {
  type Call = (
    request: object,
    options: { deadline: number },
    done: (error: ServiceError | null, reply: AgentReplies[Name]) => void,
  ) => void;
  const call = (client as unknown as Record<string, Call>)[name] as Call;
  return new Promise((resolve, reject) => {
    call.call(client, request, { deadline: Date.now() + deadlineMs }, (error, reply) => (error === null ? resolve(reply) : reject(error)));
  });
}

/** dtype and shape that a message tells. Throws ServingError INVALID_ARGUMENT for a dtype that ranks do not exchange. */
export function portOf({ dtype: number, shape }: TensorInfo): Omit<Tensor, 'bytes'> {
  const dtype = dtypeTable.find(({ msNumber }) => msNumber === number)?.dtype;
  if (dtype === undefined || isVariableSize(dtype))
    throw new ServingError('INVALID_ARGUMENT', `a tensor has dtype number ${number}, which ranks do not exchange`);
  return { dtype, shape: (shape?.dims ?? []).map(Number) };
}

/** A tensor of an agent's reply. Throws ServingError INVALID_ARGUMENT when its bytes are not as many as dtype and shape say. */
export function tensorOf(message: TensorMessage): Tensor {
  const { dtype, shape } = portOf(message);
  const bytes = new Uint8Array(message.data);
  if (bytes.byteLength !== elementCount(shape) * dtypeEntry(dtype).elementBytes)
    throw new ServingError('INVALID_ARGUMENT', `a tensor ${dtype}[${shape.join(', ')}] has ${bytes.byteLength} bytes`);
  return { dtype, shape, bytes };
}

/** A tensor for an agent. Throws ServingError INVALID_ARGUMENT for a dtype that the original does not have. */
export function messageOf({ dtype, shape, bytes }: Tensor): TensorMessage {
  const { msNumber } = dtypeEntry(dtype);
  if (msNumber === undefined || isVariableSize(dtype))
    throw new ServingError('INVALID_ARGUMENT', `agents of MindSpore Serving take no ${dtype} tensors`);
  return { dtype: msNumber, shape: { dims: shape }, data: bytes };
}
