import { join } from 'node:path';
import { credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { root } from './running-process.js';

/** What a REST call gave: status and parsed JSON body. */
export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export async function post(
  rest: string,
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<RestAnswer> {
  const response = await fetch(`http://${rest}${path}`, {
    method: 'POST',
    body: body as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // not JSON: the test sees the text
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

/** The Open Inference Protocol over REST with the binary tensor extension; the input may also be JSON. */
export async function inferBinary(
  rest: string,
  model: string,
  input:
    | { name: string; datatype: string; shape: number[]; bytes: Uint8Array }
    | { name: string; datatype: string; shape: number[]; data: readonly number[] },
): Promise<Record<string, Uint8Array>> {
  const { name, datatype, shape } = input;
  const bytes = 'bytes' in input ? input.bytes : new Uint8Array(0);
  const content = 'data' in input ? { data: input.data } : { parameters: { binary_data_size: bytes.length } };
  const head = JSON.stringify({ inputs: [{ name, datatype, shape, ...content }], parameters: { binary_data_output: true } });
  const response = await fetch(`http://${rest}/v2/models/${model}/infer`, {
    method: 'POST',
    body: Buffer.concat([Buffer.from(head), bytes]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(Buffer.byteLength(head)) },
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error(`${response.status}: ${body.toString()}`);
  const headLength = Number(response.headers.get('inference-header-content-length'));
  const answer = JSON.parse(body.subarray(0, headLength).toString()) as {
    outputs: { name: string; parameters: { binary_data_size: number } }[];
  };
  const outputs: Record<string, Uint8Array> = {};
  let at = headLength;
  for (const output of answer.outputs) {
    outputs[output.name] = Uint8Array.from(body.subarray(at, at + output.parameters.binary_data_size));
    at += output.parameters.binary_data_size;
  }
  return outputs;
}

type Unary = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, reply: Record<string, unknown>) => void,
) => void;

/** A real grpc-js client of one of the two public services. */
export interface GrpcClient {
  call(method: string, request: object, options?: { deadline?: Date }, metadata?: Metadata): Promise<Record<string, unknown>>;
  close(): void;
}

const services = {
  ms: { file: 'mindspore_serving/proto/ms_service.proto', path: ['mindspore', 'serving', 'proto', 'MSService'] },
  oip: { file: 'inference/grpc_service.proto', path: ['inference', 'GRPCInferenceService'] },
} as const;

/** Clients of both services at one address. */
export class GrpcClients {
  readonly ms: GrpcClient;
  readonly oip: GrpcClient;

  /** `ca`: PEM text of the authority, for TLS. */
  constructor(address: string, ca?: string) {
    this.ms = grpcClient('ms', address, ca);
    this.oip = grpcClient('oip', address, ca);
  }

  close(): void {
    this.ms.close();
    this.oip.close();
  }
}

export function grpcClient(service: keyof typeof services, address: string, ca?: string): GrpcClient {
  const { file, path } = services[service];
  let node: unknown = loadPackageDefinition(
    loadSync(join(root, 'proto', file), { longs: String, defaults: true, bytes: Buffer, keepCase: true }),
  );
  for (const part of path) node = (node as Record<string, unknown>)[part];
  const Client = node as new (target: string, creds: unknown, options: object) => Record<string, Unary> & { close(): void };
  const secured = ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca));
  const client = new Client(address, secured, {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
  return {
    call: (method, request, options = {}, metadata = new Metadata()) =>
      new Promise((resolve, reject) => {
        (client[method] as Unary).call(client, request, metadata, options, (error, reply) => (error ? reject(error) : resolve(reply)));
      }),
    close: () => client.close(),
  };
}

/** float32 values of little-endian bytes at any offset. */
export function float32s(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
