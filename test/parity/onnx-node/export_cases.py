"""Writes the node conformance cases of the `onnx` package into a folder, with what plain Python ONNX Runtime makes of each.

usage: export_cases.py FOLDER [NAMES]

NAMES                 a JSON file with the names of the cases to write. Default: all

FOLDER/NAME.onnx      the model
FOLDER/NAME.bin       the bytes of all tensors of the case, one after the other
FOLDER/cases.json     [{name, python, rtol, atol, sets: [{inputs: {name: tensor}, expected: [tensor], outputs: [tensor]}]}]

`python` is "pass", or why Python does not pass. `outputs` are what Python's run gave. A tensor is {dtype, shape, at, length}, or
{kind} for what is no tensor. String tensors: each element a uint32 length (little-endian) and its UTF-8 bytes.
"""

import json
import os
import struct
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.filterwarnings("ignore")

NAMES = {"object": "string", "str": "string"}


def as_array(value):
    """A test value as numpy has it; lists and None (sequences and empty optionals) stay."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, (list, tuple)):
        return [as_array(one) for one in value]
    return value if value is None else np.asarray(value)


class Bytes:
    """The tensors of one case, in one file."""

    def __init__(self):
        self.parts = []
        self.length = 0

    def tensor(self, value):
        if not isinstance(value, np.ndarray):
            return {"kind": "none" if value is None else "sequence"}
        if value.dtype.kind in "OUS":
            texts = [one if isinstance(one, bytes) else str(one).encode() for one in value.reshape(-1)]
            data, dtype = b"".join(struct.pack("<I", len(text)) + text for text in texts), "string"
        else:
            data, dtype = np.ascontiguousarray(value).tobytes(), str(value.dtype)
        at = self.length
        self.parts.append(data)
        self.length += len(data)
        return {"dtype": dtype, "shape": list(value.shape), "at": at, "length": len(data)}


def matches(expected, actual, rtol, atol):
    """The comparison of onnx's own test runner."""
    if isinstance(expected, list) or isinstance(actual, list):
        both = isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual)
        return both and all(matches(e, a, rtol, atol) for e, a in zip(expected, actual))
    if expected is None or actual is None:
        return expected is actual
    if expected.shape != actual.shape or (expected.dtype != actual.dtype and expected.dtype.kind not in "OUS"):
        return False
    if expected.dtype.kind in "OUS":
        return np.array_equal(expected.astype(str), actual.astype(str))
    if expected.dtype.kind not in "fcV":
        return np.array_equal(expected, actual)
    return np.allclose(expected.astype(np.float64), actual.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True)


def run_python(model, sets, rtol, atol):
    """(verdict, outputs of each set)."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the verdict
        return "load: " + str(error)[:300], []
    outputs = []
    verdict = "pass"
    for inputs, expected in sets:
        try:
            actual = [as_array(value) for value in session.run(None, inputs)]
        except Exception as error:  # noqa: BLE001
            return "run: " + str(error)[:300], []
        outputs.append(actual)
        if len(actual) != len(expected) or not all(matches(e, a, rtol, atol) for e, a in zip(expected, actual)):
            verdict = "mismatch"
    return verdict, outputs


def export(case, folder):
    model = case.model.SerializeToString()
    names = [value.name for value in case.model.graph.input]
    rtol, atol = case.rtol or 1e-3, case.atol or 1e-7
    sets = []
    for inputs, expected in case.data_sets:
        sets.append((dict(zip(names, map(as_array, inputs))), [as_array(value) for value in expected]))
    verdict, outputs = run_python(model, sets, rtol, atol)
    data = Bytes()
    written = []
    for index, (inputs, expected) in enumerate(sets):
        actual = outputs[index] if index < len(outputs) else []
        written.append(
            {
                "inputs": {name: data.tensor(value) for name, value in inputs.items()},
                "expected": [data.tensor(value) for value in expected],
                "outputs": [data.tensor(value) for value in actual],
            }
        )
    with open(os.path.join(folder, case.name + ".onnx"), "wb") as file:
        file.write(model)
    with open(os.path.join(folder, case.name + ".bin"), "wb") as file:
        file.write(b"".join(data.parts))
    return {"name": case.name, "python": verdict, "rtol": rtol, "atol": atol, "sets": written}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    names = json.load(open(sys.argv[2], encoding="utf-8")) if len(sys.argv) > 2 else None
    cases = [export(case, folder) for case in collect_testcases(None) if names is None or case.name in names]
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
        json.dump({"onnx": onnx.__version__, "onnxruntime": ort.__version__, "cases": cases}, file)
    passed = sum(case["python"] == "pass" for case in cases)
    print(f"{len(cases)} cases, Python passes {passed}")


main()
