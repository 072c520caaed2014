#!/usr/bin/env python3
"""Writes relu600k.onnx into the given folder: y = relu(x), x float32 [n, 3, 224, 224] (602 112 bytes per instance)."""
import os, sys
import onnx
from onnx import TensorProto as T, helper as H

shape = ["n", 3, 224, 224]
graph = H.make_graph([H.make_node("Relu", ["x"], ["y"])], "relu600k", [H.make_tensor_value_info("x", T.FLOAT, shape)], [H.make_tensor_value_info("y", T.FLOAT, shape)])
onnx.save(H.make_model(graph, opset_imports=[H.make_opsetid("", 17)], ir_version=8), os.path.join(sys.argv[1], "relu600k.onnx"))
