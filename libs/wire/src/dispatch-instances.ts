import { dtypeEntry, dtypeOfBusNumber, isVariableSize, type DType } from './dtype.js';
import { DispatchReader, malformed } from './dispatch-reader.js';
import { DispatchWriter, delimitedSize, measurePacked, remember, reserve, startMeasuring, uintSize } from './dispatch-writer.js';
import { ServingError } from './serving-error.js';
import { elementCount, maxRank, type Instance, type Tensor } from './tensor.js';

/** Instances that one ticket may carry over the bus. */
export const maxTicketInstances = 1 << 20;

/** Messages, results and tensors that one list may hold, all together: what garbage can make a reader allocate. */
export const maxListEntries = 1 << 20;

/** Counts what a list makes its reader allocate. */
export class EntryBudget {
  private left = maxListEntries;

  /** INVALID_ARGUMENT beyond {@link maxListEntries}. */
  take(): void {
    if (this.left-- <= 0) malformed(`more than ${maxListEntries} entries in one list`);
  }
}

/**
 * Instances as they travel inline or held: mserve.bus.v1.Instance messages one after the other, and the size of each.
 * RESOURCE_EXHAUSTED beyond {@link maxTicketInstances}.
 */
export function encodeInstances(instances: readonly Instance[]): { readonly sizes: number[]; readonly bytes: Uint8Array } {
  if (instances.length > maxTicketInstances) {
    throw new ServingError('RESOURCE_EXHAUSTED', `${instances.length} instances in one request, at most ${maxTicketInstances} are allowed`);
  }
  startMeasuring();
  let total = 0;
  const sizes = instances.map((instance) => {
    const size = measureInstance(instance);
    total += size;
    return size;
  });
  const writer = new DispatchWriter(total);
  for (const instance of instances) writeInstance(writer, instance);
  return { sizes, bytes: writer.finish() };
}

/**
 * The instances in such bytes; tensors are views on them. INVALID_ARGUMENT when the sizes do not add up to the bytes, for malformed
 * bytes, and for a tensor whose bytes do not fit its dtype and shape.
 */
export function decodeInstances(sizes: readonly number[], bytes: Uint8Array): Instance[] {
  const reader = new DispatchReader(bytes);
  const budget = new EntryBudget();
  const instances: Instance[] = [];
  for (let i = 0; i < sizes.length; i++) {
    budget.take();
    const outer = reader.openBytes(sizes[i] as number);
    instances.push(readInstance(reader, budget));
    reader.close(outer);
  }
  if (reader.more) malformed('there are bytes after the last instance');
  return instances;
}

export function measureInstance(instance: Instance): number {
  let size = 0;
  for (let i = 0; i < instance.length; i++) {
    const tensor = instance[i] as Tensor;
    const place = reserve();
    const bytes = tensor.bytes.byteLength;
    const contents = uintSize(dtypeEntry(tensor.dtype).busNumber) + measurePacked(tensor.shape) + (bytes === 0 ? 0 : delimitedSize(bytes));
    size += delimitedSize(remember(place, contents));
  }
  return size;
}

export function writeInstance(writer: DispatchWriter, instance: Instance): void {
  for (let i = 0; i < instance.length; i++) {
    const tensor = instance[i] as Tensor;
    writer.open(1);
    writer.uint(1, dtypeEntry(tensor.dtype).busNumber);
    writer.packed(2, tensor.shape);
    if (tensor.bytes.byteLength !== 0) writer.bytes(3, tensor.bytes);
  }
}

/** The fields of an Instance message that is open. */
export function readInstance(reader: DispatchReader, budget: EntryBudget): Instance {
  const tensors: Tensor[] = [];
  while (reader.more) {
    const tag = reader.tag();
    if (tag !== 10) {
      reader.skip(tag);
      continue;
    }
    budget.take();
    const outer = reader.open();
    tensors.push(readTensor(reader));
    reader.close(outer);
  }
  return tensors;
}

const noBytes = new Uint8Array(0);

function readTensor(reader: DispatchReader): Tensor {
  let number = 0;
  const shape: number[] = [];
  let bytes: Uint8Array = noBytes;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 8) number = reader.uint32();
    else if (tag === 16 || tag === 18) reader.repeated(tag, shape, maxRank);
    else if (tag === 26) bytes = reader.bytes();
    else reader.skip(tag);
  }
  const entry = dtypeOfBusNumber(number);
  if (entry === undefined) return malformed(`dtype ${number} is not known`);
  checkTensorBytes(entry.dtype, entry.elementBytes, shape, bytes);
  return { dtype: entry.dtype, shape, bytes };
}

function checkTensorBytes(dtype: DType, elementBytes: number, shape: readonly number[], bytes: Uint8Array): void {
  const count = elementCount(shape);
  if (!isVariableSize(dtype)) {
    if (count * elementBytes !== bytes.byteLength)
      malformed(`a ${dtype} tensor of shape [${shape.join(', ')}] has ${bytes.byteLength} bytes`);
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
    malformed(`the elements of a ${dtype} tensor of shape [${shape.join(', ')}] do not fill its bytes`);
}
