import { dtypeTable, type DType } from '@mserve/wire';
import type { ExchangedTensor, Reduction, ScheduledCollective } from '../graph/collective.js';
import { MindirError } from '../mindir-error.js';
import type { ModelPort } from '../model-port.js';
import type { RankModel } from './rank-model.js';
import type { RankDeclaration } from './proof.js';

/** What an agent says of one subgraph of its rank. Plain data: travels as JSON. */
export interface RankSubgraph extends RankDeclaration {
  /** Indices of the inputs that the rank's program takes, in its order. */
  readonly uses: readonly number[];
  readonly sha256: string;
}

/** The model of a rank as it is told to others. */
export function rankSubgraphOf({ inputs, outputs, schedule, restoreRanks, program, sha256 }: RankModel): RankSubgraph {
  const uses = program.inputs.map(({ name }) => inputs.findIndex((port) => port.name === name));
  return { inputs, outputs, schedule, restoreRanks, uses, sha256 };
}

/** Checks what another process says. Throws MindirError 'format' that names what is wrong. */
export function checkRankSubgraph(value: unknown): RankSubgraph {
  const subgraph = objectOf(value, 'a subgraph');
  const inputs = listOf(subgraph['inputs'], 'inputs').map(portOf);
  return {
    inputs,
    outputs: listOf(subgraph['outputs'], 'outputs').map(portOf),
    schedule: listOf(subgraph['schedule'], 'schedule').map(scheduledOf),
    restoreRanks: ranksOf(subgraph['restoreRanks'], 'restoreRanks'),
    uses: listOf(subgraph['uses'], 'uses').map((index) => wholeOf(index, 'uses', inputs.length - 1)),
    sha256: textOf(subgraph['sha256'], 'sha256'),
  };
}

const reductions: readonly Reduction[] = ['sum', 'max', 'min', 'prod'];

function scheduledOf(value: unknown): ScheduledCollective {
  const one = objectOf(value, 'a collective');
  const common = {
    node: textOf(one['node'], 'node'),
    groupName: textOf(one['groupName'], 'groupName'),
    group: ranksOf(one['group'], 'group'),
    inputs: listOf(one['inputs'], 'inputs').map(exchangedOf),
    outputs: listOf(one['outputs'], 'outputs').map(exchangedOf),
  };
  const { op } = one;
  switch (op) {
    case 'AllReduce':
    case 'ReduceScatter': {
      const reduction = reductions.find((known) => known === one['reduction']);
      if (reduction === undefined) refuse('a reduction is unknown');
      return { ...common, op, reduction };
    }
    case 'AllGather':
      return { ...common, op };
    case 'AlltoAll':
      return { ...common, op, splitAxis: wholeOf(one['splitAxis'], 'splitAxis'), concatAxis: wholeOf(one['concatAxis'], 'concatAxis') };
    case 'Broadcast':
      return { ...common, op, root: wholeOf(one['root'], 'root') };
    case 'NeighborExchange':
      return { ...common, op, sendTo: ranksOf(one['sendTo'], 'sendTo'), receiveFrom: ranksOf(one['receiveFrom'], 'receiveFrom') };
    case 'Send':
      return { ...common, op, to: wholeOf(one['to'], 'to'), tag: wholeOf(one['tag'], 'tag') };
    case 'Receive':
      return { ...common, op, from: wholeOf(one['from'], 'from'), tag: wholeOf(one['tag'], 'tag') };
    default:
      return refuse('a collective has no known operator');
  }
}

function portOf(value: unknown): ModelPort {
  return { name: textOf(objectOf(value, 'a port')['name'], 'name'), ...exchangedOf(value) };
}

function exchangedOf(value: unknown): ExchangedTensor {
  const { dtype, shape } = objectOf(value, 'a tensor');
  const dims = shape === undefined ? undefined : listOf(shape, 'shape').map((dim) => (dim === -1 ? -1 : wholeOf(dim, 'shape')));
  return { dtype: dtypeOf(dtype), shape: dims };
}

function dtypeOf(value: unknown): DType {
  return dtypeTable.find(({ dtype }) => dtype === value)?.dtype ?? refuse('a dtype is unknown');
}

function ranksOf(value: unknown, what: string): number[] {
  return listOf(value, what).map((rank) => wholeOf(rank, what));
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`${what} is not an object`);
  return value as Record<string, unknown>;
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) refuse(`${what} is not a list`);
  return value as readonly unknown[];
}

function textOf(value: unknown, what: string): string {
  return typeof value === 'string' ? value : refuse(`${what} is not a text`);
}

function wholeOf(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number {
  const isWhole = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;
  return isWhole ? value : refuse(`${what} is not a whole number${most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : ''}`);
}

function refuse(what: string): never {
  throw new MindirError('format', `the description of a rank is wrong: ${what}`);
}
