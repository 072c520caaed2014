#!/usr/bin/env python3
"""Encrypted and split models, exported by MindSpore itself: two nets of models/ in all modes and key lengths.

  python make_sealed.py [--out sealed] [--prefix ms20_]        (needs: pip install mindspore==2.10.0, or ==2.0.0)

Writes <case>/case.json = {"file", "key_hex"?, "mode"?, "inputs", "outputs"} beside the files that export() made. MindSpore splits models of more
than 1 GiB; here its thresholds are lowered for the split cases.
"""
import argparse, importlib, json, os, shutil, stat, sys, tempfile

import make_whole
import mindspore as ms
import mindspore.train.serialization as serialization
from registry import NETS

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = {16: b"0123456789abcdef", 24: bytes(range(24)), 32: b"mserve test key: not a secret ..."[:32]}
SEALS = [("gcm16", "AES-GCM", 16), ("gcm24", "AES-GCM", 24), ("gcm32", "AES-GCM", 32), ("cbc16", "AES-CBC", 16), ("cbc24", "AES-CBC", 24), ("cbc32", "AES-CBC", 32), ("sm4", "SM4-CBC", 16)]


class Split:
    """Lowers the thresholds (in KiB) above which weights go to files of their own, and above which a file is followed by another."""
    def __init__(self, total, each):
        self.new = {"TOTAL_SAVE": total, "PARAMETER_SPLIT_SIZE": each}

    def __enter__(self):
        self.old = {name: getattr(serialization, name) for name in self.new}
        for name, value in self.new.items():
            setattr(serialization, name, value)

    def __exit__(self, *_):
        for name, value in self.old.items():
            setattr(serialization, name, value)


class Whole:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def writable(folder):
    for root, folders, files in os.walk(folder):
        for name in folders:
            os.chmod(os.path.join(root, name), stat.S_IRWXU)
        for name in files:
            os.chmod(os.path.join(root, name), 0o644)


def seal(out, case, net_name, split=None, mode=None, length=0):
    entry = NETS[net_name]
    folder = tempfile.mkdtemp()
    xs = make_whole.tensors(entry, entry["inputs"], 0)
    ys = make_whole.flat(make_whole.build(entry)(*xs))
    more = {"enc_key": KEYS[length], "enc_mode": mode} if mode else {}
    os.chdir(folder)
    with (Split(*split) if split else Whole()):
        ms.export(make_whole.build(entry), *make_whole.example_inputs(entry, xs), file_name="net", file_format="MINDIR", **more)
    writable(folder)
    file = "net_graph.mindir" if split else "net.mindir"
    record = {"file": file, **({"key_hex": KEYS[length].hex(), "mode": mode} if mode else {}), "inputs": [make_whole.pack(x) for x in xs], "outputs": [make_whole.pack(y) for y in ys]}
    if not os.path.exists(file):
        raise RuntimeError(f"export wrote {os.listdir('.')}")
    with open("case.json", "w") as f:
        json.dump(record, f)
    os.chdir(HERE)
    shutil.rmtree(os.path.join(out, case), ignore_errors=True)
    shutil.copytree(folder, os.path.join(out, case))
    shutil.rmtree(folder)
    print("ok  ", case, flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.join(HERE, "sealed"))
    p.add_argument("--prefix", default="")
    a = p.parse_args()
    out = os.path.abspath(a.out)
    for name in ("nets_vision", "nets_recommender", "nets_control"):
        importlib.import_module(name)
    cases = [(f"cbam_{tag}", "cbam", None, mode, length) for tag, mode, length in SEALS]
    cases += [(f"while_{tag}", "nested_if_in_while", None, mode, length) for tag, mode, length in SEALS[2:7:2]]
    if hasattr(serialization, "TOTAL_SAVE"):
        cases += [("ncf_split", "ncf", (1, 1024), None, 0), ("ncf_split_files", "ncf", (1, 0.5), None, 0), ("tabular_split_files", "tabular_mlp", (0.5, 0.25), None, 0)]
        cases += [(f"ncf_split_{tag}", "ncf", (1, 0.5 if length == 16 else 1024), mode, length) for tag, mode, length in SEALS]
    for case, net_name, split, mode, length in cases:
        try:
            seal(out, a.prefix + case, net_name, split, mode, length)
        except Exception as e:  # noqa: BLE001
            print("FAIL", case, repr(e)[:300], flush=True)


if __name__ == "__main__":
    main()
