#!/usr/bin/env python3
"""One-op nets made by MindSpore itself: exports a MindIR per case of op_cases.py, runs it, and records MindSpore's own CPU output.

  python make_ops.py [--out ops] [--only SUBSTRING] [--report report.json]        (needs: pip install mindspore==2.10.0; with 2.0.0: --out ops20)

Writes <case>.mindir and <case>.json = {"inputs": [...], "outputs": [...]} with tensors as {"dtype", "shape", "b64"} (C order, little-endian);
nested tuples of outputs are flattened depth first. Cases that MindSpore refuses on CPU are listed in the report and leave no file.
"""
import argparse, base64, importlib.util, json, os, re, shutil, sys, tempfile, traceback

import numpy as np

os.environ.setdefault("GLOG_v", "4")
import mindspore as ms  # noqa: E402

ms.set_context(mode=ms.GRAPH_MODE, device_target="CPU")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from op_cases import CASES, build_inputs  # noqa: E402

IS_20 = ms.__version__.startswith("2.0.")
HEAD = f"""import numpy as np
import mindspore as ms
from mindspore import nn, ops, Tensor, Parameter{"" if IS_20 else ", mint"}
import mindspore.ops.operations as P
import mindspore.ops.function as F
"""


def source_of(cases):
    """One class per case; graph mode reads the source of construct(), so it has to be in a file."""
    text = [HEAD]
    for k, c in enumerate(cases):
        args = ", ".join(f"x{i}" for i in range(len(c["inputs"])))
        text.append(f"class Net{k}(nn.Cell):\n    def __init__(self):\n        super().__init__()")
        for line in c["init"]:
            text.append("        " + line)
        text.append(f"    def construct(self, {args}):\n        return {c['call']}\n")
    return "\n".join(text)


def flat(y):
    if isinstance(y, (tuple, list)):
        return [t for v in y for t in flat(v)]
    return [y]


def pack(a):
    if isinstance(a, ms.Tensor):
        if not IS_20 and a.dtype == ms.bfloat16:
            a32 = a.astype(ms.float32).asnumpy()
            bits = (np.ascontiguousarray(a32).view(np.uint32) >> 16).astype(np.uint16)
            return {"dtype": "bfloat16", "shape": list(a.shape), "b64": base64.b64encode(bits.tobytes()).decode()}
        a = a.asnumpy()
    a = np.asarray(a)
    return {"dtype": str(a.dtype), "shape": list(a.shape), "b64": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.join(HERE, "ops"))
    p.add_argument("--only", default="")
    p.add_argument("--report", default="")
    p.add_argument("--missing", action="store_true", help="only cases that have no file yet")
    a = p.parse_args()
    cases = [c for c in CASES if a.only in c["name"]]
    if IS_20:  # has neither mint nor bfloat16
        cases = [c for c in cases if "mint." not in c["call"] and "bfloat16" not in c["name"]]
    if a.missing:
        cases = [c for c in cases if not os.path.exists(os.path.join(a.out, c["name"] + ".json"))]
    os.makedirs(a.out, exist_ok=True)
    tmp = tempfile.mkdtemp()
    path = os.path.join(tmp, "nets.py")
    open(path, "w").write(source_of(cases))
    spec = importlib.util.spec_from_file_location("nets", path)
    nets = importlib.util.module_from_spec(spec)
    sys.modules["nets"] = nets
    spec.loader.exec_module(nets)
    refused = {}
    for k, c in enumerate(cases):
        try:
            np.random.seed(sum(map(ord, c["name"])))
            xs = build_inputs(c, ms)
            net = getattr(nets, f"Net{k}")()
            net.set_train(False)
            y = flat(net(*xs))
            file = os.path.join(tmp, c["name"])
            dyn = c.get("dynamic")
            given = xs
            if dyn:
                given = [ms.Tensor(shape=[None if j in dyn.get(i, ()) else d for j, d in enumerate(x.shape)], dtype=x.dtype) if i in dyn else x for i, x in enumerate(xs)]
                weights = net.parameters_dict()
                net = getattr(nets, f"Net{k}")()
                net.set_train(False)
                if weights:
                    ms.load_param_into_net(net, {name: ms.Parameter(p.value(), name=name) for name, p in weights.items()})
            ms.export(net, *given, file_name=file, file_format="MINDIR")
            out = {"inputs": [pack(x) for x in xs], "outputs": [pack(t) for t in y]}
            if c.get("tolerance"):
                out["tolerance"] = c["tolerance"]
            shutil.copy(file + ".mindir", os.path.join(a.out, c["name"] + ".mindir"))
            json.dump(out, open(os.path.join(a.out, c["name"] + ".json"), "w"))
            print("ok  ", c["name"], flush=True)
        except Exception as e:  # noqa: BLE001
            lines = [l for l in traceback.format_exception_only(type(e), e)[-1].splitlines() if l.strip()]
            refused[c["name"]] = lines[0][:300] if lines else repr(e)
            print("FAIL", c["name"], refused[c["name"]], flush=True)
    if a.report:
        json.dump(refused, open(a.report, "w"), indent=1)
    print(len(cases) - len(refused), "made,", len(refused), "refused")


if __name__ == "__main__":
    main()
