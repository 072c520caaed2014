const typeNumbers = {
    float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8,
    bool: 9, float16: 10, float64: 11, uint32: 12, uint64: 13, complex64: 14, bfloat16: 16,
};
function concat(parts) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}
function varint(value) {
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes = [];
    while (rest > 127n) {
        bytes.push(Number(rest & 127n) | 128);
        rest >>= 7n;
    }
    bytes.push(Number(rest));
    return Uint8Array.from(bytes);
}
const int = (field, value) => concat([varint(field * 8), varint(value)]);
const bytes = (field, value) => concat([varint(field * 8 + 2), varint(value.length), value]);
const text = (field, value) => bytes(field, new TextEncoder().encode(value));
const message = (field, parts) => bytes(field, concat(parts));
function float(field, value) {
    return concat([varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)]);
}
function tensorParts(tensor) {
    const parts = tensor.shape.map((dim) => int(1, dim));
    parts.push(int(2, typeNumbers[tensor.dtype]));
    for (const value of tensor.strings ?? [])
        parts.push(text(6, value));
    if (tensor.name !== undefined)
        parts.push(text(8, tensor.name));
    if (tensor.bytes !== undefined)
        parts.push(bytes(9, tensor.bytes));
    for (const [key, value] of Object.entries(tensor.external ?? {}))
        parts.push(message(13, [text(1, key), text(2, String(value))]));
    if (tensor.external !== undefined)
        parts.push(int(14, 1));
    return parts;
}
function attributeParts(name, attribute) {
    const parts = [text(1, name)];
    if ('float' in attribute)
        parts.push(float(2, attribute.float), int(20, 1));
    else if ('int' in attribute)
        parts.push(int(3, attribute.int), int(20, 2));
    else if ('string' in attribute)
        parts.push(text(4, attribute.string), int(20, 3));
    else if ('tensor' in attribute)
        parts.push(message(5, tensorParts(attribute.tensor)), int(20, 4));
    else if ('graph' in attribute)
        parts.push(message(6, graphParts(attribute.graph)), int(20, 5));
    else if ('floats' in attribute)
        parts.push(...attribute.floats.map((value) => float(7, value)), int(20, 6));
    else
        parts.push(...attribute.ints.map((value) => int(8, value)), int(20, 7));
    return parts;
}
function typeParts(value) {
    const dims = value.shape?.map((dim) => {
        if (dim === -1)
            return message(1, []);
        return message(1, [typeof dim === 'string' ? text(2, dim) : int(1, dim)]);
    });
    const tensor = [int(1, typeNumbers[value.dtype]), ...(dims === undefined ? [] : [message(2, dims)])];
    switch (value.kind ?? 'tensor') {
        case 'tensor':
            return [message(1, tensor)];
        case 'sequence':
            return [message(4, [message(1, [message(1, tensor)])])];
        case 'map':
            return [message(5, [int(1, typeNumbers.int64), message(2, [message(1, tensor)])])];
        case 'sparse':
            return [message(8, tensor)];
        case 'optional':
            return [message(9, [message(1, [message(1, tensor)])])];
    }
}
const valueParts = (value) => [text(1, value.name), message(2, typeParts(value))];
function graphParts(graph) {
    return [
        ...graph.nodes.map((node) => message(1, [
            ...node.inputs.map((name) => text(1, name)),
            ...node.outputs.map((name) => text(2, name)),
            text(4, node.op),
            ...Object.entries(node.attributes ?? {}).map(([name, attribute]) => message(5, attributeParts(name, attribute))),
            ...(node.domain === undefined ? [] : [text(7, node.domain)]),
        ])),
        text(2, graph.name ?? 'graph'),
        ...(graph.initializers ?? []).map((tensor) => message(5, tensorParts(tensor))),
        ...graph.inputs.map((value) => message(11, valueParts(value))),
        ...graph.outputs.map((value) => message(12, valueParts(value))),
    ];
}
/** The bytes of an ONNX file. Nothing is checked: tests want wrong models too. */
export function onnxModel(model) {
    return concat([int(1, 8), text(2, 'mserve-test'), message(7, graphParts(model)), message(8, [text(1, ''), int(2, model.opset ?? 17)])]);
}
/** Bytes of numbers as a tensor wants them. */
export function float32Bytes(values) {
    return new Uint8Array(Float32Array.from(values).buffer);
}
export function int64Bytes(values) {
    return new Uint8Array(BigInt64Array.from(values.map((value) => BigInt(value))).buffer);
}
/** y = x + x, of any dtype that Add knows (float32 by default). */
export function doubleModel(shape = ['batch', 2], dtype = 'float32') {
    return onnxModel({
        inputs: [{ name: 'x', dtype, shape }],
        outputs: [{ name: 'y', dtype, shape }],
        nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    });
}
/** sum = a + b, float32. */
export function addModel(shape = ['batch', 2], dtype = 'float32') {
    return onnxModel({
        inputs: [{ name: 'a', dtype, shape }, { name: 'b', dtype, shape }],
        outputs: [{ name: 'sum', dtype, shape }],
        nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
    });
}
/**
 * Counts until `limit` (an int64 scalar input) is reached, so that a test chooses how long a run takes:
 * 2^62 never ends, 0 ends at once. Output `count`: int64 scalar.
 */
export function loopModel() {
    return onnxModel({
        inputs: [{ name: 'limit', dtype: 'int64', shape: [] }],
        outputs: [{ name: 'count', dtype: 'int64', shape: [] }],
        initializers: [
            { name: 'zero', dtype: 'int64', shape: [], bytes: int64Bytes([0]) },
            { name: 'go', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) },
        ],
        nodes: [
            {
                op: 'Loop',
                inputs: ['limit', 'go', 'zero'],
                outputs: ['count'],
                attributes: {
                    body: {
                        graph: {
                            name: 'body',
                            inputs: [
                                { name: 'step', dtype: 'int64', shape: [] },
                                { name: 'goIn', dtype: 'bool', shape: [] },
                                { name: 'countIn', dtype: 'int64', shape: [] },
                            ],
                            outputs: [{ name: 'goOut', dtype: 'bool', shape: [] }, { name: 'countOut', dtype: 'int64', shape: [] }],
                            initializers: [{ name: 'one', dtype: 'int64', shape: [], bytes: int64Bytes([1]) }],
                            nodes: [
                                { op: 'Identity', inputs: ['goIn'], outputs: ['goOut'] },
                                { op: 'Add', inputs: ['countIn', 'one'], outputs: ['countOut'] },
                            ],
                        },
                    },
                },
            },
        ],
    });
}
//# sourceMappingURL=onnx-model.js.map