import type { OnnxGraph, OnnxPort } from '../model/onnx-model.js';
import { Dim } from '../facts/dim.js';
import { literalFact, type Fact } from '../facts/fact.js';
import type { Fault } from '../facts/fault.js';

/** What is known of a value: a fact, or why nothing is. */
export type Known = Fact | Fault;

export function isFault(known: Known): known is Fault {
  return 'outcome' in known;
}

/** The values of a graph by name; those of the graphs around it are seen too. */
export class Scope {
  private readonly known = new Map<string, Known>();

  constructor(
    private readonly graph: Pick<OnnxGraph, 'initializers' | 'values'>,
    private readonly outer?: Scope,
  ) {}

  set(name: string, known: Known): void {
    this.known.set(name, known);
  }

  get(name: string): Known | undefined {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const literal = this.graph.initializers.get(name);
    if (literal === undefined) return this.outer?.get(name);
    const fact = literalFact(literal);
    this.known.set(name, fact);
    return fact;
  }

  /** What the file says about the dims of a value that is the same for all rows. */
  declaredShape(name: string): readonly Dim[] | undefined {
    return dimsOf(this.graph.values.get(name), name);
  }
}

/** Dims as numbers and symbols; symbols of the same name are the same. */
export function dimsOf(port: OnnxPort | undefined, name: string): readonly Dim[] | undefined {
  return port?.dims?.map((dim, i) => (typeof dim === 'number' ? Dim.of(dim) : Dim.symbol(dim === '' ? `${name}.${i}` : dim)));
}
