/**
 * What we read of a MindIR file (mind_ir.proto of MindSpore 2.10; it also fits 2.0). Field numbers are in mindir-decoder.ts.
 * Absent optional fields are undefined, absent repeated fields are empty lists.
 */
export interface MindirModel {
  readonly irVersion: string;
  readonly producerName: string;
  /** `model_version`: the MindSpore version that wrote the file. */
  readonly modelVersion: string;
  /** 1: parameters of operators are attributes; 2 and 3: mostly trailing inputs. */
  readonly mindIrVersion: number;
  readonly littleEndian: boolean;
  readonly graph: MindirGraph;
  readonly functions: readonly MindirGraph[];
  readonly primitives: ReadonlyMap<string, MindirPrimitive>;
  readonly hasPreprocessor: boolean;
}

/** A func graph: GraphProto of MindSpore's mind_ir.proto. */
export interface MindirGraph {
  readonly name: string;
  readonly nodes: readonly MindirNode[];
  readonly parameters: readonly MindirTensor[];
  readonly inputs: readonly MindirValueDescription[];
  readonly outputs: readonly MindirValueDescription[];
  readonly hasMapParameters: boolean;
}

/** One node of a func graph: NodeProto. `opType` is an operator, a primitive or a func graph. */
export interface MindirNode {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly MindirAttribute[];
}

/** An operator with its attributes, which nodes refer to: PrimitiveProto. */
export interface MindirPrimitive {
  readonly name: string;
  readonly opType: string;
  readonly attributes: readonly MindirAttribute[];
}

/** An input or output of a func graph: ValueInfoProto. */
export interface MindirValueDescription {
  readonly name: string;
  readonly tensors: readonly MindirTensor[];
  readonly attribute: MindirAttribute | undefined;
}

/** A weight, a constant or the description of a tensor: TensorProto. */
export interface MindirTensor {
  readonly name: string;
  /** Python name of a parameter, for example conv1.weight. */
  readonly refKey: string;
  readonly dataType: number;
  readonly dims: readonly number[];
  /** View on the file's bytes. Undefined in descriptions of values and in dtype constants. */
  readonly raw: Uint8Array | undefined;
  /** Elements of the typed lists (float_data, int32_data, ...), which MindSpore itself does not write. */
  readonly numbers: readonly number[];
  readonly external: MindirExternal | undefined;
  /** Compressed or quantised weights, which have no translation. */
  readonly compressed: boolean;
}

/** Where a weight lies that is not in the file itself: bytes from `offset` of the file `location`. */
export interface MindirExternal {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** AttributeProto.AttributeType, as far as it is told apart here. */
export const attributeType = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  tensor: 17,
  tensors: 19,
  tuple: 20,
  list: 21,
  dict: 22,
  uMonad: 23,
  ioMonad: 24,
  none: 25,
  primitiveClosure: 26,
  functionClosure: 27,
  partialClosure: 28,
  unionClosure: 29,
  typeNull: 36,
  scalar: 39,
} as const;

/** A value of a node, a primitive or a description: AttributeProto. `type` is one of {@link attributeType}. */
export interface MindirAttribute {
  readonly name: string;
  readonly type: number;
  readonly f: number | undefined;
  readonly i: number | undefined;
  readonly d: number | undefined;
  readonly s: string | undefined;
  readonly floats: readonly number[];
  readonly doubles: readonly number[];
  readonly ints: readonly number[];
  readonly strings: readonly string[];
  readonly tensors: readonly MindirTensor[];
  readonly values: readonly MindirAttribute[];
}
