import { FieldScanner } from './field-scanner.js';
import { FileSource, MemorySource, type ModelSource } from './model-source.js';
import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxPort, OnnxTensor } from './onnx-model.js';

/** Contents of tensors up to here are kept. */
const keptBytes = 64 * 1024;
const keptNumbers = keptBytes / 4;
/** Deepest nesting of graphs inside nodes. */
const maxDepth = 32;

/**
 * Reads the graph of an ONNX model, from its bytes or from a file, without its weights. Takes time in proportion to the nodes, not to the file.
 * Throws ProtobufError or RangeError when the bytes are no ONNX model, and what node:fs throws.
 */
export function readOnnxModel(model: Uint8Array | string): OnnxModel {
  if (typeof model !== 'string') return readModel(new MemorySource(model));
  const file = new FileSource(model);
  try {
    return readModel(file);
  } finally {
    file.close();
  }
}

function readModel(source: ModelSource): OnnxModel {
  const opsets = new Map<string, number>();
  const functions = new Map<string, OnnxFunction>();
  let graph: OnnxGraph | undefined;
  for (const scanner = new FieldScanner(source); scanner.next();) {
    if (scanner.field === 7) graph = readGraph(scanner.inner(), 0);
    else if (scanner.field === 8) readOpset(scanner.inner(), opsets);
    else if (scanner.field === 25) readFunction(scanner.inner(), functions);
  }
  if (graph === undefined) throw new RangeError('the model has no graph');
  return { opsets, graph, functions };
}

function readOpset(scanner: FieldScanner, opsets: Map<string, number>): void {
  let domain = '';
  let version = 0;
  while (scanner.next()) {
    if (scanner.field === 1) domain = scanner.text();
    else if (scanner.field === 2) version = scanner.integer();
  }
  opsets.set(plainDomain(domain), version);
}

/** `ai.onnx` is another name of ''. */
function plainDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function readFunction(scanner: FieldScanner, functions: Map<string, OnnxFunction>): void {
  const opsets = new Map<string, number>();
  const inputs: string[] = [];
  const outputs: string[] = [];
  const nodes: OnnxNode[] = [];
  const defaults = new Map<string, OnnxAttribute>();
  let name = '';
  let domain = '';
  while (scanner.next()) {
    if (scanner.field === 1) name = scanner.text();
    else if (scanner.field === 4) inputs.push(scanner.text());
    else if (scanner.field === 5) outputs.push(scanner.text());
    else if (scanner.field === 7) nodes.push(readNode(scanner.inner(), 1));
    else if (scanner.field === 9) readOpset(scanner.inner(), opsets);
    else if (scanner.field === 10) domain = scanner.text();
    else if (scanner.field === 11) readAttribute(scanner.inner(), defaults, 1);
  }
  functions.set(`${plainDomain(domain)}:${name}`, { inputs, outputs, nodes, opsets, defaults });
}

function readGraph(scanner: FieldScanner, depth: number): OnnxGraph {
  if (depth > maxDepth) throw new RangeError(`graphs are nested deeper than ${maxDepth}`);
  const nodes: OnnxNode[] = [];
  const inputs: OnnxPort[] = [];
  const outputs: OnnxPort[] = [];
  const initializers = new Map<string, OnnxTensor>();
  const values = new Map<string, OnnxPort>();
  let name = '';
  while (scanner.next()) {
    if (scanner.field === 1) nodes.push(readNode(scanner.inner(), depth));
    else if (scanner.field === 2) name = scanner.text();
    else if (scanner.field === 5) {
      const tensor = readTensor(scanner.inner());
      initializers.set(tensor.name, tensor);
    } else if (scanner.field === 11) inputs.push(readPort(scanner.inner()));
    else if (scanner.field === 12) outputs.push(readPort(scanner.inner()));
    else if (scanner.field === 13) {
      const port = readPort(scanner.inner());
      values.set(port.name, port);
    } else if (scanner.field === 15) {
      const tensor = readSparse(scanner.inner());
      initializers.set(tensor.name, tensor);
    }
  }
  return { name, nodes, inputs, outputs, initializers, values };
}

function readNode(scanner: FieldScanner, depth: number): OnnxNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, OnnxAttribute>();
  let op = '';
  let domain = '';
  let name = '';
  while (scanner.next()) {
    if (scanner.field === 1) inputs.push(scanner.text());
    else if (scanner.field === 2) outputs.push(scanner.text());
    else if (scanner.field === 3) name = scanner.text();
    else if (scanner.field === 4) op = scanner.text();
    else if (scanner.field === 5) readAttribute(scanner.inner(), attributes, depth);
    else if (scanner.field === 7) domain = plainDomain(scanner.text());
  }
  return { op, domain, name, inputs, outputs, attributes };
}

