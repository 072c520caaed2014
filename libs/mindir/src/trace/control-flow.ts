import type { DType } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';
import { numberOf, toTensor, Untranslatable } from '../ops/op-call.js';
import { commonDtype } from '../graph/dtypes.js';
import type { MemoryEffects } from './memory.js';
import type { OnnxNode, OnnxPort } from '../graph/onnx-graph.js';
import { eitherShape } from '../graph/shapes.js';
import { RaiseReached } from '../graph/raise.js';
import type { GraphTrace } from './graph-trace.js';
import {
  flatten,
  unflatten,
  type Shape,
  type SwitchValue,
  type TailTarget,
  type TailValue,
  type TensorValue,
  type Value,
} from '../graph/value.js';
import { elementAt } from '../graph/sequence.js';

/** Nested loops are traced several times per level. */
const maxLoopDepth = 8;
const maxLoopRounds = 64;

/** One leaf (tensor or scalar) of a loop header's arguments. */
interface Carried {
  /** undefined: does not change from turn to turn and needs not be carried. */
  readonly type: { readonly dtype: DType; readonly shape: Shape | undefined } | undefined;
  readonly initial: Value;
}

interface Loop {
  readonly header: string;
}

/** A traced branch whose scope is closed. */
interface Branch {
  readonly targets: readonly TailTarget[];
  readonly selector: TensorValue | undefined;
  readonly nodes: OnnxNode[];
  /** What it changed in place. */
  readonly effects: MemoryEffects;
}

/**
 * If and Loop. A branch or loop body ends in one of several *targets*: a plain return, or the call of the header of a
 * loop that is being built (a tail call: the next turn of that loop). Branches with different targets are merged into one If
 * that gives the values of all targets and a selector; the Loop goes on while the selector says so. This covers while,
 * break, continue, return from inside, and nesting, in one way.
 */
export class ControlFlow {
  private readonly loops: Loop[] = [];

  constructor(private readonly tracer: GraphTrace) {}

  get activeHeaders(): string[] {
    return this.loops.map((loop) => loop.header);
  }

  isActiveHeader(graph: string): boolean {
    return this.loops.some((loop) => loop.header === graph);
  }

  /** Calls the branch that a Switch or SwitchLayer chooses. */
  branch(choice: SwitchValue, args: readonly Value[]): Value {
    const { branches, condition } = choice;
    const known = numberOf(condition);
    if (known !== undefined) {
      const taken = choice.byIndex ? branches.at(known) : branches[known !== 0 ? 0 : 1];
      if (taken === undefined) throw new Untranslatable(`branch ${known} of ${branches.length} is chosen`);
      return this.tracer.call(taken, args);
    }
    const { builder } = this.tracer;
    const tensor = scalarOf(this.tracer, condition);
    if (!choice.byIndex) {
      return this.either(
        builder.cast(tensor, 'bool'),
        () => this.tracer.call(branches[0] as Value, args),
        () => this.tracer.call(branches[1] as Value, args),
      );
    }
    return this.indexed(builder.cast(tensor, 'int64'), branches, 0, args);
  }

  /** SwitchLayer as a chain of Ifs; a negative index counts from the end. */
  private indexed(index: TensorValue, branches: readonly Value[], position: number, args: readonly Value[]): Value {
    const { builder } = this.tracer;
    const take = (): Value => this.tracer.call(branches[position] as Value, args);
    if (position === branches.length - 1) return take();
    const equal = (value: number): TensorValue => builder.node('Equal', [index, builder.int(value)]);
    const chosen = builder.node('Or', [equal(position), equal(position - branches.length)]);
    return this.either(chosen, take, () => this.indexed(index, branches, position + 1, args));
  }

  /** An ONNX If over two traces, or the one that does not raise. */
  either(condition: TensorValue, traceThen: () => Value, traceElse: () => Value): Value {
    const first = this.traced(traceThen);
    const second = this.traced(traceElse);
    if (first === undefined && second === undefined) throw new RaiseReached();
    if (first === undefined || second === undefined) {
      // One branch only raises an exception: the check is dropped, as MindSpore Lite does.
      const only = (first ?? second) as Branch;
      this.tracer.builder.absorb(only.nodes);
      this.tracer.memory.adopt(only.effects);
      return outcome(only.targets, only.selector);
    }
    this.tracer.memory.lose(first.effects);
    this.tracer.memory.lose(second.effects);
    return this.merge(condition, first, second);
  }

