#!/usr/bin/env python3
"""Whole nets as their authors write them (folder models/), exported by MindSpore itself with MindSpore's own CPU outputs.

  python make_whole.py [--out whole] [--only SUBSTRING] [--missing] [--report report.json]     (needs: pip install mindspore==2.10.0, or ==2.0.0)

Writes <net>.mindir and <net>.json = {"inputs": [...], "outputs": [...], "runs"?: [{"inputs", "outputs"}], "tolerance"?} as make_ops.py does;
"runs" are further calls of the same file (other values, or other sizes of dynamic dims).
Weights and inputs are seeded by the net's name; weights that start as zeros or ones (biases, batch statistics) are randomised, or they would hide mistakes.
"""
import argparse, base64, glob, importlib, json, os, shutil, sys, tempfile, traceback, zlib

import numpy as np

os.environ.setdefault("GLOG_v", "4")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "models"))
import mindspore as ms  # noqa: E402
from registry import NETS, arrays  # noqa: E402

ms.set_context(mode=ms.GRAPH_MODE, device_target="CPU")


def flat(y):
    if isinstance(y, (tuple, list)):
        return [t for v in y for t in flat(v)]
    return [y]


def pack(a):
    if isinstance(a, ms.Tensor):
        if a.dtype == getattr(ms, "bfloat16", None):
            bits = (np.ascontiguousarray(a.astype(ms.float32).asnumpy()).view(np.uint32) >> 16).astype(np.uint16)
            return {"dtype": "bfloat16", "shape": list(a.shape), "b64": base64.b64encode(bits.tobytes()).decode()}
        a = a.asnumpy()
    a = np.asarray(a)
    return {"dtype": str(a.dtype), "shape": list(a.shape), "b64": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def tensors(entry, specs, turn):
    out = []
    for spec, a in zip(specs, arrays(entry["name"], specs, turn)):
        x = ms.Tensor(a)
        out.append(x.astype(ms.bfloat16) if spec["dtype"] == "bfloat16" else x)
    return out


def build(entry):
    """The net with seeded weights, the same at every call."""
    seed = zlib.crc32(entry["name"].encode()) & 0x7FFFFFF
    ms.set_seed(seed)
    np.random.seed(seed)
    net = entry["factory"]()
    net.set_train(False)
    random = np.random.RandomState(seed)
    for name, p in sorted(net.parameters_dict().items()):
        a = p.asnumpy() if p.dtype != getattr(ms, "bfloat16", None) else None
        if a is None or a.dtype not in (np.float32, np.float16):
            continue
        if "moving_variance" in name or name.endswith("gamma"):
            p.set_data(ms.Tensor(random.uniform(0.5, 1.5, a.shape).astype(a.dtype)))
        elif a.ndim >= 2:
            # The same weights from either version of MindSpore, and small enough for deep nets.
            bound = (3.0 / max(1, int(np.prod(a.shape[1:])))) ** 0.5
            p.set_data(ms.Tensor(random.uniform(-bound, bound, a.shape).astype(a.dtype)))
        else:
            p.set_data(ms.Tensor(random.uniform(-0.3, 0.3, a.shape).astype(a.dtype)))
    return net


def example_inputs(entry, xs):
    """Inputs for export(): with None in the dims that stay open."""
    dynamic = entry["dynamic"]
    if not dynamic:
        return xs
    if dynamic == "rank":
        return [ms.Tensor(dtype=x.dtype, shape=None) for x in xs]
    open_dims = {i: range(len(x.shape)) for i, x in enumerate(xs)} if dynamic == "all" else dynamic
    return [ms.Tensor(shape=[None if d in open_dims[i] else n for d, n in enumerate(x.shape)], dtype=x.dtype) if i in open_dims else x for i, x in enumerate(xs)]


def make(entry, folder):
    file = os.path.join(folder, entry["name"])
    runs = []
    for turn, specs in enumerate([entry["inputs"], *entry["runs"]]):
        xs = tensors(entry, specs, turn)
        packed = [pack(x) for x in xs]
        # A net of its own for each run: operators that write in place (`x += y`) may change constants and inputs.
        runs.append({"inputs": packed, "outputs": [pack(y) for y in flat(build(entry)(*xs))]})
    ms.export(build(entry), *example_inputs(entry, tensors(entry, entry["inputs"], 0)), file_name=file, file_format="MINDIR")
    out = dict(runs[0])
    if len(runs) > 1:
        out["runs"] = runs[1:]
    if entry["tolerance"]:
        out["tolerance"] = {"atol": entry["tolerance"], "rtol": entry["tolerance"]}
    return file + ".mindir", out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.join(HERE, "whole"))
    p.add_argument("--only", default="")
    p.add_argument("--report", default="")
    p.add_argument("--prefix", default="", help="put before the names of the files (ms20_)")
    p.add_argument("--missing", action="store_true", help="only nets that have no file yet")
    a = p.parse_args()
    for path in sorted(glob.glob(os.path.join(HERE, "models", "nets_*.py"))):
        try:
            importlib.import_module(os.path.basename(path)[:-3])
        except Exception as e:  # noqa: BLE001
            print("FAIL to import", os.path.basename(path), repr(e)[:300], flush=True)
    chosen = [e for e in NETS.values() if a.only in e["name"] and not (a.missing and os.path.exists(os.path.join(a.out, a.prefix + e["name"] + ".json")))]
    if ms.__version__.startswith("2.0"):
        chosen = [e for e in chosen if e["only"] != "2.10"]
    os.makedirs(a.out, exist_ok=True)
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    refused = {}
    for entry in chosen:
        name = a.prefix + entry["name"]
        try:
            file, out = make(entry, folder)
            shutil.copy(file, os.path.join(a.out, name + ".mindir"))
            with open(os.path.join(a.out, name + ".json"), "w") as f:
                json.dump(out, f)
            print("ok  ", name, os.path.getsize(file), flush=True)
        except Exception as e:  # noqa: BLE001
            lines = [line for line in traceback.format_exception_only(type(e), e)[-1].splitlines() if line.strip()]
            refused[name] = " | ".join(lines[:3])[:400]
            print("FAIL", name, refused[name], flush=True)
    if a.report:
        with open(a.report, "w") as f:
            json.dump(refused, f, indent=1)
    print(len(chosen) - len(refused), "made,", len(refused), "refused")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