function readAttribute(scanner: FieldScanner, attributes: Map<string, OnnxAttribute>, depth: number): void {
  let name = '';
  const ints: number[] = [];
  const floats: number[] = [];
  const rest: { -readonly [Key in keyof OnnxAttribute]?: OnnxAttribute[Key] } = {};
  let textCount = 0;
  let textBytes = 0;
  const texts: string[] = [];
  while (scanner.next()) {
    if (scanner.field === 1) name = scanner.text();
    else if (scanner.field === 2) rest.float = scanner.float();
    else if (scanner.field === 3) rest.int = scanner.integer();
    else if (scanner.field === 4) rest.text = scanner.length > keptBytes ? '' : scanner.text();
    else if (scanner.field === 5) rest.tensor = readTensor(scanner.inner());
    else if (scanner.field === 6) rest.graph = readGraph(scanner.inner(), depth + 1);
    else if (scanner.field === 7) scanner.floatsInto(floats, keptNumbers);
    else if (scanner.field === 8) scanner.integersInto(ints, keptNumbers);
    else if (scanner.field === 9) {
      textCount++;
      textBytes += scanner.length;
      if (textBytes <= keptBytes) texts.push(scanner.text());
    } else if (scanner.field === 21) rest.reference = scanner.text();
    else if (scanner.field === 22) rest.tensor = readSparse(scanner.inner());
  }
  attributes.set(name, { ...rest, ints, floats, textCount, texts });
}

function readTensor(scanner: FieldScanner): OnnxTensor {
  const dims: number[] = [];
  const numbers: number[] = [];
  let type = 0;
  let name = '';
  let bytes: Uint8Array | undefined;
  while (scanner.next()) {
    if (scanner.field === 1) scanner.integersInto(dims, 64);
    else if (scanner.field === 2) type = scanner.integer();
    else if (scanner.field === 4) scanner.floatsInto(numbers, keptNumbers);
    else if (scanner.field === 5 || scanner.field === 7 || scanner.field === 11) scanner.integersInto(numbers, keptNumbers);
    else if (scanner.field === 10) scanner.floatsInto(numbers, keptNumbers, 8);
    else if (scanner.field === 8) name = scanner.text();
    else if (scanner.field === 9 && scanner.length <= keptBytes) bytes = scanner.bytes();
  }
  return { name, type, dims, ...(bytes && { bytes }), ...(numbers.length > 0 && { numbers }) };
}

/** Only name, type and dims: nobody asks what a sparse tensor holds. */
function readSparse(scanner: FieldScanner): OnnxTensor {
  const dims: number[] = [];
  let values: OnnxTensor | undefined;
  while (scanner.next()) {
    if (scanner.field === 1) values = readTensor(scanner.inner());
    else if (scanner.field === 3) scanner.integersInto(dims, 64);
  }
  return { name: values?.name ?? '', type: values?.type ?? 0, dims };
}

function readPort(scanner: FieldScanner): OnnxPort {
  let name = '';
  let port: Omit<OnnxPort, 'name'> = { type: 0, dims: undefined };
  while (scanner.next()) {
    if (scanner.field === 1) name = scanner.text();
    else if (scanner.field === 2) {
      const type = scanner.inner();
      while (type.next()) if (type.field === 1) port = readTensorType(type.inner());
    }
  }
  return { name, ...port };
}

function readTensorType(scanner: FieldScanner): Omit<OnnxPort, 'name'> {
  let type = 0;
  let dims: (number | string)[] | undefined;
  while (scanner.next()) {
    if (scanner.field === 1) type = scanner.integer();
    else if (scanner.field === 2) {
      dims = [];
      const shape = scanner.inner();
      while (shape.next()) if (shape.field === 1) dims.push(readDim(shape.inner()));
    }
  }
  return { type, dims };
}

function readDim(scanner: FieldScanner): number | string {
  let dim: number | string = '';
  while (scanner.next()) {
    if (scanner.field === 1) dim = scanner.integer();
    else if (scanner.field === 2) dim = scanner.text();
  }
  // Some exporters write -1 or 0 for "any".
  return typeof dim === 'number' && dim < 0 ? '' : dim;
}
