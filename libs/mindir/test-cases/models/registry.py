"""Where the whole nets of this folder enrol themselves: @net(name, input, ..., dynamic=, runs=, tolerance=) above a Cell class or a function that gives one."""
import zlib

import numpy as np

NETS = {}


def f32(*shape, lo=-1.0, hi=1.0):
    return {"dtype": "float32", "shape": shape, "lo": lo, "hi": hi}


def f16(*shape, lo=-1.0, hi=1.0):
    return {"dtype": "float16", "shape": shape, "lo": lo, "hi": hi}


def bf16(*shape, lo=-1.0, hi=1.0):
    return {"dtype": "bfloat16", "shape": shape, "lo": lo, "hi": hi}


def i32(*shape, lo=0, hi=10):
    return {"dtype": "int32", "shape": shape, "lo": lo, "hi": hi}


def i64(*shape, lo=0, hi=10):
    return {"dtype": "int64", "shape": shape, "lo": lo, "hi": hi}


def u8(*shape, lo=0, hi=256):
    return {"dtype": "uint8", "shape": shape, "lo": lo, "hi": hi}


def boolean(*shape):
    return {"dtype": "bool", "shape": shape, "lo": 0, "hi": 2}


def given(values, dtype):
    return {"dtype": dtype, "shape": np.shape(values), "values": values}


def net(name, *inputs, dynamic=None, runs=(), tolerance=None, only=None):
    """`dynamic`: dims that the exported file leaves open, by input index, or 'all'. `runs`: more inputs to record, each a list of specs.
    `only`: '2.10' for nets that use what MindSpore 2.0 lacks."""
    def enrol(factory):
        if name in NETS:
            raise ValueError(f"two nets are called {name}")
        NETS[name] = {"name": name, "inputs": inputs, "factory": factory, "dynamic": dynamic, "runs": list(runs), "tolerance": tolerance, "only": only}
        return factory
    return enrol


def arrays(name, specs, turn=0):
    """The input arrays of one run; bfloat16 ones as float32."""
    random = np.random.RandomState(zlib.crc32(f"{name}/{turn}".encode()) & 0x7FFFFFFF)
    out = []
    for spec in specs:
        dtype = "float32" if spec["dtype"] == "bfloat16" else spec["dtype"]
        if "values" in spec:
            out.append(np.array(spec["values"], dtype=dtype))
        elif dtype == "bool":
            out.append(random.rand(*spec["shape"]) > 0.5)
        elif "int" in dtype:
            out.append(np.asarray(random.randint(spec["lo"], spec["hi"], spec["shape"])).astype(dtype))
        else:
            out.append(np.asarray(random.uniform(spec["lo"], spec["hi"], spec["shape"])).astype(dtype))
    return out
