import type { OnnxFunction, OnnxGraph, OnnxModel, OnnxNode } from '../model/onnx-model.js';
import { opRules } from '../ops/index.js';
import { controlRule } from './control-flow.js';
import { Dim } from '../facts/dim.js';
import {
  constantFact,
  isRowNumbers,
  isSameAlong,
  isSameLayout,
  literalFact,
  plainRows,
  rowFact,
  type Fact,
  type Rows,
} from '../facts/fact.js';
import { ProofFault, type Fault } from '../facts/fault.js';
import { OpCall } from '../facts/op-call.js';
import { isFault, Scope, type Known } from './scope.js';

/** Deepest nesting of functions that the file defines. */
const maxDepth = 32;

/** Of a constant, looked at as rows. */
const mostLayouts = 4;

/** Walks graphs node by node and works out what is known of every value. */
export class Walk {
  constructor(
    private readonly model: OnnxModel,
    readonly rowCount: Dim,
  ) {}

  /** Fills `scope` with the values of these nodes, which are in an order in which they can run (ONNX demands it). */
  nodes(nodes: readonly OnnxNode[], scope: Scope, opsets = this.model.opsets, depth = 0): void {
    for (const node of nodes) {
      const known = this.node(node, scope, opsets, depth);
      node.outputs.forEach((name, i) => name !== '' && scope.set(name, known[i] ?? known[known.length - 1] ?? constantFact(undefined)));
    }
  }

  /** The outputs of a graph inside a node, given its inputs. */
  graph(graph: OnnxGraph, inputs: readonly Known[], outer: Scope, depth: number): Known[] {
    const scope = new Scope(graph, outer);
    graph.inputs.forEach(({ name }, i) => scope.set(name, inputs[i] ?? constantFact(undefined)));
    this.nodes(graph.nodes, scope, this.model.opsets, depth + 1);
    return graph.outputs.map(({ name }) => scope.get(name) ?? constantFact(undefined));
  }

  private node(node: OnnxNode, scope: Scope, opsets: ReadonlyMap<string, number>, depth: number): readonly Known[] {
    const inputs: (Fact | undefined)[] = [];
    let fault: Fault | undefined;
    for (const name of node.inputs) {
      const known = name === '' ? undefined : (scope.get(name) ?? undeclared(node, name));
      if (known !== undefined && isFault(known)) fault = worse(fault, known);
      else inputs.push(known && this.asRowNumbers(known));
    }
    if (fault !== undefined) return [fault];
    const isConstant = inputs.every((fact) => fact === undefined || (fact.rows === undefined && fact.counts !== true));
    const isCounted = !isConstant && inputs.every((fact) => fact?.rows === undefined);
    try {
      const call = new OpCall(node, opsets.get(node.domain) ?? 1, inputs, this.rowCount);
      const known = this.rule(call, scope, opsets, depth);
      return isConstant && !hasGraphs(node) ? this.withSameness(call, known, scope, opsets, depth) : known;
    } catch (thrown) {
      if (!(thrown instanceof ProofFault)) throw thrown;
      // From what is the same for all comes what is the same for all, whatever the operator
      if ((!isConstant && !isCounted) || thrown.always) return [thrown.fault];
      // ... but the graphs inside a node see more than its inputs
      if (hasGraphs(node)) return [thrown.fault];
      return node.outputs.map((name) => ({ ...constantFact(scope.declaredShape(name)), ...(isCounted && { counts: true }) }));
    }
  }

  /**
   * Fixed batches bring constants with an entry for each row, all alike (zeros to begin with, positions). Where such entries go, and whether they
   * stay alike, is the same question as where rows go.
   */
  private withSameness(
    call: OpCall,
    known: readonly Known[],
    scope: Scope,
    opsets: ReadonlyMap<string, number>,
    depth: number,
  ): readonly Known[] {
    if (this.rowCount.value === undefined || this.rowCount.is(1)) return known;
    const found = known.map((): Rows[] => []);
    for (const [i, fact] of call.inputs.entries()) {
      for (const layout of fact === undefined ? [] : this.layoutsOfSame(fact)) {
        const asRows = rowFact(fact?.shape as readonly Dim[], layout);
        const inputs = call.inputs.map((other, k) => (k === i ? asRows : other));
        for (const [k, outcome] of this.attempt(new OpCall(call.node, call.opset, inputs, this.rowCount), scope, opsets, depth).entries()) {
          if (!isFault(outcome) && outcome.rows !== undefined) found[k]?.push(outcome.rows);
        }
      }
    }
    return known.map((outcome, k) => {
      const layouts = found[k] as Rows[];
      return isFault(outcome) || layouts.length === 0 ? outcome : { ...outcome, same: [...(outcome.same ?? []), ...layouts] };
    });
  }

