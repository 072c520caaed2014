import { MindirError } from '../mindir-error.js';
import { Untranslatable, OpCall, toTensor } from '../ops/op-call.js';
import { opTable } from '../ops/index.js';
import type { MindirAttribute, MindirGraph, MindirModel, MindirNode } from '../proto/mindir-schema.js';
import { CallGraph, referenceOf } from './call-graph.js';
import { annotationOf, valueOfAttribute, type Annotation } from '../graph/constant.js';
import { ControlFlow } from './control-flow.js';
import type { GraphTrace } from './graph-trace.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { RaiseReached } from '../graph/raise.js';
import { Memory } from './memory.js';
import { mergeShapes } from '../graph/shapes.js';
import { flatten, tupleOf, type TensorValue, type Value } from '../graph/value.js';

/** One use of an operator that has no translation. */
export interface Refusal {
  readonly op: string;
  readonly node: string;
  readonly graph: string;
  readonly reason: string;
}

/** Calls inside calls. MindSpore nests one func graph per `if`; the limit keeps the JavaScript stack safe. */
const maxCallDepth = 400;
/** Nodes visited: inlining may double them per call level, which a hostile file could use. Grows with the file. */
const baseVisits = 100_000;
const visitsPerNode = 200;

type Environment = Map<string, Value>;

/**
 * Runs the model's func graphs on symbolic values and so emits ONNX nodes: calls are inlined, tuples, closures and
 * Python arithmetic exist only here. Operators without a translation are collected in {@link refusals}; the trace goes on
 * with a placeholder, so that one pass finds them all.
 */
export class Tracer implements GraphTrace {
  readonly calls: CallGraph;
  private readonly graphs = new Map<string, MindirGraph>();
  private readonly constants = new Map<string, MindirNode>();
  private readonly constantValues = new Map<string, Value>();
  private readonly primitiveAttributes = new Map<string, ReadonlyMap<string, Value>>();
  private readonly environments: Environment[] = [];
  readonly memory: Memory;
  private readonly control: ControlFlow;
  private readonly refused = new Map<string, Refusal>();
  private visits = 0;
  private readonly maxVisits: number;
  private graphName = '';

  constructor(
    private readonly model: MindirModel,
    readonly builder: GraphBuilder,
    private readonly parameters: ReadonlyMap<string, TensorValue>,
  ) {
    const nodes = [model.graph, ...model.functions].reduce((sum, graph) => sum + graph.nodes.length, 0);
    this.maxVisits = baseVisits + visitsPerNode * nodes;
    this.calls = new CallGraph(model);
    this.control = new ControlFlow(this);
    this.memory = new Memory(new Set([...parameters.values()].map(({ name }) => name)));
    for (const graph of [model.graph, ...model.functions]) {
      this.graphs.set(graph.name, graph);
      // Names of constants are unique in the file; a graph may use a constant that another one defines.
      for (const node of graph.nodes)
        if (node.opType === 'Constant' && node.outputs[0] !== undefined) this.constants.set(node.outputs[0], node);
    }
  }

  get refusals(): Refusal[] {
    return [...this.refused.values()];
  }

  /** The outputs of the entry graph for these inputs, flattened depth first. */
  run(inputs: readonly Value[]): TensorValue[] {
    try {
      const result = this.callGraph(this.model.graph.name, inputs);
      return flatten(result).map((leaf) => toTensor(this.builder, leaf));
    } catch (thrown) {
      if (thrown instanceof RaiseReached) throw new MindirError('unsupported', 'the model raises an exception for every input');
      if (thrown instanceof Untranslatable)
        throw new MindirError('unsupported', `an output of the model has no translation: ${thrown.message}`);
      if (thrown instanceof RangeError && /call stack/i.test(thrown.message))
        throw new MindirError('limits', 'func graphs are nested too deeply');
      throw thrown;
    }
  }

  /** Calls a callable value. */
  call(callee: Value, args: readonly Value[]): Value {
    switch (callee.kind) {
      case 'function':
        return this.callGraph(callee.graph, args);
      case 'partial':
        return this.call(callee.callee, [...callee.args, ...args]);
      case 'switch':
        return this.control.branch(callee, args);
      default:
        throw new Untranslatable(`calls a ${callee.kind}, which is not a function`);
    }
  }