  private traced(trace: () => Value): Branch | undefined {
    try {
      const { result: scope, effects } = this.tracer.memory.branch(() => this.tracer.builder.scoped(trace));
      const { result, nodes } = scope;
      if (result.kind === 'tail') return { targets: result.targets, selector: result.selector, nodes, effects };
      return { targets: [{ header: undefined, values: [result] }], selector: undefined, nodes, effects };
    } catch (thrown) {
      if (thrown instanceof RaiseReached) return undefined;
      throw thrown;
    }
  }

  private merge(condition: TensorValue, first: Branch, second: Branch): Value {
    const headers = [...new Set([...first.targets, ...second.targets].map((target) => target.header))];
    const outputs: [TensorValue[], TensorValue[]] = [[], []];
    const types: { dtype: DType; shape: Shape | undefined }[] = [];
    const rebuilt: { template: readonly Value[]; leaves: (Value | number)[]; header: string | undefined }[] = [];
    for (const header of headers) {
      const [a, b] = [first, second].map((branch) => branch.targets.find((target) => target.header === header)?.values);
      const template = (a ?? b) as readonly Value[];
      const [leavesA, leavesB] = [a, b].map((values) => values?.flatMap(flatten));
      if (leavesA !== undefined && leavesB !== undefined && leavesA.length !== leavesB.length)
        throw new Untranslatable('the branches of an if return different numbers of values');
      const leaves = (leavesA ?? leavesB ?? []).map((_, index) => {
        const [x, y] = [leavesA?.[index], leavesB?.[index]];
        const kept = unchanged(x, y);
        if (kept !== undefined) return kept;
        const [valueA, valueB] = this.alike(first, second, x, y);
        outputs[0].push(valueA);
        outputs[1].push(valueB);
        types.push({
          dtype: valueA.dtype,
          shape: x === undefined ? valueB.shape : y === undefined ? valueA.shape : eitherShape(valueA.shape, valueB.shape),
        });
        return types.length - 1;
      });
      rebuilt.push({ template, leaves, header });
    }
    if (headers.length > 1) {
      outputs[0].push(this.select(first, headers));
      outputs[1].push(this.select(second, headers));
      types.push({ dtype: 'int64', shape: [] });
    }
    const results = this.emitIf(condition, first, second, outputs, types);
    const targets = rebuilt.map(({ template, leaves, header }) => ({ header, values: refill(template, leaves, results) }));
    return outcome(targets, headers.length > 1 ? (results[results.length - 1] as TensorValue) : undefined);
  }

  private emitIf(
    condition: TensorValue,
    first: Branch,
    second: Branch,
    outputs: readonly [TensorValue[], TensorValue[]],
    types: readonly { dtype: DType; shape: Shape | undefined }[],
  ): TensorValue[] {
    if (types.length === 0) return [];
    const { builder } = this.tracer;
    const attributes = {
      then_branch: builder.branch('then', [], first.nodes, outputs[0]),
      else_branch: builder.branch('else', [], second.nodes, outputs[1]),
    };
    return builder.structured('If', [condition], attributes, types);
  }

  /** Both sides of one If output as tensors of one dtype, each made in its branch. A missing side gets an empty placeholder. */
  private alike(first: Branch, second: Branch, x: Value | undefined, y: Value | undefined): [TensorValue, TensorValue] {
    const { builder } = this.tracer;
    const like = (value: Value | undefined, other: Value | undefined, branch: Branch): TensorValue => {
      const hint = other?.kind === 'tensor' ? other.dtype : undefined;
      if (value !== undefined) return builder.scoped(() => toTensor(builder, value, hint), branch.nodes).result;
      const model = toTensor(builder, other as Value);
      return emptyTensor(this.tracer, model.dtype, model.shape);
    };
    const [a, b] = [like(x, y, first), like(y, x, second)];
    const dtype = commonDtype(a.dtype, b.dtype);
    const cast = (tensor: TensorValue, branch: Branch): TensorValue =>
      builder.scoped(() => builder.cast(tensor, dtype), branch.nodes).result;
    return [cast(a, first), cast(b, second)];
  }

  /** The branch's own choice among its targets, as an index into `headers`. */
  private select(branch: Branch, headers: readonly (string | undefined)[]): TensorValue {
    const { builder } = this.tracer;
    const positions = branch.targets.map((target) => headers.indexOf(target.header));
    if (branch.selector === undefined) return builder.int(elementAt(positions, 0));
    return builder.scoped(() => builder.node('Gather', [builder.ints(positions), branch.selector], { axis: 0 }), branch.nodes).result;
  }

