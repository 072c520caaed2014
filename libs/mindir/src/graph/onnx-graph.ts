import type { DType } from '@mserve/wire';

/** What an attribute of an ONNX node may be; the kind is told by the JavaScript type and, for numbers, by {@link real}. */
export type OnnxAttribute = number | string | readonly number[] | OnnxReal | OnnxReals | OnnxSubgraph;

/** A float attribute (a plain number is an int). */
export interface OnnxReal {
  readonly real: number;
}

export interface OnnxReals {
  readonly reals: readonly number[];
}

export function real(value: number): OnnxReal {
  return { real: value };
}

export function reals(values: readonly number[]): OnnxReals {
  return { reals: values };
}

export interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  /** '' = absent optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  readonly domain: string;
}

export interface OnnxPort {
  readonly name: string;
  readonly dtype: DType;
  /** undefined: no shape is declared. Strings are names of dynamic dims. */
  readonly shape: readonly (number | string)[] | undefined;
}

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

export function isSubgraph(attribute: OnnxAttribute): attribute is OnnxSubgraph {
  return typeof attribute === 'object' && 'subgraphName' in attribute;
}
