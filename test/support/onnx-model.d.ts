/**
 * Writes small ONNX models without Python, for tests. Only what tests need of the ONNX protobuf; the field numbers are those of onnx.proto.
 *
 *   onnxModel({
 *     inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
 *     outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 2] }],
 *     nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
 *   })
 */
export type OnnxDtype = 'bool' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'float16' | 'bfloat16' | 'float32' | 'float64' | 'string' | 'complex64';
/** A graph input or output. shape: a number is fixed, a name is symbolic, -1 is unnamed; undefined = no shape declared. */
export interface OnnxValue {
    readonly name: string;
    readonly dtype: OnnxDtype;
    readonly shape?: readonly (number | string)[];
    /** Default tensor; others are for tests of what is refused. */
    readonly kind?: 'tensor' | 'sequence' | 'optional' | 'sparse' | 'map';
}
export interface OnnxTensor {
    readonly name: string;
    readonly dtype: OnnxDtype;
    readonly shape: readonly number[];
    /** Little-endian, C order; or use strings / external. */
    readonly bytes?: Uint8Array;
    readonly strings?: readonly string[];
    /** The data is in another file. */
    readonly external?: {
        readonly location: string;
        readonly offset?: number;
        readonly length?: number;
    };
}
export type OnnxAttribute = {
    readonly int: number | bigint;
} | {
    readonly ints: readonly (number | bigint)[];
} | {
    readonly float: number;
} | {
    readonly floats: readonly number[];
} | {
    readonly string: string;
} | {
    readonly tensor: Omit<OnnxTensor, 'name'> & {
        readonly name?: string;
    };
} | {
    readonly graph: OnnxGraph;
};
export interface OnnxNode {
    readonly op: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
    readonly domain?: string;
}
export interface OnnxGraph {
    readonly name?: string;
    readonly inputs: readonly OnnxValue[];
    readonly outputs: readonly OnnxValue[];
    readonly nodes: readonly OnnxNode[];
    readonly initializers?: readonly OnnxTensor[];
}
export interface OnnxModel extends OnnxGraph {
    /** Version of the default operator set. Default 17. */
    readonly opset?: number;
}
/** The bytes of an ONNX file. Nothing is checked: tests want wrong models too. */
export declare function onnxModel(model: OnnxModel): Uint8Array;
/** Bytes of numbers as a tensor wants them. */
export declare function float32Bytes(values: readonly number[]): Uint8Array;
export declare function int64Bytes(values: readonly (number | bigint)[]): Uint8Array;
/** y = x + x, of any dtype that Add knows (float32 by default). */
export declare function doubleModel(shape?: readonly (number | string)[], dtype?: OnnxDtype): Uint8Array;
/** sum = a + b, float32. */
export declare function addModel(shape?: readonly (number | string)[], dtype?: OnnxDtype): Uint8Array;
/**
 * Counts until `limit` (an int64 scalar input) is reached, so that a test chooses how long a run takes:
 * 2^62 never ends, 0 ends at once. Output `count`: int64 scalar.
 */
export declare function loopModel(): Uint8Array;
//# sourceMappingURL=onnx-model.d.ts.map