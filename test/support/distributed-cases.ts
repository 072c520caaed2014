import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '@mserve/wire';
import { readNpy } from '../../apps/server/src/npy.js';

/** A distributed model made by MindSpore, with its inputs and what the same net without ranks gives. */
export interface DistributedCase {
  readonly name: string;
  readonly folder: string;
  readonly rankSize: number;
  readonly stageSize: number;
  readonly withBatchDim: boolean;
  readonly inputCount: number;
  readonly outputCount: number;
  readonly expect: 'match' | 'reject';
  /** Of a case that is to be refused. */
  readonly reason: string | undefined;
  readonly tolerance: { readonly rtol: number; readonly atol: number };
  /** [set of inputs][input or output] */
  readonly inputs: readonly (readonly Tensor[])[];
  readonly outputs: readonly (readonly Tensor[])[];
}

/** Reads all cases of a folder; none when there is no such folder. */
export function distributedCases(root: string): DistributedCase[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .sort()
    .map((name) => readCase(name, join(root, name)));
}

function readCase(name: string, folder: string): DistributedCase {
  const meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8'));
  const tensors = (what: 'input' | 'output', set: number): Tensor[] =>
    meta[`${what}s`].map((_: unknown, index: number) => readNpy(readFileSync(join(folder, `${what}_${set}_${index}.npy`))));
  const sets = Array.from({ length: meta.cases }, (_, set) => set);
  return {
    name,
    folder,
    rankSize: meta.rank_size,
    stageSize: meta.stage_size,
    withBatchDim: meta.with_batch_dim,
    inputCount: meta.inputs.length,
    outputCount: meta.outputs.length,
    expect: meta.expect,
    reason: meta.reason,
    tolerance: meta.tolerance,
    inputs: sets.map((set) => tensors('input', set)),
    outputs: sets.map((set) => tensors('output', set)),
  };
}

/** The bytes of a file of the case; undefined when there is none. */
export function caseFile({ folder }: DistributedCase, name: string): Uint8Array | undefined {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path) : undefined;
}
