import type { DType } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';
import { bytesOfNumbers, numbersOfBytes, onnxNumber } from './dtypes.js';
import { collectiveDomain, type CollectiveMark, type RankPlace, type ScheduledCollective } from './collective.js';
import { inferNode } from './infer.js';
import { computeDtype, holdsData, ownDtype } from './kernel-dtypes.js';
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OnnxPort, OnnxSubgraph } from './onnx-graph.js';
import type { Shape, TensorValue } from './value.js';
import { sequence } from './sequence.js';

/** What is known of a node's result beyond what follows from its operands. */
export interface NodeOptions {
  /** dtype of the first output where it is not that of the first input. */
  readonly dtype?: DType;
  readonly shape?: Shape;
}

type Operand = TensorValue | undefined;

/** Outputs of all nodes, also of those of traces that were thrown away. The largest published nets need some ten thousand. */
const maxAllOutputs = 300_000;
/** Outputs of one node. */
const maxOutputs = 65_536;

/**
 * Collects the nodes and initializers of one ONNX model. Nodes go to the scope that is open: the main graph or a branch
 * (see {@link subgraph}); initializers always go to the main graph, which every scope can see.
 */
export class GraphBuilder {
  readonly initializers: OnnxInitializer[] = [];
  /** Collectives by the name of the node that stands for them. */
  readonly collectives = new Map<string, CollectiveMark>();
  /** What is known of the result of every node; only kept for a rank, whose graph is cut into parts. */
  readonly results = new Map<string, TensorValue>();
  private readonly constants = new Map<string, TensorValue>();
  private nodes: OnnxNode[] = [];
  private readonly reserved = new Set<string>();
  private count = 0;
  private nodeCount = 0;
  private outputCount = 0;

  /** `place`: of the rank whose graph this is; undefined for a model that is no part of a distributed one. */
  constructor(readonly place?: RankPlace) {}

  /** Nodes of the open scope (the main graph when no branch is being built). */
  get scope(): readonly OnnxNode[] {
    return this.nodes;
  }

  /** Nodes emitted so far, in all scopes. */
  get emitted(): number {
    return this.nodeCount;
  }

  /** Keeps names that the model gives to its inputs, outputs and weights from being made up again. */
  reserve(names: readonly string[]): void {
    for (const name of names) this.reserved.add(name);
  }

  uniqueName(stem: string): string {
    let name = `${stem}_${++this.count}`;
    while (this.reserved.has(name)) name = `${stem}_${++this.count}`;
    return name;
  }

  /** One node with one output. Where ONNX Runtime has no CPU kernel for the dtype, the operands are cast to one that has and the result back. */
  node(
    opType: string,
    inputs: readonly Operand[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    options: NodeOptions = {},
  ): TensorValue {
    if ((opType === 'Div' || opType === 'Mod') && trapsOnMinusOne(inputs))
      return this.integerDivision(opType, inputs as readonly [TensorValue, TensorValue], attributes);
    return this.multi(opType, inputs, 1, attributes, options)[0] as TensorValue;
  }

  /** One node with several outputs. All have the dtype of the first, except where ONNX has positions or counts there (TopK). */
  multi(
    opType: string,
    inputs: readonly Operand[],
    outputs: number,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    options: NodeOptions = {},
  ): TensorValue[] {
    if (!(outputs >= 0 && outputs <= maxOutputs))
      throw new MindirError('limits', `an operator has ${outputs} outputs, at most ${maxOutputs} are allowed`);
    const compute = options.dtype === undefined ? computeDtype(opType, inputs, attributes) : undefined;
    if (compute !== undefined) return this.throughDtype(compute, opType, inputs, outputs, attributes, options);
    this.countNode(outputs);
    const inferred = inferNode(opType, inputs, attributes, outputs);
    const names = sequence(outputs, () => this.uniqueName(opType));
    this.nodes.push({
      opType,
      name: names[0] as string,
      inputs: inputs.map((input) => input?.name ?? ''),
      outputs: names,
      attributes,
      domain: '',
    });
    return this.noted(
      names.map((name, index) => ({
        kind: 'tensor',
        name,
        dtype: index > 0 && inferred.furtherDtype !== undefined ? inferred.furtherDtype : (options.dtype ?? inferred.dtype),
        shape: index === 0 && options.shape !== undefined ? options.shape : inferred.shapes[index],
      })),
    );
  }

  /** A collective: a place at which the graph will be cut. */
  collective(scheduled: ScheduledCollective, inputs: readonly TensorValue[]): TensorValue[] {
    this.countNode(scheduled.outputs.length);
    const name = this.uniqueName(scheduled.op);
    const outputs = this.noted(
      scheduled.outputs.map(({ dtype, shape }): TensorValue => ({ kind: 'tensor', name: this.uniqueName(scheduled.op), dtype, shape })),
    );
    this.nodes.push({
      opType: scheduled.op,
      name,
      inputs: inputs.map((input) => input.name),
      outputs: outputs.map((output) => output.name),
      attributes: {},
      domain: collectiveDomain,
    });
    this.collectives.set(name, { scheduled, inputs, outputs });
    return outputs;
  }

  cast(tensor: TensorValue, dtype: DType): TensorValue {
    if (tensor.dtype === dtype) return tensor;
    return this.node(
      'Cast',
      [tensor],
      { to: onnxNumber(dtype) },
      { dtype, ...(tensor.shape === undefined ? {} : { shape: tensor.shape }) },
    );
  }

  /** A tensor of given numbers, stored once per value. */
  constant(dtype: DType, shape: readonly number[], values: readonly number[]): TensorValue {
    return this.constantBytes(dtype, shape, bytesOfNumbers(dtype, values));
  }

  constantBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): TensorValue {
    if (bytes.byteLength > 1024) return this.initializer(this.uniqueName('constant'), dtype, shape, bytes);
    const key = `${dtype} ${shape.join(',')} ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')}`;
    let constant = this.constants.get(key);
    if (constant === undefined) {
      constant = this.initializer(this.uniqueName('constant'), dtype, shape, bytes);
      this.constants.set(key, constant);
    }
    return constant;
  }

