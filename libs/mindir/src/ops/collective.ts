import { isVariableSize } from '@mserve/wire';
import type { CollectiveDetail, ExchangedTensor, Reduction } from '../graph/collective.js';
import { mergeShapes, positiveAxis } from '../graph/shapes.js';
import { flatten, monad, tupleOf, type Shape, type TensorValue, type Value } from '../graph/value.js';
import { numbersOf, type OpCall } from './op-call.js';
import { family, op } from './op-table.js';

const worldGroups = new Set(['hccl_world_group', 'nccl_world_group', 'mccl_world_group']);
const reductions: readonly string[] = ['sum', 'max', 'min', 'prod'];

interface Group {
  readonly groupName: string;
  readonly ranks: readonly number[];
  /** The collective would not leave the rank. */
  readonly isAlone: boolean;
}

/** Name -> ranks: all for the world's names, else the node's own list, else the rank's group configuration. */
function groupOf(call: OpCall): Group {
  const { place } = call.graph;
  if (place === undefined)
    return call.refuse('the file is one rank of a distributed model: serve it with distributed.declareServable and an agent for each rank');
  const groupName = call.text('group', '');
  const listed = call.numbersOr('rank_list') ?? call.numbersOr('group_rank_ids');
  const configured = place.groups.get(groupName);
  const ranks = worldGroups.has(groupName) ? Array.from({ length: place.rankSize }, (_, rank) => rank) : (listed ?? configured);
  if (ranks === undefined)
    return call.refuse(
      `nothing says which ranks the group '${groupName}' has: neither the node nor the rank's group configuration (group_config_${place.rank}.pb)`,
    );
  if (ranks.length === 0 || new Set(ranks).size !== ranks.length || !ranks.every((rank) => Number.isSafeInteger(rank) && rank >= 0))
    return call.refuse(`the group '${groupName}' has the ranks ${ranks.join(', ') || 'none'}, which are not distinct numbers from 0`);
  if (listed !== undefined && configured !== undefined && listed.join() !== configured.join())
    return call.refuse(
      `the group '${groupName}' has the ranks ${listed.join(', ')}, the rank's group configuration says ${configured.join(', ')}`,
    );
  return { groupName, ranks, isAlone: ranks.length === 1 && ranks[0] === place.rank };
}

/** `index` of an attribute into the group, as a rank. */
function rankAt(call: OpCall, group: Group, attribute: string, index: number): number {
  const rank = Number.isSafeInteger(index) && index >= 0 ? group.ranks[index] : undefined;
  return (
    rank ??
    call.refuse(
      `${attribute} ${index} is not a place in the group '${group.groupName}' of ${group.ranks.length} ranks (schedule mismatch: the file was made for other ranks)`,
    )
  );
}

function ranksAt(call: OpCall, group: Group, attribute: string): number[] {
  return call.numbers(attribute).map((index) => rankAt(call, group, attribute, index));
}

function reductionOf(call: OpCall): Reduction {
  const name = call.text('op', 'sum');
  return reductions.includes(name) ? (name as Reduction) : call.refuse(`reduces by '${name}'; there are ${reductions.join(', ')}`);
}

function mark(
  call: OpCall,
  group: Group,
  detail: CollectiveDetail,
  inputs: readonly TensorValue[],
  outputs: readonly ExchangedTensor[],
): TensorValue[] {
  if ([...inputs, ...outputs].some(({ dtype }) => isVariableSize(dtype))) return call.refuse('exchanges strings');
  const exchanged = (tensors: readonly ExchangedTensor[]): ExchangedTensor[] => tensors.map(({ dtype, shape }) => ({ dtype, shape }));
  const { groupName, ranks } = group;
  return call.graph.collective(
    { ...detail, node: call.nodeName, groupName, group: ranks, inputs: exchanged(inputs), outputs: exchanged(outputs) },
    inputs,
  );
}

/** The tensors of the operands; MindSpore gives some collectives tuples. */
function operands(call: OpCall): TensorValue[] {
  return call.inputs.flatMap((input): Value[] => flatten(input)).map((value) => call.toTensor(value));
}

function single(call: OpCall): TensorValue {
  const [input, ...others] = operands(call);
  return input !== undefined && others.length === 0 ? input : call.refuse('takes one tensor');
}

/** One axis of a shape replaced; -1 where the result is not a size. */
function withDim(shape: Shape | undefined, axis: number, change: (dim: number) => number): Shape | undefined {
  const changed = (dim: number): number => (dim >= 0 && Number.isSafeInteger(change(dim)) ? change(dim) : -1);
  return shape?.map((dim, index) => (index === axis ? changed(dim) : dim));
}

/** A collective of one tensor that gives one of the same dtype. What the file says of the result is believed; the proof of the schedules compares. */
function collectiveOfOne(call: OpCall, group: Group, input: TensorValue, detail: CollectiveDetail, shape: Shape | undefined): Value {
  if (group.isAlone) return input;
  const output = { dtype: input.dtype, shape: mergeShapes(call.output()?.shape, shape) };
  return mark(call, group, detail, [input], [output])[0] as TensorValue;
}

