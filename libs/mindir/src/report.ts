import type { DecryptionMode } from './container/encryption.js';
import { referenceOf } from './trace/call-graph.js';
import { knownDtypeOfMindir } from './graph/dtypes.js';
import { shapeOf } from './graph/constant.js';
import { userName, type Refusal } from './trace/tracer.js';
import type { ModelPort } from './model-port.js';
import { collective } from './ops/collective.js';
import { opTable } from './ops/index.js';
import type { MindirModel } from './proto/mindir-schema.js';

/** What a MindIR file holds, without converting it. */
export interface ModelReport {
  /** As the file has it: MindSpore. */
  readonly producer: string;
  /** Of the producer, for example 2.10.0. */
  readonly version: string;
  readonly irVersion: string;
  readonly mindIrVersion: number;
  readonly encryption: DecryptionMode | undefined;
  readonly inputs: readonly ModelPort[];
  /** Operator uses by primitive name, in all func graphs; calls of func graphs count as '<call>'. */
  readonly ops: Readonly<Record<string, number>>;
  /** Operators without translation, with the nodes that use them. Also counts code that is never reached. */
  readonly unsupported: readonly Refusal[];
  readonly functions: number;
  readonly parameters: { readonly count: number; readonly bytes: number };
  /** Things that the file asks for and that are left out, for example preprocessing. */
  readonly remarks: readonly string[];
}

/** The report of a decoded MindIR file. */
export function reportOf(model: MindirModel, encryption: DecryptionMode | undefined): ModelReport {
  const ops: Record<string, number> = {};
  const unsupported: Refusal[] = [];
  for (const graph of [model.graph, ...model.functions]) {
    for (const node of graph.nodes) {
      const reference = referenceOf(node.opType);
      const op = reference === undefined ? node.opType : (model.primitives.get(reference)?.opType ?? '<call>');
      ops[op] = (ops[op] ?? 0) + 1;
      if (op === '<call>' || op === 'Constant' || opTable.has(op)) continue;
      unsupported.push({
        op,
        node: node.name === '' ? (node.outputs[0] ?? '') : node.name,
        graph: userName(graph.name),
        reason: 'the operator is not in the op table',
      });
    }
  }
  const collectives = collective.entries.filter(({ name }) => ops[name] !== undefined).map(({ name }) => name);
  const bytes = model.graph.parameters.reduce((sum, parameter) => sum + (parameter.external?.length ?? parameter.raw?.byteLength ?? 0), 0);
  const remarks = [
    ...(model.hasPreprocessor ? ['the file holds a preprocessor (export with a dataset); it is not run'] : []),
    ...(collectives.length > 0 ? [`the file is one rank of a distributed model: it has the collectives ${collectives.join(', ')}`] : []),
    ...(model.graph.hasMapParameters ? ['the file holds MapParameters, which are not read'] : []),
  ];
  return {
    producer: model.producerName,
    version: model.modelVersion,
    irVersion: model.irVersion,
    mindIrVersion: model.mindIrVersion,
    encryption,
    inputs: inputPorts(model),
    ops,
    unsupported,
    functions: model.functions.length,
    parameters: { count: model.graph.parameters.length, bytes },
    remarks,
  };
}

/** The entry graph's inputs under their user names; a name that comes twice gets a number. */
export function inputPorts(model: MindirModel): ModelPort[] {
  const seen = new Set<string>();
  return model.graph.inputs.map((input, index) => {
    const wanted = userName(input.name) === '' ? `input_${index}` : userName(input.name);
    let name = wanted;
    for (let number = 1; seen.has(name); number++) name = `${wanted}_${number}`;
    seen.add(name);
    const [tensor] = input.tensors;
    return {
      name,
      dtype: (tensor === undefined ? undefined : knownDtypeOfMindir(tensor.dataType)) ?? 'float32',
      shape: tensor === undefined ? undefined : shapeOf(tensor.dims),
    };
  });
}
