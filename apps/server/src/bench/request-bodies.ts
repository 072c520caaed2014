import { dtypeEntry, GrowingWriter, isVariableSize, unpackElements, type Tensor } from '@mserve/wire';

/** The protocols that a load may speak; docs/protocols.md. */
export const benchProtocols = ['oip-rest', 'oip-grpc', 'ms-rest', 'ms-grpc'] as const;
export type BenchProtocol = (typeof benchProtocols)[number];

/** What is called. */
export interface Target {
  readonly servable: string;
  readonly method: string;
  /** undefined = the latest. */
  readonly version: number | undefined;
  readonly isBatched: boolean;
}

/** One request as it is sent again and again. */
export interface RequestBody {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Inputs by name, of one instance. */
export type NamedTensors = ReadonlyMap<string, Tensor>;

/** The tensors of all instances by name, stacked along a new first dim where the method is batched. */
function stacked({ isBatched }: Target, instances: readonly NamedTensors[]): [name: string, tensor: Tensor][] {
  return [...(instances[0] ?? new Map<string, Tensor>())].map(([name, first]) => {
    const tensors = instances.flatMap((instance) => instance.get(name) ?? []);
    const shape = isBatched
      ? [instances.length, ...first.shape]
      : first.shape.length === 0 && isVariableSize(first.dtype)
        ? [1]
        : first.shape;
    return [name, { dtype: first.dtype, shape, bytes: Buffer.concat(tensors.map(({ bytes }) => bytes)) }];
  });
}

function oipRest(target: Target, instances: readonly NamedTensors[]): RequestBody {
  const tensors = stacked(target, instances);
  const head = Buffer.from(
    JSON.stringify({
      inputs: tensors.map(([name, { dtype, shape, bytes }]) => ({
        name,
        datatype: dtypeEntry(dtype).oipName,
        shape,
        parameters: { binary_data_size: bytes.length },
      })),
      parameters: { binary_data_output: true },
    }),
  );
  const version = target.version === undefined ? '' : `/versions/${target.version}`;
  return {
    path: `/v2/models/${encodeURIComponent(`${target.servable}.${target.method}`)}${version}/infer`,
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
    body: Buffer.concat([head, ...tensors.map(([, { bytes }]) => bytes)]),
  };
}

function msValue(tensor: Tensor): unknown {
  if (tensor.dtype === 'string') return unpackElements(tensor).map((text) => Buffer.from(text).toString())[0];
  const bytes = isVariableSize(tensor.dtype) ? (unpackElements(tensor)[0] ?? new Uint8Array()) : tensor.bytes;
  const b64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return isVariableSize(tensor.dtype) ? { b64 } : { b64, type: tensor.dtype, shape: tensor.shape };
}

function msRest({ servable, method, version }: Target, instances: readonly NamedTensors[]): RequestBody {
  const values = instances.map((instance) => Object.fromEntries([...instance].map(([name, tensor]) => [name, msValue(tensor)])));
  return {
    path: `/model/${encodeURIComponent(servable)}${version === undefined ? '' : `/version/${version}`}:${encodeURIComponent(method)}`,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ instances: values })),
  };
}

/** The five bytes before a gRPC message: not compressed, its length. */
function framed(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

const grpcHeaders = { 'content-type': 'application/grpc', te: 'trailers' };

function oipGrpc(target: Target, instances: readonly NamedTensors[]): RequestBody {
  const writer = new GrowingWriter();
  const tensors = stacked(target, instances);
  writer.text(1, `${target.servable}.${target.method}`);
  if (target.version !== undefined) writer.text(2, String(target.version));
  for (const [name, { dtype, shape }] of tensors)
    writer.message(5, (input) => {
      input.text(1, name);
      input.text(2, dtypeEntry(dtype).oipName);
      input.packedIntegers(3, shape);
    });
  for (const [, { bytes }] of tensors) writer.bytes(7, bytes);
  return { path: '/inference.GRPCInferenceService/ModelInfer', headers: grpcHeaders, body: framed(writer.finish()) };
}

function msGrpc({ servable, method, version }: Target, instances: readonly NamedTensors[]): RequestBody {
  const writer = new GrowingWriter();
  writer.message(1, (spec) => {
    spec.text(1, servable);
    spec.text(2, method);
    if (version !== undefined) spec.integer(3, version);
  });
  for (const instance of instances)
    writer.message(2, (items) => {
      for (const [name, tensor] of instance)
        items.message(1, (entry) => {
          entry.text(1, name);
          entry.message(2, (value) => {
            value.message(1, (shape) => shape.packedIntegers(1, tensor.shape));
            value.integer(2, dtypeEntry(tensor.dtype).msNumber ?? 0);
            if (isVariableSize(tensor.dtype)) for (const element of unpackElements(tensor)) value.bytes(4, element);
            else value.bytes(3, tensor.bytes);
          });
        });
    });
  return { path: '/mindspore.serving.proto.MSService/Predict', headers: grpcHeaders, body: framed(writer.finish()) };
}

const encoders: Readonly<Record<BenchProtocol, (target: Target, instances: readonly NamedTensors[]) => RequestBody>> = {
  'oip-rest': oipRest,
  'oip-grpc': oipGrpc,
  'ms-rest': msRest,
  'ms-grpc': msGrpc,
};

/** A request of a protocol for these instances; of a method that is not batched, the Open Inference Protocol takes one. */
export function requestBody(protocol: BenchProtocol, target: Target, instances: readonly NamedTensors[]): RequestBody {
  return encoders[protocol](target, instances);
}
