import { GrowingWriter } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';
import { onnxNumber } from './dtypes.js';
import { isSubgraph, type OnnxAttribute, type OnnxInitializer, type OnnxNode, type OnnxPort, type OnnxSubgraph } from './onnx-graph.js';

/** IR version that models are written in. */
const onnxIrVersion = 10;
/** Version of the default operator set that models are written for. */
const onnxOpset = 21;
/** Larger weights are left out of the serialised model and given by reference. */
export const inlineBytes = 1024;
/** What stands in the model for the file of weights that are given by reference. Never opened. */
const referenceLocation = 'by-reference';

const attributeFloat = 1;
const attributeInt = 2;
const attributeString = 3;
const attributeGraph = 5;
const attributeFloats = 6;
const attributeInts = 7;

/** What an ONNX model is written from. */
export interface OnnxModelParts {
  readonly name: string;
  readonly producerVersion: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly initializers: readonly OnnxInitializer[];
}

/** Serialises an onnx.ModelProto; initializers above {@link inlineBytes} become external references without bytes. */
export function encodeOnnx(parts: OnnxModelParts): Uint8Array {
  try {
    return encoded(parts);
  } catch (thrown) {
    // A damaged file may hold reals where integers belong.
    if (thrown instanceof RangeError) throw new MindirError('format', thrown.message);
    throw thrown;
  }
}

function encoded(parts: OnnxModelParts): Uint8Array {
  const writer = new GrowingWriter();
  writer.integer(1, onnxIrVersion);
  writer.text(2, 'mserve');
  writer.text(3, parts.producerVersion);
  writer.message(7, (graph) => {
    for (const node of parts.nodes) writeNode(graph, 1, node);
    graph.text(2, parts.name);
    let offset = 0;
    for (const initializer of parts.initializers) {
      writeInitializer(graph, initializer, offset);
      offset += initializer.bytes.byteLength > inlineBytes ? initializer.bytes.byteLength : 0;
    }
    for (const input of parts.inputs) writePort(graph, 11, input);
    for (const output of parts.outputs) writePort(graph, 12, output);
  });
  writer.message(8, (opset) => {
    opset.text(1, '');
    opset.integer(2, onnxOpset);
  });
  return writer.finish();
}

function writeInitializer(graph: GrowingWriter, initializer: OnnxInitializer, offset: number): void {
  graph.message(5, (tensor) => {
    writeTensorHead(tensor, initializer);
    if (initializer.bytes.byteLength <= inlineBytes) {
      tensor.bytes(9, initializer.bytes);
      return;
    }
    for (const [key, value] of [
      ['location', referenceLocation],
      ['offset', String(offset)],
      ['length', String(initializer.bytes.byteLength)],
    ] as const) {
      tensor.message(13, (entry) => {
        entry.text(1, key);
        entry.text(2, value);
      });
    }
    tensor.integer(14, 1);
  });
}

function writeTensorHead(tensor: GrowingWriter, { name, dtype, shape }: OnnxInitializer): void {
  tensor.packedIntegers(1, shape);
  tensor.integer(2, onnxNumber(dtype));
  tensor.text(8, name);
}

function writeNode(writer: GrowingWriter, field: number, node: OnnxNode): void {
  writer.message(field, (proto) => {
    for (const input of node.inputs) proto.text(1, input);
    for (const output of node.outputs) proto.text(2, output);
    proto.text(3, node.name);
    proto.text(4, node.opType);
    for (const [name, attribute] of Object.entries(node.attributes)) writeAttribute(proto, name, attribute);
    if (node.domain !== '') proto.text(7, node.domain);
  });
}

function writeAttribute(node: GrowingWriter, name: string, attribute: OnnxAttribute): void {
  node.message(5, (proto) => {
    proto.text(1, name);
    if (typeof attribute === 'number') {
      requireInteger(name, attribute);
      proto.integer(3, attribute);
      proto.integer(20, attributeInt);
    } else if (typeof attribute === 'string') {
      proto.text(4, attribute);
      proto.integer(20, attributeString);
    } else if (isSubgraph(attribute)) {
      proto.message(6, (graph) => writeSubgraph(graph, attribute));
      proto.integer(20, attributeGraph);
    } else if ('real' in attribute) {
      proto.float(2, attribute.real);
      proto.integer(20, attributeFloat);
    } else if ('reals' in attribute) {
      proto.packedFloats(7, attribute.reals);
      proto.integer(20, attributeFloats);
    } else {
      for (const value of attribute) requireInteger(name, value);
      proto.packedIntegers(8, attribute);
      proto.integer(20, attributeInts);
    }
  });
}

/** A damaged file may hold reals where integers belong. */
function requireInteger(name: string, value: number): void {
  if (!Number.isSafeInteger(value)) throw new MindirError('format', `the attribute '${name}' is ${value}, not an integer`);
}

function writeSubgraph(graph: GrowingWriter, subgraph: OnnxSubgraph): void {
  for (const node of subgraph.nodes) writeNode(graph, 1, node);
  graph.text(2, subgraph.subgraphName);
  for (const input of subgraph.inputs) writePort(graph, 11, input);
  for (const output of subgraph.outputs) writePort(graph, 12, output);
}

function writePort(graph: GrowingWriter, field: number, port: OnnxPort): void {
  graph.message(field, (value) => {
    value.text(1, port.name);
    value.message(2, (type) => {
      type.message(1, (tensor) => {
        tensor.integer(1, onnxNumber(port.dtype));
        const { shape } = port;
        if (shape === undefined) return;
        tensor.message(2, (dims) => {
          for (const dim of shape) {
            dims.message(1, (entry) => {
              if (typeof dim === 'number') entry.integer(1, dim);
              else entry.text(2, dim);
            });
          }
        });
      });
    });
  });
}

/** Serialised size above which a protobuf cannot be read by ONNX's own libraries. */
const maxProtobufBytes = 2 ** 31 - 1;

/** Throws MindirError `limits` for a model that protobuf cannot hold. */
export function refuseOversize(bytes: number): void {
  if (bytes > maxProtobufBytes)
    throw new MindirError(
      'limits',
      `the ONNX model would have ${bytes} bytes; one file holds at most ${maxProtobufBytes}: write it with external weights`,
    );
}
