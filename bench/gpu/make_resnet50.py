#!/usr/bin/env python3
"""Writes resnet50.onnx into the given folder: the graph of ResNet-50 v1.5 with random weights, x float32 [n, 3, 224, 224] -> y float32 [n, 1000], 102 MB."""
import os, sys
import numpy as np, onnx
from onnx import TensorProto as T, helper as H, numpy_helper as N

random = np.random.default_rng(50)
nodes, weights = [], []


def weight(name, shape, scale):
    weights.append(N.from_array((random.standard_normal(shape) * scale).astype(np.float32), name))
    return name


def conv(x, name, inputs, outputs, kernel, stride=1, relu=True):
    """A convolution with its normalisation folded in, as exporters write it."""
    w = weight(f"{name}.w", (outputs, inputs, kernel, kernel), (2.0 / (inputs * kernel * kernel)) ** 0.5)
    pad = kernel // 2
    nodes.append(H.make_node("Conv", [x, w, weight(f"{name}.b", (outputs,), 0.01)], [name], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4))
    if not relu:
        return name
    nodes.append(H.make_node("Relu", [name], [f"{name}.relu"]))
    return f"{name}.relu"


x = conv("x", "stem", 3, 64, 7, 2)
nodes.append(H.make_node("MaxPool", [x], ["pool"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
x, channels = "pool", 64
for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)]):
    for block in range(blocks):
        name, stride = f"s{stage}.{block}", 2 if block == 0 and stage > 0 else 1
        same = x if block else conv(x, f"{name}.same", channels, width * 4, 1, stride, relu=False)
        h = conv(conv(x, f"{name}.1", channels, width, 1), f"{name}.2", width, width, 3, stride)
        # The last convolution of a block is kept small, so that random weights do not grow from block to block
        h = conv(h, f"{name}.3", width, width * 4, 1, relu=False)
        nodes.append(H.make_node("Mul", [h, "fifth"], [f"{name}.small"]))
        nodes.append(H.make_node("Add", [f"{name}.small", same], [f"{name}.sum"]))
        nodes.append(H.make_node("Relu", [f"{name}.sum"], [f"{name}.out"]))
        x, channels = f"{name}.out", width * 4
nodes.append(H.make_node("GlobalAveragePool", [x], ["mean"]))
nodes.append(H.make_node("Flatten", ["mean"], ["flat"]))
nodes.append(H.make_node("Gemm", ["flat", weight("fc.w", (1000, 2048), 0.02), weight("fc.b", (1000,), 0.01)], ["y"], transB=1))
weights.append(N.from_array(np.array(0.2, np.float32), "fifth"))
graph = H.make_graph(
    nodes, "resnet50", [H.make_tensor_value_info("x", T.FLOAT, ["n", 3, 224, 224])], [H.make_tensor_value_info("y", T.FLOAT, ["n", 1000])], weights
)
onnx.save(H.make_model(graph, opset_imports=[H.make_opsetid("", 17)], ir_version=8), os.path.join(sys.argv[1], "resnet50.onnx"))