  /** A func graph that calls itself at its end, as an ONNX Loop. */
  loop(header: string, args: readonly Value[]): Value {
    if (this.loops.length >= maxLoopDepth) throw new MindirError('limits', `loops are nested more than ${maxLoopDepth} deep`);
    const leaves = args.flatMap(flatten);
    // Optimistic: nothing changes. Each round gives up what turned out to change, until a round confirms the assumption.
    let carried: Carried[] = leaves.map((initial) => ({ initial, type: undefined }));
    for (let round = 0; round < maxLoopRounds; round++) {
      const built = this.buildTurn(header, args, carried);
      if ('changed' in built) {
        carried = built.changed;
        continue;
      }
      return built.result;
    }
    throw new MindirError('unsupported', `the loop '${header}' changes its values in a way that has no translation`);
  }

  /** One attempt to build the loop with these assumptions. */
  private buildTurn(header: string, args: readonly Value[], carried: readonly Carried[]): { changed: Carried[] } | { result: Value } {
    const { builder } = this.tracer;
    const inputs: TensorValue[] = [];
    const leaves = carried.map(({ type, initial }): Value => {
      if (type === undefined) return initial;
      const input: TensorValue = { kind: 'tensor', name: builder.uniqueName('carried'), ...type };
      inputs.push(input);
      return input;
    });
    const iterator = leaves[Symbol.iterator]();
    const turnArgs = args.map((arg) => unflatten(arg, iterator));
    const refusals = this.tracer.refusals.length;
    this.loops.push({ header });
    let branch: Branch | undefined;
    try {
      branch = this.traced(() => this.tracer.traceGraph(header, turnArgs));
    } finally {
      this.loops.pop();
    }
    if (branch === undefined) throw new RaiseReached();
    const next = branch.targets.find((target) => target.header === header)?.values.flatMap(flatten);
    if (next === undefined) {
      builder.absorb(branch.nodes);
      this.tracer.memory.adopt(branch.effects);
      return { result: outcome(branch.targets, branch.selector) };
    }
    if (next.length !== leaves.length)
      throw new Untranslatable(`the loop '${header}' calls itself with other tuples than it was called with`);
    const changed = this.generalised(carried, leaves, next);
    if (changed !== undefined) {
      this.tracer.forgetRefusals(refusals);
      return { changed };
    }
    this.tracer.memory.lose(branch.effects);
    return { result: this.emitLoop(header, carried, inputs, branch, next) };
  }

  /** The assumptions that `next` (the arguments of the next turn) does not break; undefined when it breaks none. */
  private generalised(carried: readonly Carried[], leaves: readonly Value[], next: readonly Value[]): Carried[] | undefined {
    let broken = false;
    const result = carried.map((entry, index): Carried => {
      const [before, after] = [leaves[index] as Value, next[index] as Value];
      if (entry.type === undefined) {
        if (unchanged(before, after) !== undefined) return entry;
        broken = true;
        const initial = entry.initial;
        const hint = after.kind === 'tensor' ? after.dtype : undefined;
        const first = toTensor(this.tracer.builder, initial, hint);
        const dtype = initial.kind === 'scalar' && after.kind === 'tensor' ? after.dtype : first.dtype;
        return { initial, type: { dtype, shape: first.shape } };
      }
      const shape = after.kind === 'tensor' ? eitherShape(entry.type.shape, after.shape) : entry.type.shape;
      const narrowed = JSON.stringify(shape) !== JSON.stringify(entry.type.shape);
      if (narrowed) broken = true;
      return narrowed ? { initial: entry.initial, type: { dtype: entry.type.dtype, shape } } : entry;
    });
    return broken ? result : undefined;
  }