  /** Where rows could be in a constant so that each holds the same. */
  private layoutsOfSame(fact: Fact): Rows[] {
    const layouts = (fact.same ?? []).filter(({ dim, outer, inner }) => fact.shape?.[dim]?.equals(outer.times(this.rowCount).times(inner)));
    for (const [dim, extent] of fact.shape?.entries() ?? []) {
      const plain = plainRows(dim);
      if (extent.equals(this.rowCount) && isSameAlong(fact, dim) && !layouts.some((layout) => isSameLayout(layout, plain)))
        layouts.push(plain);
    }
    return layouts.slice(0, mostLayouts);
  }

  private asRowNumbers(fact: Fact): Fact {
    if (fact.rows !== undefined || this.rowCount.value === undefined || !isRowNumbers(fact, this.rowCount.value)) return fact;
    return rowFact(fact.shape as readonly Dim[], plainRows(0), 'all');
  }

  private attempt(call: OpCall, scope: Scope, opsets: ReadonlyMap<string, number>, depth: number): readonly Known[] {
    try {
      return this.rule(call, scope, opsets, depth);
    } catch (thrown) {
      if (thrown instanceof ProofFault) return [];
      throw thrown;
    }
  }

  private rule(call: OpCall, scope: Scope, opsets: ReadonlyMap<string, number>, depth: number): readonly Known[] {
    const { node } = call;
    const key = node.domain === '' ? node.op : `${node.domain}:${node.op}`;
    if (key === 'Constant') return [constantOf(call)];
    const control = controlRule(key);
    if (control !== undefined) return control(call, (graph, inputs) => this.graph(graph, inputs, scope, depth));
    const own = this.model.functions.get(`${node.domain}:${node.op}`);
    if (own !== undefined) return this.functionBody(own, call, opsets, depth);
    const rule = Object.hasOwn(opRules, key) ? opRules[key] : undefined;
    if (rule === undefined) return call.unknown('is not an operator whose effect on rows is known');
    const outcome = rule(call);
    return Array.isArray(outcome) ? (outcome as readonly Known[]) : [outcome as Fact];
  }

  private functionBody(body: OnnxFunction, call: OpCall, opsets: ReadonlyMap<string, number>, depth: number): readonly Known[] {
    if (depth >= maxDepth) return call.unknown('is defined by itself');
    const scope = new Scope({ initializers: new Map(), values: new Map() });
    body.inputs.forEach((name, i) => {
      const fact = call.inputs[i];
      if (fact !== undefined) scope.set(name, fact);
    });
    const nodes = body.nodes.map((node) => resolved(node, body, call));
    const given = new Set(body.inputs.filter((_, i) => call.inputs[i] !== undefined));
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const named = nodes.map((node) => ({ ...node, inputs: node.inputs.map((name) => (given.has(name) || made.has(name) ? name : '')) }));
    this.nodes(named, scope, new Map([...opsets, ...body.opsets]), depth + 1);
    return body.outputs.map((name) => scope.get(name) ?? constantFact(undefined));
  }
}

function undeclared(node: OnnxNode, name: string): Fault {
  return { outcome: 'unknown', op: node.op, node: node.name, reason: `takes '${name}', which nothing gives`, sequence: false };
}

/** Mixed says more than unknown. */
export function worse(a: Fault | undefined, b: Fault): Fault {
  return a === undefined || (a.outcome === 'unknown' && b.outcome === 'mixed') ? b : a;
}

function hasGraphs(node: OnnxNode): boolean {
  for (const { graph } of node.attributes.values()) if (graph !== undefined) return true;
  return false;
}

function constantOf(call: OpCall): Fact {
  const { attributes } = call.node;
  const tensor = call.tensor('value') ?? call.tensor('sparse_value');
  if (tensor !== undefined) return literalFact(tensor);
  const make = (type: number, dims: readonly number[], numbers: readonly number[]): Fact => literalFact({ name: '', type, dims, numbers });
  const int = attributes.get('value_int')?.int;
  if (int !== undefined) return make(7, [], [int]);
  const float = attributes.get('value_float')?.float;
  if (float !== undefined) return make(1, [], [float]);
  const ints = attributes.get('value_ints')?.ints;
  if (ints !== undefined) return make(7, [ints.length], ints);
  const floats = attributes.get('value_floats')?.floats;
  if (floats !== undefined) return make(1, [floats.length], floats);
  const count = attributes.get('value_strings')?.textCount;
  return literalFact({ name: '', type: 8, dims: count === undefined ? [] : [count] });
}

/** A node of a function's body with the attributes that the caller gives. */
function resolved(node: OnnxNode, body: OnnxFunction, call: OpCall): OnnxNode {
  if (![...node.attributes.values()].some(({ reference }) => reference !== undefined)) return node;
  const attributes = new Map(node.attributes);
  for (const [name, { reference }] of node.attributes) {
    if (reference === undefined) continue;
    const value = call.node.attributes.get(reference) ?? body.defaults.get(reference);
    if (value === undefined) attributes.delete(name);
    else attributes.set(name, value);
  }
  return { ...node, attributes };
}
