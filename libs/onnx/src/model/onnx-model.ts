/** What is kept of an ONNX file: its graph, without the weights. Field numbers and meanings: onnx.proto of github.com/onnx/onnx. */
export interface OnnxModel {
  /** Version of each operator set, by domain; '' is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: OnnxGraph;
  /** Operators that the file itself defines, by `domain:name`. */
  readonly functions: ReadonlyMap<string, OnnxFunction>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** What the file says about values inside the graph. */
  readonly values: ReadonlyMap<string, OnnxPort>;
}

export interface OnnxNode {
  readonly op: string;
  /** '' is ONNX's own set. */
  readonly domain: string;
  readonly name: string;
  /** '' = left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** Only the members that the file has are set. */
export interface OnnxAttribute {
  readonly int?: number;
  readonly float?: number;
  readonly text?: string;
  readonly ints: readonly number[];
  readonly floats: readonly number[];
  readonly textCount: number;
  /** All of them, unless they are very long. */
  readonly texts: readonly string[];
  readonly tensor?: OnnxTensor;
  readonly graph?: OnnxGraph;
  /** In the body of a function: the name of the function's attribute that is meant. */
  readonly reference?: string;
}

export interface OnnxFunction {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly OnnxNode[];
  readonly opsets: ReadonlyMap<string, number>;
  /** Attributes with a value for callers that give none. */
  readonly defaults: ReadonlyMap<string, OnnxAttribute>;
}

export interface OnnxPort {
  readonly name: string;
  /** TensorProto.DataType; 0 when it is no tensor. */
  readonly type: number;
  /** A number is fixed, a text is a symbolic name ('' = unnamed); undefined = not even the rank is known. */
  readonly dims: readonly (number | string)[] | undefined;
}

/** A weight or constant. Its content is kept when it is small and lies in the file. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
  /** As in the file, little-endian (raw_data). */
  readonly bytes?: Uint8Array;
  /** From the typed fields. */
  readonly numbers?: readonly number[];
}