  private emitLoop(
    header: string,
    carried: readonly Carried[],
    inputs: readonly TensorValue[],
    branch: Branch,
    next: readonly Value[],
  ): Value {
    const { builder } = this.tracer;
    const position = branch.targets.findIndex((target) => target.header === header);
    const exits = branch.targets.filter((target) => target.header !== header);
    if (exits.length === 0) throw new MindirError('unsupported', `the loop '${header}' never ends`);
    const turn = carried.map(({ type }, index) => ({ type, after: next[index] as Value })).filter(({ type }) => type !== undefined);
    const exitLeaves = exits.map((target) => target.values.flatMap(flatten));
    const { result } = builder.scoped(() => {
      const values = turn.map(({ type, after }) => builder.cast(toTensor(builder, after, type?.dtype), type?.dtype as DType));
      const leaving = exitLeaves.flat().map((leaf) => toTensor(builder, leaf));
      const selector = branch.selector ?? builder.int(0);
      const goesOn =
        branch.selector === undefined ? builder.constant('bool', [], [1]) : builder.node('Equal', [selector, builder.int(position)]);
      return { values, leaving, selector, goesOn };
    }, branch.nodes);
    const start = carried
      .filter(({ type }) => type !== undefined)
      .map(({ initial, type }) => builder.cast(toTensor(builder, initial, type?.dtype), type?.dtype as DType));
    const placeholders = result.leaving.map((leaf) => emptyTensor(this.tracer, leaf.dtype, leaf.shape));
    const extra = [...result.leaving, result.selector].map((leaf): OnnxPort => ({
      name: builder.uniqueName('exit'),
      dtype: leaf.dtype,
      shape: undefined,
    }));
    const ports: OnnxPort[] = [
      { name: builder.uniqueName('turn'), dtype: 'int64', shape: [] },
      { name: builder.uniqueName('go_on'), dtype: 'bool', shape: [] },
      ...inputs.map(({ name, dtype }) => ({ name, dtype, shape: undefined })),
      ...extra,
    ];
    const body = builder.branch('loop', ports, branch.nodes, [result.goesOn, ...result.values, ...result.leaving, result.selector]);
    const operands = [undefined, builder.constant('bool', [], [1]), ...start, ...placeholders, builder.int(0)];
    const types = [...inputs, ...result.leaving, result.selector].map(({ dtype, shape }) => ({ dtype, shape }));
    const outputs = builder.structured('Loop', operands, { body }, types);
    return this.leave(branch, exits, exitLeaves, outputs.slice(inputs.length), position);
  }

  /** What the loop's exits return, from the outputs of the Loop node. */
  private leave(
    branch: Branch,
    exits: readonly TailTarget[],
    exitLeaves: readonly Value[][],
    outputs: readonly TensorValue[],
    position: number,
  ): Value {
    const { builder } = this.tracer;
    const values = outputs[Symbol.iterator]();
    const targets = exits.map((target, index) => {
      const leaves = (exitLeaves[index] as Value[]).map(() => values.next().value as TensorValue)[Symbol.iterator]();
      return { header: target.header, values: target.values.map((value) => unflatten(value, leaves)) };
    });
    if (targets.length === 1) return outcome(targets, undefined);
    const remaining = branch.targets.map((_, index) => (index < position ? index : Math.max(0, index - 1)));
    return outcome(targets, builder.node('Gather', [builder.ints(remaining), outputs[outputs.length - 1]], { axis: 0 }));
  }
}

/** A plain return when that is all there is, else a tail value. */
function outcome(targets: readonly TailTarget[], selector: TensorValue | undefined): Value {
  const [only] = targets;
  if (targets.length === 1 && only !== undefined && only.header === undefined) return only.values[0] as Value;
  const tail: TailValue = { kind: 'tail', selector, targets };
  return tail;
}

/** The value that both leaves are, when they are the same one; functions and dtypes must be. */
function unchanged(a: Value | undefined, b: Value | undefined): Value | undefined {
  if (a === undefined || b === undefined)
    return a?.kind === 'tensor' || b?.kind === 'tensor' || a?.kind === 'scalar' || b?.kind === 'scalar' ? undefined : (a ?? b);
  if (a.kind === 'tensor' && b.kind === 'tensor') return a.name === b.name ? a : undefined;
  if (a.kind === 'scalar' && b.kind === 'scalar') return a.type === b.type && Object.is(a.value, b.value) ? a : undefined;
  if (a.kind === 'tensor' || b.kind === 'tensor' || a.kind === 'scalar' || b.kind === 'scalar') return undefined;
  if (
    JSON.stringify(a, (key, value: unknown) => (key === 'bytes' ? undefined : value)) ===
    JSON.stringify(b, (key, value: unknown) => (key === 'bytes' ? undefined : value))
  )
    return a;
  throw new Untranslatable('the branches of an if, or the turns of a loop, give different functions');
}

function refill(template: readonly Value[], leaves: readonly (Value | number)[], results: readonly TensorValue[]): Value[] {
  const values = leaves.map((leaf) => (typeof leaf === 'number' ? (results[leaf] as TensorValue) : leaf))[Symbol.iterator]();
  return template.map((value) => unflatten(value, values));
}

/** Stands for a value that this way out of a branch or loop does not give. */
function emptyTensor(tracer: GraphTrace, dtype: DType, shape: Shape | undefined): TensorValue {
  const dims = shape === undefined || shape.length === 0 ? [] : shape.map(() => 0);
  return tracer.builder.constant(dtype, dims, dims.length === 0 ? [0] : []);
}

/** A condition as a tensor of rank 0. */
function scalarOf(tracer: GraphTrace, value: Value): TensorValue {
  const tensor = toTensor(tracer.builder, value);
  return tensor.shape?.length === 0 ? tensor : tracer.builder.node('Reshape', [tensor, tracer.builder.ints([])]);
}