  private callGraph(name: string, args: readonly Value[]): Value {
    if (this.control.isActiveHeader(name)) return { kind: 'tail', selector: undefined, targets: [{ header: name, values: args }] };
    if (this.calls.isRecursive(name, this.control.activeHeaders)) return this.control.loop(name, args);
    return this.traceGraph(name, args);
  }

  /** Inlines one func graph. */
  traceGraph(name: string, args: readonly Value[]): Value {
    const graph = this.graphs.get(name);
    if (graph === undefined) throw new MindirError('format', `func graph '${name}' is called but not defined`);
    if (this.environments.length >= maxCallDepth) throw new MindirError('limits', `func graphs are nested more than ${maxCallDepth} deep`);
    const environment: Environment = new Map();
    graph.inputs.forEach((input, index) => {
      const value = args[index];
      if (value === undefined)
        throw new MindirError(
          'format',
          `func graph '${name}' is called with ${args.length} arguments, it has ${graph.inputs.length} inputs`,
        );
      environment.set(input.name, value);
    });
    const outerName = this.graphName;
    this.environments.push(environment);
    this.graphName = name;
    try {
      for (const node of graph.nodes) this.traceNode(node, environment);
      const outputs = graph.outputs.map((output) => this.lookUp(output.name));
      return outputs.length === 1 ? (outputs[0] as Value) : tupleOf(outputs);
    } finally {
      this.environments.pop();
      this.graphName = outerName;
    }
  }

  private traceNode(node: MindirNode, environment: Environment): void {
    const output = node.outputs[0];
    if (node.opType === 'Constant' || output === undefined) return;
    if (++this.visits > this.maxVisits)
      throw new MindirError('limits', `the model needs more than ${this.maxVisits} operator uses after inlining`);
    const annotation = this.annotation(node);
    environment.set(output, this.evaluate(node, annotation));
  }

  private annotation(node: MindirNode): Annotation | undefined {
    const shape = node.attributes.find((attribute) => attribute.name === 'shape');
    return shape === undefined ? undefined : annotationOf(shape);
  }

  private evaluate(node: MindirNode, annotation: Annotation | undefined): Value {
    const inputs = node.inputs.map((name) => this.lookUp(name));
    const name = referenceOf(node.opType);
    try {
      if (name === undefined) return this.apply(node.opType, inputs, this.nodeAttributes(node), annotation, node.name);
      const primitive = this.model.primitives.get(name);
      if (primitive !== undefined)
        return this.apply(primitive.opType, inputs, this.attributesOfPrimitive(name, primitive.attributes), annotation, node.name);
      if (this.graphs.has(name)) return this.callGraph(name, inputs);
      return this.call(this.lookUp(name), inputs);
    } catch (thrown) {
      if (!(thrown instanceof Untranslatable)) throw thrown;
      return this.refuse(node, thrown.message, annotation);
    }
  }

  private apply(
    opType: string,
    inputs: readonly Value[],
    attributes: ReadonlyMap<string, Value>,
    annotation: Annotation | undefined,
    nodeName: string,
  ): Value {
    const entry = opTable.get(opType);
    if (entry === undefined) throw new Untranslatable('the operator is not in the op table');
    if (opType === 'Load' && inputs[0] !== undefined) return this.memory.read(inputs[0]);
    const operands = entry.inPlace === true && inputs[0] !== undefined ? [this.memory.read(inputs[0]), ...inputs.slice(1)] : inputs;
    const result = entry.emit(new OpCall(this.builder, opType, entry.args, operands, attributes, annotation, nodeName));
    if (entry.inPlace === true && inputs[0] !== undefined && result.kind === 'tensor') {
      const target = operands[0] as Value;
      return this.memory.write(inputs[0], target.kind === 'tensor' ? this.builder.cast(result, target.dtype) : result);
    }
    return annotation === undefined || entry.structural ? result : this.conform(result, annotation);
  }

