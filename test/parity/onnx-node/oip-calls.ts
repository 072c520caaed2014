import type { GrpcClient } from '../../support/clients.js';
import { elementsOfNumbers, numbersOfElements } from './json-elements.js';

/** A tensor as the Open Inference Protocol has it; BYTES: each element a uint32 length (little-endian) and its bytes. */
export interface OipTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** One infer call of a model. */
export interface Call {
  /** `host:port` of the REST port. */
  readonly rest: string;
  readonly grpc: GrpcClient;
  readonly model: string;
  readonly inputs: readonly OipTensor[];
}

/** The outputs in the order of the answer. */
export type Answer = readonly OipTensor[];

/** gRPC with raw contents, as tritonclient.grpc sends and reads them. Rejects with the status. */
export async function inferGrpc({ grpc, model, inputs }: Call): Promise<Answer> {
  const reply = (await grpc.call('ModelInfer', {
    model_name: model,
    inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_input_contents: inputs.map(({ bytes }) => bytes),
  })) as unknown as {
    readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly string[] }[];
    readonly raw_output_contents: readonly Buffer[];
  };
  if (reply.raw_output_contents.length !== reply.outputs.length) throw new Error(`${reply.raw_output_contents.length} raw contents`);
  return reply.outputs.map(({ name, datatype, shape }, i) => {
    return { name, datatype, shape: shape.map(Number), bytes: reply.raw_output_contents[i] as Buffer };
  });
}

interface JsonOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
  readonly parameters?: { readonly binary_data_size?: number };
}

/** REST with the binary tensor extension both ways, as tritonclient.http sends and reads it. Rejects with status and body when it is not 200. */
export async function inferRestBinary({ rest, model, inputs }: Call): Promise<Answer> {
  const head = JSON.stringify({
    inputs: inputs.map(({ name, datatype, shape, bytes }) => {
      return { name, datatype, shape, parameters: { binary_data_size: bytes.byteLength } };
    }),
    parameters: { binary_data_output: true },
  });
  const { text, body, headBytes } = await post(rest, model, Buffer.concat([Buffer.from(head), ...inputs.map(({ bytes }) => bytes)]), {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(Buffer.byteLength(head)),
  });
  let at = headBytes;
  return outputsOf(text).map(({ name, datatype, shape, parameters }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined) throw new Error(`output '${name}' is not binary`);
    const bytes = body.subarray(at, at + size);
    at += size;
    return { name, datatype, shape, bytes };
  });
}

/** REST with all elements as JSON both ways. Rejects with status and body when it is not 200. */
export async function inferRestJson({ rest, model, inputs }: Call): Promise<Answer> {
  const tensors = inputs.map(({ name, datatype, shape, bytes }) => {
    const head = JSON.stringify({ name, datatype, shape });
    return `${head.slice(0, -1)},"data":[${numbersOfElements(datatype, bytes)}]}`;
  });
  const sent = Buffer.from(`{"inputs":[${tensors.join(',')}]}`);
  const { text } = await post(rest, model, sent, { 'content-type': 'application/json' });
  // JavaScript would round such numbers
  const exact = text.replace(/([[,])(-?\d{16,})(?=[,\]])/g, '$1"$2"');
  return outputsOf(exact).map(({ name, datatype, shape, data }) => {
    if (data === undefined) throw new Error(`output '${name}' has no data`);
    return { name, datatype, shape, bytes: elementsOfNumbers(datatype, data) };
  });
}

function outputsOf(json: string): readonly JsonOutput[] {
  return (JSON.parse(json) as { readonly outputs: readonly JsonOutput[] }).outputs;
}

async function post(
  rest: string,
  model: string,
  sent: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly text: string; readonly body: Buffer; readonly headBytes: number }> {
  const response = await fetch(`http://${rest}/v2/models/${model}/infer`, { method: 'POST', body: new Uint8Array(sent), headers });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`${response.status}: ${body.toString()}`);
  const headBytes = Number(response.headers.get('inference-header-content-length') ?? body.byteLength);
  return { text: body.subarray(0, headBytes).toString(), body, headBytes };
}
