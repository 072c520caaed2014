import type { Value } from '../graph/value.js';
import type { OpCall } from './op-call.js';

/** Turns one use of an operator into ONNX nodes and returns its result (a tuple for several outputs). */
export type Emit = (call: OpCall) => Value;

/** One row of the op table. */
export interface OpEntry {
  /** Primitive name in MindIR files. */
  readonly name: string;
  /** Names of the inputs in the order of files with primitive functions (mind_ir_version 2 and 3). */
  readonly args: readonly string[];
  readonly emit: Emit;
  /** Works on tuples, closures and Python values: its result is taken as it is, without the dtype and shape of the file. */
  readonly structural?: boolean;
  /** Changes its first operand: the result is its new value. */
  readonly inPlace?: boolean;
}

/** Rows that belong together, with the title they have in docs/mindir.md. */
export interface OpFamily {
  readonly family: string;
  readonly entries: readonly OpEntry[];
}

/** Rows for one or more primitives (`Conv2DTranspose Conv2DBackpropInput`) that share arguments and emitter. */
export function op(names: string, args: string, emit: Emit): OpEntry[] {
  const argNames = args === '' ? [] : args.split(' ');
  return names.split(' ').map((name) => ({ name, args: argNames, emit }));
}

/** A family whose entries work on tensors. */
export function family(name: string, rows: readonly OpEntry[][]): OpFamily {
  return { family: name, entries: rows.flat() };
}

/** A family whose entries work on values rather than tensors. */
export function structuralFamily(name: string, rows: readonly OpEntry[][]): OpFamily {
  return { family: name, entries: rows.flat().map((entry) => ({ ...entry, structural: true })) };
}

/** Rows of operators that write to their first operand. */
export function inPlace(rows: readonly OpEntry[]): OpEntry[] {
  return rows.map((entry) => ({ ...entry, inPlace: true }));
}
