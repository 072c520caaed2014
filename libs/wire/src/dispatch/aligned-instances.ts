import { dtypeEntry } from '../dtype.js';
import { fieldSize, packedSize, ProtobufWriter, uintFieldSize, varintSize } from '../protobuf/index.js';
import { absent, type Instance, type Tensor } from '../tensor.js';
import { checkInstanceCount } from './instance-codec.js';

/** Every kind of element, and what ONNX Runtime adds up in steps of, begins at a multiple of it. */
const alignment = 64;
const tensorField = 1;
const paddingField = 2;
const zeros = new Uint8Array(alignment);

/** What is before the bytes of a tensor in its message: dtype and shape. */
function headSize({ dtype, shape }: Tensor): number {
  const size = uintFieldSize(dtypeEntry(dtype).busNumber);
  return shape.length === 0 ? size : size + fieldSize(packedSize(shape));
}

/** Size of the message of a tensor whose head has `head` bytes. */
function tensorSize(head: number, bytes: number): number {
  return head + (bytes === 0 ? 0 : fieldSize(bytes));
}

/** Size of the padding field before a tensor that would begin at `at`, so that its bytes are aligned. */
function paddingSize(at: number, head: number, bytes: number): number {
  if (bytes === 0) return 0;
  const begin = at + 1 + varintSize(tensorSize(head, bytes)) + head + 1 + varintSize(bytes);
  const missing = (alignment - (begin % alignment)) % alignment;
  // The field has two bytes at least
  return missing === 1 ? missing + alignment : missing;
}

/**
 * The same as encodeInstances, with the bytes of each tensor at a multiple of 64 from the begin, in the bytes that `place` gives for the size that it is told; undefined when it gives none.
 * RESOURCE_EXHAUSTED like encodeInstances.
 */
export function encodeInstancesInto(
  instances: readonly Instance[],
  place: (size: number) => Uint8Array | undefined,
): { readonly sizes: number[]; readonly bytes: Uint8Array } | undefined {
  checkInstanceCount(instances.length);
  const paddings: number[] = [];
  const heads: number[] = [];
  let at = 0;
  const sizes = instances.map((instance) => {
    const begin = at;
    for (const tensor of instance) {
      const bytes = tensor.bytes.byteLength;
      const head = tensor === absent ? 0 : headSize(tensor);
      const padding = paddingSize(at, head, bytes);
      heads.push(head);
      paddings.push(padding);
      at += padding + fieldSize(tensorSize(head, bytes));
    }
    return at - begin;
  });
  const bytes = place(at);
  if (bytes === undefined) return undefined;
  const writer = new ProtobufWriter(at, 0, Buffer.from(bytes.buffer, bytes.byteOffset, at));
  let index = 0;
  for (const instance of instances) {
    for (const tensor of instance) {
      writePadding(writer, paddings[index] as number);
      writeTensor(writer, tensor, heads[index++] as number);
    }
  }
  writer.finish();
  return { sizes, bytes };
}

function writePadding(writer: ProtobufWriter, size: number): void {
  if (size > 0) writer.field(paddingField, zeros.subarray(0, size - 2));
}

function writeTensor(writer: ProtobufWriter, tensor: Tensor, head: number): void {
  const { dtype, shape, bytes } = tensor;
  writer.head(tensorField, tensorSize(head, bytes.byteLength));
  if (tensor === absent) return;
  writer.uint(1, dtypeEntry(dtype).busNumber);
  if (shape.length > 0) writer.packed(2, shape, packedSize(shape));
  if (bytes.byteLength > 0) writer.field(3, bytes);
}
