import { GrowingWriter } from '@mserve/wire';
import { attributeType } from '../proto/mindir-schema.js';

/** Small MindIR files for tests, written field by field. */
export interface FileGraph {
  readonly name: string;
  readonly inputs?: readonly (readonly [name: string, dims: readonly number[]])[];
  /** [output, op_type, inputs...]; an op_type without REF:: prefix is used as it is. */
  readonly nodes: readonly (readonly [output: string, opType: string, ...inputs: string[]])[];
  readonly output: string;
  readonly parameters?: readonly FileParameter[];
}

export interface FileParameter {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType?: number;
  readonly raw?: Uint8Array;
  readonly location?: string;
  readonly length?: number;
}

/** A primitive that nodes refer to as `REF::<name>:0`. */
export interface FilePrimitive {
  readonly name: string;
  readonly opType: string;
  readonly attributes: Readonly<Record<string, string | number | readonly number[]>>;
}

/** A file of mind_ir_version 3 with float32 inputs; the first graph is the entry. */
export function mindirFile(graphs: readonly FileGraph[], primitives: readonly (string | FilePrimitive)[] = []): Uint8Array {
  const writer = new GrowingWriter();
  writer.text(1, '1.1');
  writer.text(2, 'MindSpore');
  writer.text(5, '2.10.0');
  graphs.forEach((graph, index) => writer.message(index === 0 ? 7 : 8, (proto) => writeGraph(proto, graph)));
  writer.integer(10, 1);
  for (const primitive of primitives) {
    const { name, opType, attributes } = typeof primitive === 'string' ? { name: primitive, opType: primitive, attributes: {} } : primitive;
    writer.message(12, (proto) => {
      proto.text(1, `${name}:0`);
      proto.text(2, opType);
      for (const [attribute, value] of Object.entries(attributes)) proto.message(3, (inner) => writeAttribute(inner, attribute, value));
    });
  }
  writer.integer(13, 3);
  return writer.finish();
}

function writeAttribute(writer: GrowingWriter, name: string, value: string | number | readonly number[]): void {
  writer.text(1, name);
  if (typeof value === 'string') {
    writer.text(5, value);
    writer.integer(16, attributeType.string);
  } else if (typeof value === 'number') {
    writer.integer(3, value);
    writer.integer(16, attributeType.int64);
  } else {
    writer.integer(16, attributeType.tuple);
    for (const element of value) writer.message(17, (inner) => writeAttribute(inner, '', element));
  }
}

function writeGraph(writer: GrowingWriter, graph: FileGraph): void {
  for (const [output, opType, ...inputs] of graph.nodes) {
    writer.message(1, (node) => {
      for (const input of inputs) node.text(1, input);
      node.text(2, output);
      node.text(3, output);
      node.text(4, opType);
      node.text(7, `Default/${output}`);
    });
  }
  writer.text(2, graph.name);
  for (const parameter of graph.parameters ?? []) writer.message(3, (tensor) => writeParameter(tensor, parameter));
  for (const [name, dims] of graph.inputs ?? []) {
    writer.message(5, (input) => {
      input.text(1, name);
      input.message(2, (tensor) => {
        for (const dim of dims) tensor.integer(1, dim);
        tensor.integer(2, 1);
      });
    });
  }
  writer.message(6, (output) => output.text(1, graph.output));
}

function writeParameter(writer: GrowingWriter, { name, dims, dataType, raw, location, length }: FileParameter): void {
  for (const dim of dims) writer.integer(1, dim);
  writer.integer(2, dataType ?? 1);
  writer.text(7, name);
  if (raw !== undefined) writer.bytes(9, raw);
  if (location !== undefined) {
    writer.message(12, (external) => {
      external.text(1, location);
      external.integer(2, 64);
      external.integer(3, length ?? 0);
    });
  }
  writer.text(13, name);
}
