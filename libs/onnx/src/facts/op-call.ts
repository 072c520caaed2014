import type { OnnxGraph, OnnxNode, OnnxTensor } from '../model/onnx-model.js';
import { Dim } from './dim.js';
import { ProofFault, type Fault } from './fault.js';
import type { Fact, Rows } from './fact.js';

/** One operator of the graph with what is known of its inputs; rules of operators work on it. */
export class OpCall {
  constructor(
    readonly node: OnnxNode,
    /** Version of the operator's set. */
    readonly opset: number,
    /** By position; undefined = left out. */
    readonly inputs: readonly (Fact | undefined)[],
    /** Rows in a run. */
    readonly rowCount: Dim,
  ) {}

  get op(): string {
    return this.node.op;
  }

  int(name: string, fallback: number): number {
    return this.node.attributes.get(name)?.int ?? fallback;
  }

  /** undefined when the attribute is not there. */
  ints(name: string): readonly number[] | undefined {
    return this.node.attributes.get(name)?.ints;
  }

  text(name: string): string | undefined {
    return this.node.attributes.get(name)?.text;
  }

  float(name: string): number | undefined {
    return this.node.attributes.get(name)?.float;
  }

  tensor(name: string): OnnxTensor | undefined {
    return this.node.attributes.get(name)?.tensor;
  }

  graph(name: string): OnnxGraph {
    return this.node.attributes.get(name)?.graph ?? this.unknown(`has no graph '${name}'`);
  }

  has(name: string): boolean {
    return this.node.attributes.has(name);
  }

  input(index: number): Fact {
    return this.inputs[index] ?? this.unknown(`has no input ${index}`);
  }

  shape(fact: Fact): readonly Dim[] {
    return fact.shape ?? this.unknown('takes a tensor whose rank the graph does not tell');
  }

  /** Known content of an input that is the same for all rows; undefined when it is not known, or the input left out. */
  numbers(index: number): readonly Dim[] | undefined {
    return this.inputs[index]?.numbers;
  }

  /** Content as plain numbers. */
  values(index: number): readonly number[] | undefined {
    const values = this.numbers(index)?.map(({ value }) => value);
    return values?.every((value) => value !== undefined) === true ? values : undefined;
  }

  /** An axis from 0. */
  axis(value: number, rank: number): number {
    const axis = value < 0 ? value + rank : value;
    if (axis < 0 || axis > rank) this.unknown(`has axis ${value} of a tensor with ${rank} dims`);
    return axis;
  }

  /** A number of this operator that nothing is known of but that it is the same in every run. */
  fresh(label: string | number): Dim {
    return Dim.symbol(`${this.node.outputs[0] ?? this.node.name}.${label}`);
  }

  get plainRows(): Pick<Rows, 'outer' | 'inner'> {
    return { outer: Dim.one, inner: Dim.one };
  }

  /** Refuses an input that has rows where only the same for all is understood. */
  sameForAll(index: number, what: string): void {
    const fact = this.inputs[index];
    if (fact?.rows !== undefined) this.unknown(`takes its ${what} from the rows`);
  }

  /** The rows must not be among these dims of `x`, which the operator goes over. */
  notOver(x: Fact, axes: readonly number[], sequence = false): void {
    if (x.rows !== undefined && axes.includes(x.rows.dim))
      this.mixed(`goes over dim ${x.rows.dim} of its input, where the rows are`, sequence);
  }

  mixed(reason: string, sequence = false): never {
    throw this.fault('mixed', reason, sequence);
  }

  /** What it gives differs from run to run, whatever its inputs. */
  random(reason: string): never {
    throw this.fault('mixed', reason, false, true);
  }

  unknown(reason: string): never {
    throw this.fault('unknown', reason, false);
  }

  /** For one output only: {@link mixed} is for all. */
  mixedOutput(reason: string): Fault {
    return this.fault('mixed', reason, false).fault;
  }

  private fault(outcome: 'mixed' | 'unknown', reason: string, sequence: boolean, always = false): ProofFault {
    const { op, name, outputs, domain } = this.node;
    const known = domain === '' ? op : `${domain}.${op}`;
    return new ProofFault({ outcome, op: known, node: name === '' ? (outputs[0] ?? '') : name, reason, sequence }, always);
  }
}

/** What an operator's outputs are, given its inputs; one fact, or one for each output. Throws ProofFault. */
export type OpRule = (call: OpCall) => Fact | readonly (Fact | Fault)[];
