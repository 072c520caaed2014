import { dtypeEntry, dtypeOfBusNumber, isVariableSize, type DType } from '../dtype.js';
import { fieldSize, uintFieldSize, type ProtobufReader } from '../protobuf/index.js';
import { ServingError } from '../serving-error.js';
import { absent, elementCount, maxRank, type Instance, type Tensor } from '../tensor.js';
import { Decoding } from './decoding.js';
import { Encoding } from './encoding.js';
import type { MessageCodec } from './message-codec.js';

/** Instances that one ticket may carry over the bus. */
export const maxTicketInstances = 1 << 20;

/** RESOURCE_EXHAUSTED for more instances than a ticket may carry. */
export function checkInstanceCount(count: number): void {
  if (count <= maxTicketInstances) return;
  throw new ServingError('RESOURCE_EXHAUSTED', `${count} instances in one request, at most ${maxTicketInstances} are allowed`);
}

/**
 * Instances as they travel inline or held: mserve.bus.v1.Instance messages one after the other, and the size of each.
 * RESOURCE_EXHAUSTED beyond {@link maxTicketInstances}.
 */
export function encodeInstances(instances: readonly Instance[]): { readonly sizes: number[]; readonly bytes: Uint8Array } {
  checkInstanceCount(instances.length);
  const out = new Encoding();
  let total = 0;
  const sizes = instances.map((instance) => {
    const size = instanceCodec.measure(instance, out);
    total += size;
    return size;
  });
  out.begin(total);
  for (const instance of instances) instanceCodec.write(instance, out);
  return { sizes, bytes: out.finish() };
}

/**
 * The instances in such bytes; tensors are views on them. INVALID_ARGUMENT when the sizes do not add up to the bytes, for malformed
 * bytes, and for a tensor whose bytes do not fit its dtype and shape.
 */
export function decodeInstances(sizes: readonly number[], bytes: Uint8Array): Instance[] {
  const from = new Decoding(bytes);
  const { reader } = from;
  const instances: Instance[] = [];
  for (let i = 0; i < sizes.length; i++) {
    from.countEntry();
    const outer = reader.openBytes(sizes[i] as number);
    instances.push(instanceCodec.read(from));
    reader.close(outer);
  }
  if (reader.more) throw reader.fault('there are bytes after the last instance');
  return instances;
}

/** Writes and reads Instance of proto/mserve/bus/v1/dispatch.proto. */
export const instanceCodec: MessageCodec<Instance> = {
  measure(instance, out) {
    let size = 0;
    for (let i = 0; i < instance.length; i++) {
      const tensor = instance[i] as Tensor;
      const place = out.reserve();
      if (tensor === absent) {
        size += fieldSize(out.remember(place, 0));
        continue;
      }
      const bytes = tensor.bytes.byteLength;
      const head = uintFieldSize(dtypeEntry(tensor.dtype).busNumber) + out.measurePacked(tensor.shape);
      size += fieldSize(out.remember(place, head + (bytes === 0 ? 0 : fieldSize(bytes))));
    }
    return size;
  },
  write(instance, out) {
    const { writer } = out;
    for (let i = 0; i < instance.length; i++) {
      const tensor = instance[i] as Tensor;
      out.open(1);
      if (tensor === absent) continue;
      writer.uint(1, dtypeEntry(tensor.dtype).busNumber);
      out.writePacked(2, tensor.shape);
      if (tensor.bytes.byteLength !== 0) writer.field(3, tensor.bytes);
    }
  },
  read(from) {
    const { reader } = from;
    const tensors: Tensor[] = [];
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === 10) {
        from.countEntry();
        const outer = reader.open();
        tensors.push(readTensor(reader));
        reader.close(outer);
      } else reader.skip(tag);
    }
    return tensors;
  },
};

const noBytes = new Uint8Array(0);

function readTensor(reader: ProtobufReader): Tensor {
  let number = 0;
  const shape: number[] = [];
  let bytes: Uint8Array = noBytes;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 8) number = reader.uint32();
    else if (tag === 16 || tag === 18) reader.uints(tag, shape, maxRank);
    else if (tag === 26) bytes = reader.view();
    else reader.skip(tag);
  }
  // No dtype and nothing else: an input that was left out
  if (number === 0 && shape.length === 0 && bytes.byteLength === 0) return absent;
  const entry = dtypeOfBusNumber(number);
  if (entry === undefined) throw reader.fault(`dtype ${number} is not known`);
  checkTensorBytes(reader, entry.dtype, entry.elementBytes, shape, bytes);
  return { dtype: entry.dtype, shape, bytes };
}

function checkTensorBytes(reader: ProtobufReader, dtype: DType, elementBytes: number, shape: readonly number[], bytes: Uint8Array): void {
  const count = elementCount(shape);
  if (!isVariableSize(dtype)) {
    if (count * elementBytes !== bytes.byteLength)
      throw reader.fault(`a ${dtype} tensor of shape [${shape.join(', ')}] has ${bytes.byteLength} bytes`);
    return;
  }
  let at = 0;
  let found = 0;
  while (at + 4 <= bytes.byteLength && found < count) {
    const length =
      ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)) +
      (bytes[at + 3] as number) * 0x1000000;
    at += 4 + length;
    found++;
  }
  if (found !== count || at !== bytes.byteLength)
    throw reader.fault(`the elements of a ${dtype} tensor of shape [${shape.join(', ')}] do not fill its bytes`);
}