function allReduce(call: OpCall): Value {
  const input = single(call);
  return collectiveOfOne(call, groupOf(call), input, { op: 'AllReduce', reduction: reductionOf(call) }, input.shape);
}

function allGather(call: OpCall): Value {
  const [group, input] = [groupOf(call), single(call)];
  return collectiveOfOne(
    call,
    group,
    input,
    { op: 'AllGather' },
    withDim(input.shape, 0, (dim) => dim * group.ranks.length),
  );
}

function reduceScatter(call: OpCall): Value {
  const [group, input] = [groupOf(call), single(call)];
  return collectiveOfOne(
    call,
    group,
    input,
    { op: 'ReduceScatter', reduction: reductionOf(call) },
    withDim(input.shape, 0, (dim) => dim / group.ranks.length),
  );
}

function allToAll(call: OpCall): Value {
  const [group, input] = [groupOf(call), single(call)];
  const parts = call.number('split_count', group.ranks.length);
  if (parts !== group.ranks.length)
    return call.refuse(
      `splits into ${parts} parts, but the group '${group.groupName}' has ${group.ranks.length} ranks (schedule mismatch: the file was made for another number of ranks)`,
    );
  const rank = call.rank(input);
  const axisOf = (attribute: string): number => {
    const axis = positiveAxis(call.number(attribute), rank);
    return Number.isSafeInteger(axis) && axis >= 0 && axis < rank
      ? axis
      : call.refuse(`${attribute} ${call.number(attribute)} is no axis of ${rank} dims`);
  };
  const [splitAxis, concatAxis] = [axisOf('split_dim'), axisOf('concat_dim')];
  const split = withDim(input.shape, splitAxis, (dim) => dim / parts);
  return collectiveOfOne(
    call,
    group,
    input,
    { op: 'AlltoAll', splitAxis, concatAxis },
    withDim(split, concatAxis, (dim) => dim * parts),
  );
}

function broadcast(call: OpCall): Value {
  const group = groupOf(call);
  const inputs = operands(call);
  const root = rankAt(call, group, 'root_rank', call.number('root_rank'));
  const outputs = group.isAlone ? inputs : mark(call, group, { op: 'Broadcast', root }, inputs, inputs);
  return tupleOf(outputs);
}

function neighborExchange(call: OpCall): Value {
  const group = groupOf(call);
  const inputs = operands(call);
  const [sendTo, receiveFrom] = [ranksAt(call, group, 'send_rank_ids'), ranksAt(call, group, 'recv_rank_ids')];
  if (sendTo.length !== inputs.length) return call.refuse(`sends ${inputs.length} tensors to ${sendTo.length} ranks`);
  const shapes = call.need('recv_shapes');
  const rows = shapes.kind === 'tuple' ? shapes.items.map((row) => numbersOf(row)) : [];
  const dtype = call.dtype('recv_type') ?? call.output()?.dtype ?? inputs[0]?.dtype;
  if (rows.length !== receiveFrom.length) return call.refuse(`receives ${rows.length} tensors from ${receiveFrom.length} ranks`);
  const outputs = rows.map((row): ExchangedTensor => {
    if (row === undefined || dtype === undefined) return call.refuse('does not say what it receives');
    return { dtype, shape: announcedShape(row) };
  });
  return tupleOf(mark(call, group, { op: 'NeighborExchange', sendTo, receiveFrom }, inputs, outputs));
}

function announcedShape(dims: readonly number[]): Shape {
  return dims.map((dim) => (dim < 0 ? -1 : dim));
}

function send(call: OpCall): Value {
  const group = groupOf(call);
  const to = rankAt(call, group, 'dest_rank', call.number('dest_rank'));
  mark(call, group, { op: 'Send', to, tag: call.number('sr_tag', 0) }, [single(call)], []);
  return monad;
}

/** Its operand is a dummy. */
function receive(call: OpCall): Value {
  const group = groupOf(call);
  const from = rankAt(call, group, 'src_rank', call.number('src_rank'));
  const dtype = call.dtype('dtype') ?? call.output()?.dtype;
  const dims = call.numbersOr('shape');
  const shape = dims === undefined ? call.output()?.shape : announcedShape(dims);
  if (dtype === undefined) return call.refuse('does not say what it receives');
  return mark(call, group, { op: 'Receive', from, tag: call.number('sr_tag', 0) }, [], [{ dtype, shape }])[0] as TensorValue;
}

/** Rows of the operators at which the graph of a rank is cut. */
export const collective = family('Collectives (of distributed models)', [
  op('AllReduce', 'x', allReduce),
  op('AllGather', 'x', allGather),
  op('ReduceScatter', 'x', reduceScatter),
  op('AlltoAll', 'x', allToAll),
  op('Broadcast', 'x', broadcast),
  op('NeighborExchange', 'x', neighborExchange),
  op('Send', 'x', send),
  op('Receive', 'x', receive),
]);
