import { collectiveDomain } from './collective.js';
import { isSubgraph, type OnnxAttribute, type OnnxInitializer, type OnnxNode, type OnnxSubgraph } from './onnx-graph.js';

/** The nodes and initializers that the outputs need, in their order. Also inside branches and loop bodies. Collectives stay: other ranks wait in them. */
export function prune(
  nodes: readonly OnnxNode[],
  initializers: readonly OnnxInitializer[],
  outputs: readonly string[],
): { nodes: OnnxNode[]; initializers: OnnxInitializer[] } {
  const needed = new Set(outputs);
  const kept = pruneScope(nodes, needed);
  return { nodes: kept, initializers: initializers.filter(({ name }) => needed.has(name)) };
}

/** Walks a scope backwards; adds what its nodes use, of any scope, to `needed`. */
function pruneScope(nodes: readonly OnnxNode[], needed: Set<string>): OnnxNode[] {
  const kept: OnnxNode[] = [];
  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index] as OnnxNode;
    if (node.domain !== collectiveDomain && !node.outputs.some((output) => needed.has(output))) continue;
    for (const input of node.inputs) if (input !== '') needed.add(input);
    kept.push(hasSubgraph(node) ? { ...node, attributes: prunedAttributes(node.attributes, needed) } : node);
  }
  return kept.reverse();
}

function hasSubgraph(node: OnnxNode): boolean {
  return node.opType === 'If' || node.opType === 'Loop';
}

function prunedAttributes(attributes: Readonly<Record<string, OnnxAttribute>>, needed: Set<string>): Record<string, OnnxAttribute> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, attribute]) => [name, isSubgraph(attribute) ? prunedSubgraph(attribute, needed) : attribute]),
  );
}

function prunedSubgraph(subgraph: OnnxSubgraph, needed: Set<string>): OnnxSubgraph {
  for (const output of subgraph.outputs) needed.add(output.name);
  return { ...subgraph, nodes: pruneScope(subgraph.nodes, needed) };
}
