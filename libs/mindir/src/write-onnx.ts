import { GrowingWriter, type Tensor } from '@mserve/wire';
import { MindirError } from './mindir-error.js';
import type { OnnxModel } from './onnx-model.js';
import { refuseOversize } from './graph/onnx-writer.js';
import { DecodeBudget, FieldReader, wireBytes } from './proto/field-reader.js';

const graphField = 7;
const initializerField = 5;
const externalField = 13;
const locationField = 14;
const rawField = 9;
const alignment = 4096;

/** An ONNX model whose weights lie in a second file beside it. */
export interface SplitOnnxModel {
  readonly model: Uint8Array;
  /** The second file, piece by piece: write `bytes` at `offset` (ascending; gaps are zeros). */
  readonly weights: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

/**
 * The model as one self-contained ONNX file. Throws MindirError 'limits' when that would pass 2 GiB, the most a protobuf
 * may have: use {@link writeSplitOnnx} then.
 */
export function writeOnnx(model: OnnxModel): Uint8Array {
  const bytes = model.initializers.reduce((sum, { tensor }) => sum + tensor.bytes.byteLength, model.model.byteLength);
  refuseOversize(bytes);
  const tensors = new Map(model.initializers.map(({ name, tensor }) => [name, tensor]));
  return rewritten(model.model, (writer, name) => {
    writer.bytes(rawField, tensorOf(tensors, name).bytes);
  });
}

/** The model with its large weights in a file of the given name (relative to the model's folder). */
export function writeSplitOnnx(model: OnnxModel, location: string): SplitOnnxModel {
  const offsets = new Map<string, number>();
  const weights: { offset: number; bytes: Uint8Array }[] = [];
  let end = 0;
  for (const { name, tensor } of model.initializers) {
    offsets.set(name, end);
    weights.push({ offset: end, bytes: tensor.bytes });
    end = Math.ceil((end + tensor.bytes.byteLength) / alignment) * alignment;
  }
  const tensors = new Map(model.initializers.map(({ name, tensor }) => [name, tensor]));
  const rewrittenModel = rewritten(model.model, (writer, name) => {
    const length = tensorOf(tensors, name).bytes.byteLength;
    for (const [key, value] of [
      ['location', location],
      ['offset', String(offsets.get(name))],
      ['length', String(length)],
    ] as const) {
      writer.message(externalField, (entry) => {
        entry.text(1, key);
        entry.text(2, value);
      });
    }
    writer.integer(locationField, 1);
  });
  return { model: rewrittenModel, weights };
}

function tensorOf(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined)
    throw new MindirError('format', `the model refers to the weight '${name}', which is not among its initializers`);
  return tensor;
}

/** Copies a serialised ModelProto; `place` writes where the bytes of each initializer are that was given by reference. */
function rewritten(model: Uint8Array, place: (writer: GrowingWriter, name: string) => void): Uint8Array {
  const writer = new GrowingWriter();
  const reader = FieldReader.over(model, new DecodeBudget(100_000_000));
  while (reader.next()) {
    if (reader.field !== graphField) {
      copyField(reader, writer);
      continue;
    }
    const graph = reader.message();
    writer.message(graphField, (target) => {
      while (graph.next()) {
        if (graph.field !== initializerField) copyField(graph, target);
        else rewriteInitializer(graph.view(), target, place);
      }
    });
  }
  return writer.finish();
}

function rewriteInitializer(bytes: Uint8Array, graph: GrowingWriter, place: (writer: GrowingWriter, name: string) => void): void {
  const reader = FieldReader.over(bytes, new DecodeBudget(1000));
  graph.message(initializerField, (tensor) => {
    let name = '';
    let external = false;
    while (reader.next()) {
      if (reader.field === externalField || reader.field === locationField) {
        external = true;
        reader.skip();
      } else if (reader.field === 8) {
        name = reader.text();
        tensor.text(8, name);
      } else copyField(reader, tensor);
    }
    if (external) place(tensor, name);
  });
}

/** Models that we wrote hold only varints and length-delimited fields at these levels. */
function copyField(reader: FieldReader, writer: GrowingWriter): void {
  if (reader.wire === wireBytes) writer.bytes(reader.field, reader.view());
  else writer.integer(reader.field, reader.integer());
}
