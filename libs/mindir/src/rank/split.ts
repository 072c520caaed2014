import { MindirError } from '../mindir-error.js';
import type { NamedTensor } from '../onnx-model.js';
import { collectiveDomain, type CollectiveMark } from '../graph/collective.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { isSubgraph, type OnnxInitializer, type OnnxNode, type OnnxPort, type OnnxSubgraph } from '../graph/onnx-graph.js';
import { encodeOnnx, inlineBytes } from '../graph/onnx-writer.js';
import { elementAt } from '../graph/sequence.js';
import { prune } from '../graph/prune.js';
import type { TensorValue } from '../graph/value.js';
import type { CollectiveStep, OneTensor, RankProgram, RankValue, SegmentStep } from './rank-program.js';

/** Cuts the traced graph of a rank at its collectives. `inputs`: of the graph; `results`: what the graph returns. Throws MindirError 'unsupported' for collectives in control flow. */
export function splitAtCollectives(
  builder: GraphBuilder,
  inputs: readonly TensorValue[],
  results: readonly TensorValue[],
  producerVersion: string,
): RankProgram {
  const { nodes, initializers } = prune(
    builder.scope,
    builder.initializers,
    results.map(({ name }) => name),
  );
  refuseInControlFlow(builder, nodes);
  return new Splitter(builder, inputs, nodes, initializers, results, producerVersion).program();
}

function refuseInControlFlow(builder: GraphBuilder, nodes: readonly OnnxNode[]): void {
  const inside = nodes.flatMap((node) => subgraphsOf(node).flatMap(collectivesInside));
  if (inside.length === 0) return;
  const named = inside.slice(0, 20).map((name) => {
    const scheduled = builder.collectives.get(name)?.scheduled;
    return `${scheduled?.op} (node '${scheduled?.node}')`;
  });
  throw new MindirError(
    'unsupported',
    `collectives inside an if or a loop have no translation, since ranks could disagree on them: ${named.join(', ')}`,
  );
}

function collectivesInside(graph: OnnxSubgraph): string[] {
  return graph.nodes.flatMap((node) => (node.domain === collectiveDomain ? [node.name] : subgraphsOf(node).flatMap(collectivesInside)));
}

function subgraphsOf(node: OnnxNode): OnnxSubgraph[] {
  return Object.values(node.attributes).filter(isSubgraph);
}

/** All names that a node mentions, in any scope. */
function usesOf(node: OnnxNode): string[] {
  return [
    ...node.inputs,
    ...subgraphsOf(node).flatMap((graph) => [...graph.nodes.flatMap(usesOf), ...graph.outputs.map(({ name }) => name)]),
  ];
}

/** The nodes between two collectives. */
interface Part {
  readonly nodes: OnnxNode[];
  readonly made: ReadonlySet<string>;
  readonly uses: ReadonlySet<string>;
}

class Splitter {
  private readonly initializers: ReadonlyMap<string, OnnxInitializer>;
  /** Inputs and results of nodes of the main graph, by name. */
  private readonly values: ReadonlyMap<string, TensorValue>;
  private readonly parts: (Part | CollectiveMark)[] = [];

  constructor(
    builder: GraphBuilder,
    private readonly inputs: readonly TensorValue[],
    nodes: readonly OnnxNode[],
    initializers: readonly OnnxInitializer[],
    private readonly results: readonly TensorValue[],
    private readonly producerVersion: string,
  ) {
    this.initializers = new Map(initializers.map((initializer) => [initializer.name, initializer]));
    const made = nodes.flatMap((node) => node.outputs.flatMap((name) => builder.results.get(name) ?? []));
    this.values = new Map([...inputs, ...made].map((value) => [value.name, value]));
    let between: OnnxNode[] = [];
    for (const node of nodes) {
      const mark = node.domain === collectiveDomain ? builder.collectives.get(node.name) : undefined;
      if (mark === undefined) between.push(node);
      else {
        this.close(between);
        this.parts.push(mark);
        between = [];
      }
    }
    this.close(between);
  }