  /** Gives results the dtype that the file announces (kernels of ONNX may differ: int64 indices) and adds what it knows of shapes. */
  private conform(value: Value, annotation: Annotation): Value {
    if (value.kind === 'tuple') {
      if (!Array.isArray(annotation) || annotation.length !== value.items.length) return value;
      return tupleOf(value.items.map((item, index) => this.conform(item, annotation[index] as Annotation)));
    }
    if (value.kind !== 'tensor' || Array.isArray(annotation)) return value;
    const leaf = annotation as Exclude<Annotation, readonly Annotation[]>;
    const tensor = leaf.dtype === undefined ? value : this.builder.cast(value, leaf.dtype);
    return { ...tensor, shape: mergeShapes(tensor.shape, leaf.shape) };
  }

  /** Notes an operator without translation and stands in for its result. */
  private refuse(node: MindirNode, reason: string, annotation: Annotation | undefined): Value {
    const reference = referenceOf(node.opType);
    const op = reference === undefined ? node.opType : (this.model.primitives.get(reference)?.opType ?? 'call');
    const key = `${op} ${node.name} ${node.outputs[0] ?? ''}`;
    if (!this.refused.has(key)) {
      this.refused.set(key, { op, node: node.name === '' ? (node.outputs[0] ?? '') : node.name, graph: userName(this.graphName), reason });
    }
    return this.placeholder(annotation);
  }

  /** Drops all refusals but the first `kept`: they came from a trace that was thrown away. */
  forgetRefusals(kept: number): void {
    for (const key of [...this.refused.keys()].slice(kept)) this.refused.delete(key);
  }

  private placeholder(annotation: Annotation | undefined): Value {
    if (Array.isArray(annotation)) return tupleOf(annotation.map((leaf: Annotation) => this.placeholder(leaf)));
    const leaf = annotation as Exclude<Annotation, readonly Annotation[]> | undefined;
    return { kind: 'tensor', name: this.builder.uniqueName('untranslated'), dtype: leaf?.dtype ?? 'float32', shape: leaf?.shape };
  }

  private lookUp(name: string): Value {
    const own = this.environments[this.environments.length - 1]?.get(name);
    if (own !== undefined) return own;
    const parameter = this.parameters.get(name);
    if (parameter !== undefined) return parameter;
    const constant = this.constants.get(name);
    if (constant !== undefined) return this.constantValue(name, constant);
    if (this.graphs.has(name)) return { kind: 'function', graph: name };
    // A free variable of an enclosing graph.
    for (let index = this.environments.length - 2; index >= 0; index--) {
      const outer = this.environments[index]?.get(name);
      if (outer !== undefined) return outer;
    }
    throw new MindirError(
      'format',
      `graph '${userName(this.graphName)}' uses the value '${name.slice(0, 120)}', which nothing defines before it (a cycle or a damaged file)`,
    );
  }

  private constantValue(name: string, node: MindirNode): Value {
    let value = this.constantValues.get(name);
    if (value === undefined) {
      const attribute = node.attributes.find((candidate) => candidate.name === 'value') ?? node.attributes[0];
      if (attribute === undefined) throw new MindirError('format', `constant '${name}' has no value`);
      value = valueOfAttribute(attribute, this.builder);
      this.constantValues.set(name, value);
    }
    return value;
  }

  private attributesOfPrimitive(name: string, attributes: readonly MindirAttribute[]): ReadonlyMap<string, Value> {
    let values = this.primitiveAttributes.get(name);
    if (values === undefined) {
      values = new Map(attributes.map((attribute) => [attribute.name, valueOfAttribute(attribute, this.builder)]));
      this.primitiveAttributes.set(name, values);
    }
    return values;
  }

  private nodeAttributes(node: MindirNode): ReadonlyMap<string, Value> {
    const own = node.attributes.filter(({ name }) => name !== 'shape' && name !== 'value');
    return new Map(own.map((attribute) => [attribute.name, valueOfAttribute(attribute, this.builder)]));
  }
}

/** The part of a run-dependent name (`70_1_nets_LeNet5_construct_15:x`) that its author chose. */
export function userName(name: string): string {
  const colon = name.indexOf(':');
  return colon < 0 || colon === name.length - 1 ? name : name.slice(colon + 1);
}
