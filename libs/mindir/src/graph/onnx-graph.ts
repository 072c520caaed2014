import type { DType } from '@mserve/wire';

/** What an attribute of an ONNX node may be; the kind is told by the JavaScript type and, for numbers, by {@link real}. */
export type OnnxAttribute = number | string | readonly number[] | OnnxReal | OnnxReals | OnnxSubgraph;

/** A float attribute (a plain number is an int). */
export interface OnnxReal {
  readonly real: number;
}

/** A list of numbers that is written as floats. */
export interface OnnxReals {
  readonly reals: readonly number[];
}

/** Marks an attribute's number as a float; plain numbers are written as integers. */
export function real(value: number): OnnxReal {
  return { real: value };
}

/** Marks an attribute's numbers as floats; plain lists are written as integers. */
export function reals(values: readonly number[]): OnnxReals {
  return { reals: values };
}

/** One node of an ONNX graph. Values are named; '' stands for an optional input that is left out. */
export interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  /** '' = absent optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  readonly domain: string;
}

/** An input or output of an ONNX graph. */
export interface OnnxPort {
  readonly name: string;
  readonly dtype: DType;
  /** undefined: no shape is declared. Strings are names of dynamic dims. */
  readonly shape: readonly (number | string)[] | undefined;
}

/** A weight of an ONNX graph. */
export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** The body of an If branch or of a Loop. */
export interface OnnxSubgraph {
  readonly subgraphName: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

/** Whether an attribute is a graph (of If, Loop or Scan). */
export function isSubgraph(attribute: OnnxAttribute): attribute is OnnxSubgraph {
  return typeof attribute === 'object' && 'subgraphName' in attribute;
}