  program(): RankProgram {
    // Backwards: what a part must give is what later ones use.
    const needed = new Set(this.results.map(({ name }) => name));
    const steps: (SegmentStep | CollectiveStep)[] = [];
    for (const [at, part] of [...this.parts.entries()].reverse()) {
      if ('scheduled' in part) {
        steps.push(collectiveStep(part));
        for (const input of part.inputs) needed.add(input.name);
      } else {
        steps.push(this.segment(part, needed, at));
        for (const name of part.uses) needed.add(name);
      }
    }
    const direct = this.parts.flatMap((part) => ('scheduled' in part ? part.inputs : []));
    return {
      inputs: this.inputs.filter(({ name }) => needed.has(name)).map(rankValue),
      constants: this.constantsAmong([...direct, ...this.results].map(({ name }) => name)),
      steps: steps.reverse(),
      results: this.results.map(({ name }) => name),
    };
  }

  private close(nodes: OnnxNode[]): void {
    if (nodes.length === 0) return;
    const made = new Set(nodes.flatMap((node) => node.outputs));
    this.parts.push({ nodes, made, uses: new Set(nodes.flatMap(usesOf)) });
  }

  private segment({ nodes, made, uses }: Part, needed: ReadonlySet<string>, at: number): SegmentStep {
    const taken = [...uses].flatMap((name) => (made.has(name) ? [] : (this.values.get(name) ?? [])));
    const given = [...made].flatMap((name) => (needed.has(name) ? (this.values.get(name) ?? []) : []));
    const initializers = [...uses].flatMap((name) => this.initializers.get(name) ?? []);
    const model = encodeOnnx({
      name: `segment_${at}`,
      producerVersion: this.producerVersion,
      nodes,
      inputs: taken.map(onnxPort),
      outputs: given.map(onnxPort),
      initializers,
    });
    return {
      kind: 'segment',
      model,
      initializers: initializers.filter(({ bytes }) => bytes.byteLength > inlineBytes).map(namedTensor),
      inputs: taken.map(({ name }) => name),
      outputs: given.map(({ name }) => name),
    };
  }

  private constantsAmong(names: readonly string[]): NamedTensor[] {
    return [...new Set(names)].flatMap((name) => {
      const initializer = this.initializers.get(name);
      return initializer === undefined ? [] : [namedTensor(initializer)];
    });
  }
}

function namedTensor({ name, dtype, shape, bytes }: OnnxInitializer): NamedTensor {
  return { name, tensor: { dtype, shape, bytes } };
}

function onnxPort({ name, dtype, shape }: TensorValue): OnnxPort {
  return { name, dtype, shape: shape?.map((dim, axis) => (dim === -1 ? `${name}_dim${axis}` : dim)) };
}

function rankValue({ name, dtype, shape }: TensorValue): RankValue {
  return { name, dtype, shape: shape ?? [] };
}

function collectiveStep({ scheduled, inputs, outputs }: CollectiveMark): CollectiveStep {
  const { group } = scheduled;
  const many = { group, inputs: inputs.map(({ name }) => name), outputs: outputs.map(rankValue) };
  switch (scheduled.op) {
    case 'AllReduce':
      return { kind: 'allReduce', ...oneTensor(many), reduction: scheduled.reduction };
    case 'ReduceScatter':
      return { kind: 'reduceScatter', ...oneTensor(many), reduction: scheduled.reduction };
    case 'AllGather':
      return { kind: 'allGather', ...oneTensor(many) };
    case 'AlltoAll':
      return { kind: 'allToAll', ...oneTensor(many), splitAxis: scheduled.splitAxis, concatAxis: scheduled.concatAxis };
    case 'Broadcast':
      return { kind: 'broadcast', ...many, root: scheduled.root };
    case 'NeighborExchange':
      return { kind: 'neighborExchange', ...many, sendTo: scheduled.sendTo, receiveFrom: scheduled.receiveFrom };
    case 'Send':
      return { kind: 'send', group, to: scheduled.to, tag: scheduled.tag, input: elementAt(many.inputs, 0) };
    case 'Receive':
      return { kind: 'receive', group, from: scheduled.from, tag: scheduled.tag, output: elementAt(many.outputs, 0) };
  }
}

interface ManyTensors {
  readonly group: readonly number[];
  readonly inputs: readonly string[];
  readonly outputs: readonly RankValue[];
}

function oneTensor({ group, inputs, outputs }: ManyTensors): OneTensor {
  return { group, input: elementAt(inputs, 0), output: elementAt(outputs, 0) };
}
