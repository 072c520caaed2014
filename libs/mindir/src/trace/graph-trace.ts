import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Value } from '../graph/value.js';
import type { Memory } from './memory.js';

/** The trace of a model as control flow sees it: func graphs can be run again, in a scope, and a trace that was thrown away forgotten. */
export interface GraphTrace {
  readonly builder: GraphBuilder;
  readonly memory: Memory;
  /** How many operators without translation the trace has met so far. */
  readonly refusals: { readonly length: number };
  /** Calls a callable value. Throws Untranslatable for one that is not. */
  call(callee: Value, args: readonly Value[]): Value;
  /** Inlines one func graph. */
  traceGraph(name: string, args: readonly Value[]): Value;
  /** Drops all refusals but the first `kept`. */
  forgetRefusals(kept: number): void;
}
