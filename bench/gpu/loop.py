#!/usr/bin/env python3
"""ONNX Runtime's own Python loop: loop.py MODEL PROVIDER. Reads "BATCH SECONDS" lines, writes runs per second for each."""
import sys, time
import numpy as np
import onnxruntime as ort

if hasattr(ort, "preload_dlls"):
    ort.preload_dlls()
names = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
options = ort.SessionOptions()
if sys.argv[2] == "cpu":
    options.intra_op_num_threads = 1
providers = [(names[sys.argv[2]], {"use_tf32": "0"} if sys.argv[2] == "cuda" else {})]
session = ort.InferenceSession(sys.argv[1], options, providers=providers)
assert names[sys.argv[2]] in session.get_providers(), f"{names[sys.argv[2]]} was left out without a word"
for line in sys.stdin:
    batch, seconds = int(line.split()[0]), float(line.split()[1])
    x = np.random.default_rng(batch).random((batch, 3, 224, 224), np.float32)
    session.run(None, {"x": x})
    runs, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        session.run(None, {"x": x})
        runs += 1
    print(runs / (time.perf_counter() - start), flush=True)
