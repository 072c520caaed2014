import type { MindirGraph, MindirModel } from '../proto/mindir-schema.js';

const reference = 'REF::';

/** The func graph, primitive or value that a node refers to (`REF::<name>`); undefined for a plain operator. */
export function referenceOf(opType: string): string | undefined {
  return opType.startsWith(reference) ? opType.slice(reference.length) : undefined;
}

/** Which func graph mentions which: by a direct call, or as a value (operand of Partial or Switch), which may be called later. */
export class CallGraph {
  private readonly mentions = new Map<string, readonly string[]>();

  constructor(model: MindirModel) {
    const graphs = [model.graph, ...model.functions];
    const names = new Set(graphs.map((graph) => graph.name));
    for (const graph of graphs) this.mentions.set(graph.name, mentionsOf(graph, names));
  }

  /** Whether `graph` can come to call itself without passing through one of the `excluded` graphs. */
  isRecursive(graph: string, excluded: readonly string[]): boolean {
    const seen = new Set<string>(excluded);
    const waiting = [...(this.mentions.get(graph) ?? [])];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (next === graph) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      waiting.push(...(this.mentions.get(next) ?? []));
    }
    return false;
  }
}

function mentionsOf(graph: MindirGraph, names: ReadonlySet<string>): string[] {
  const mentioned = new Set<string>();
  for (const node of graph.nodes) {
    for (const name of [referenceOf(node.opType), ...node.inputs]) if (name !== undefined && names.has(name)) mentioned.add(name);
  }
  for (const output of graph.outputs) if (names.has(output.name)) mentioned.add(output.name);
  return [...mentioned];
}