  /** Adds a weight. `bytes` are kept by reference. */
  initializer(name: string, dtype: DType, shape: readonly number[], bytes: Uint8Array): TensorValue {
    this.initializers.push({ name, dtype, shape, bytes });
    return { kind: 'tensor', name, dtype, shape, bytes };
  }

  /** A 1-D int64 tensor, as ONNX takes shapes, axes and starts. */
  ints(values: readonly number[]): TensorValue {
    return this.constant('int64', [values.length], values);
  }

  int(value: number): TensorValue {
    return this.constant('int64', [], [value]);
  }

  /** A scalar of a dtype. */
  scalar(dtype: DType, value: number): TensorValue {
    return this.constant(dtype, [], [value]);
  }

  /**
   * Runs `build` in a new scope, or in a scope that was closed before, and returns its result with the scope's nodes.
   * Values made inside may only be used inside.
   */
  scoped<Result>(build: () => Result, nodes: OnnxNode[] = []): { result: Result; nodes: OnnxNode[] } {
    const outer = this.nodes;
    this.nodes = nodes;
    try {
      return { result: build(), nodes };
    } finally {
      this.nodes = outer;
    }
  }

  /** Moves the nodes of a closed scope into the open one. */
  absorb(nodes: readonly OnnxNode[]): void {
    for (const node of nodes) this.nodes.push(node);
  }

  /** A closed scope as a branch or loop body. Its outputs are made by Identity nodes, since a branch must make what it returns. */
  branch(stem: string, inputs: readonly OnnxPort[], nodes: OnnxNode[], outputs: readonly TensorValue[]): OnnxSubgraph {
    const { result } = this.scoped(() => outputs.map((output) => this.node('Identity', [output])), nodes);
    const ports = result.map((output) => ({ name: output.name, dtype: output.dtype, shape: undefined }));
    return { subgraphName: this.uniqueName(stem), nodes, inputs, outputs: ports };
  }

  /** A node whose outputs are described by the caller (If, Loop). */
  structured(
    opType: string,
    inputs: readonly Operand[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    outputs: readonly { dtype: DType; shape: Shape | undefined }[],
  ): TensorValue[] {
    const names = outputs.map(() => this.uniqueName(opType));
    this.nodes.push({
      opType,
      name: names[0] ?? this.uniqueName(opType),
      inputs: inputs.map((input) => input?.name ?? ''),
      outputs: names,
      attributes,
      domain: '',
    });
    this.countNode(outputs.length);
    return this.noted(outputs.map(({ dtype, shape }, index) => ({ kind: 'tensor', name: names[index] as string, dtype, shape })));
  }

  /** Division whose divisor is never -1: a / -1 is -a, and a mod -1 is a mod 1. */
  private integerDivision(
    opType: 'Div' | 'Mod',
    [a, b]: readonly [TensorValue, TensorValue],
    attributes: Readonly<Record<string, OnnxAttribute>>,
  ): TensorValue {
    const isMinusOne = this.node('Equal', [b, this.scalar(b.dtype, -1)]);
    const divisor = this.node('Where', [isMinusOne, this.scalar(b.dtype, 1), b]);
    const result = this.multi(opType, [a, divisor], 1, attributes)[0] as TensorValue;
    return opType === 'Mod' ? result : this.node('Where', [isMinusOne, this.node('Neg', [a]), result]);
  }

  private noted(results: TensorValue[]): TensorValue[] {
    if (this.place !== undefined) for (const result of results) this.results.set(result.name, result);
    return results;
  }

  private countNode(outputs: number): void {
    this.nodeCount++;
    this.outputCount += outputs;
    if (!(this.outputCount <= maxAllOutputs)) throw new MindirError('limits', `the model needs more than ${maxAllOutputs} ONNX nodes`);
  }

  private throughDtype(
    compute: DType,
    opType: string,
    inputs: readonly Operand[],
    outputs: number,
    attributes: Readonly<Record<string, OnnxAttribute>>,
    options: NodeOptions,
  ): TensorValue[] {
    const reference = ownDtype(opType, inputs) as DType;
    const isData = holdsData(opType);
    const cast = inputs.map((input, index) =>
      input !== undefined && input.dtype === reference && isData(index) ? this.cast(input, compute) : input,
    );
    const results = this.multi(opType, cast, outputs, attributes, options);
    return results.map((result) => (result.dtype === compute ? this.cast(result, reference) : result));
  }
}

/** ONNX Runtime's CPU kernels end the process (SIGFPE) on the smallest int32 or int64 divided by -1. */
function trapsOnMinusOne([, divisor]: readonly Operand[]): boolean {
  if (divisor === undefined || (divisor.dtype !== 'int32' && divisor.dtype !== 'int64')) return false;
  return divisor.bytes === undefined || divisor.bytes.byteLength > 8192 || numbersOfBytes(divisor.dtype, divisor.bytes).includes(-1);
}
