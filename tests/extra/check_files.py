#!/usr/bin/env python3
"""Checks what pull_files.py pulled. Exit status 77: skipped, and why.

  check_files.py CHECK BUILD_DIR

  safetensors_plain   the grammar of docs/formats/safetensors.md, read anew here,
                      and Federity's own reader agree about the weights
  safetensors_python  Python's safetensors reads them too, and Federity reads what
                      that library writes
  torch_plain         model.pt is an archive that holds exactly those weights
  torch_python        torch.jit.load takes model.pt, which computes as the original
"""

import json
import pathlib
import re
import struct
import subprocess
import sys
import zipfile

VERSION = "0.5.3"  # of Python's safetensors; later ones write by another interface
BUILD = pathlib.Path(sys.argv[2])
PULLED = BUILD / "extra/pulled"
SIZES = {"F32": 4, "F64": 8, "I32": 4, "I64": 8, "U8": 1, "BOOL": 1}


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def parse(data):
    """[(name, dtype, shape, bytes)] and the metadata, or an AssertionError."""
    (length,) = struct.unpack("<Q", data[:8])
    text, body = data[8:8 + length].decode("ascii"), data[8 + length:]
    assert length % 8 == 0 and len(text) - len(text.rstrip(" ")) < 8, "padding"
    pairs = json.loads(text, object_pairs_hook=list)
    assert json.dumps(json.loads(text), separators=(",", ":")) == text.rstrip(" "), "white space"
    assert pairs[0][0] == "__metadata__"
    metadata = pairs[0][1]
    assert [key for key, _ in metadata] == ["federity.buffers", "federity.encoding", "format"]
    tensors, end = [], 0
    for name, fields in pairs[1:]:
        assert [key for key, _ in fields] == ["dtype", "shape", "data_offsets"], name
        (_, dtype), (_, shape), (_, (first, last)) = fields
        assert re.fullmatch(r'[ !#-\[\]-~]{1,256}', name), name
        elements = 1
        for dimension in shape:
            elements *= dimension
        assert (first, last) == (end, end + elements * SIZES[dtype]), name
        tensors.append((name, dtype, shape, body[first:last]))
        end = last
    assert end == len(body), "bytes behind the last tensor"
    assert len({name for name, *_ in tensors}) == len(tensors) > 0
    return tensors, dict(metadata)


def pulled():
    return parse((PULLED / "model.safetensors").read_bytes())


def agree(file, tensors):
    """Federity's reader sees the same tensors."""
    lines, end = [], 0
    for name, dtype, shape, data in tensors:
        lines.append(f"{name} {dtype} {end} {end + len(data)} {shape}")
        end += len(data)
    printed = subprocess.run([BUILD / "bin/read_safetensors", file], text=True, check=True,
                             stdout=subprocess.PIPE).stdout
    assert printed.splitlines() == lines, printed


def safetensors_plain():
    tensors, metadata = pulled()
    agree(PULLED / "model.safetensors", tensors)
    assert metadata["federity.encoding"] == "weights-1"
    assert set(json.loads(metadata["federity.buffers"])) < {name for name, *_ in tensors}


def safetensors_python():
    folder = BUILD / "extra/python"
    if not (folder / "safetensors").exists() and subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder,
             f"safetensors=={VERSION}"], stderr=subprocess.DEVNULL, timeout=120).returncode != 0:
        skip(f"pip can't install safetensors {VERSION}")
    sys.path.insert(0, str(folder))
    import safetensors
    tensors, metadata = pulled()
    loaded = dict(safetensors.deserialize((PULLED / "model.safetensors").read_bytes()))
    assert loaded.keys() == {name for name, *_ in tensors}
    for name, dtype, shape, data in tensors:
        theirs = loaded[name]
        assert (theirs["dtype"], theirs["shape"], bytes(theirs["data"])) == (dtype, shape, data), name
    # That library orders tensors by itself, and in some versions the metadata at
    # random, where Federity takes one order only.
    metadata["federity.buffers"] = "[]"
    names = {"F32": "float32", "F64": "float64", "I32": "int32", "I64": "int64", "U8": "uint8",
             "BOOL": "bool"}
    written = PULLED / "python.safetensors"
    for _ in range(1000):
        written.write_bytes(safetensors.serialize(
            {name: {"dtype": names[dtype], "shape": shape, "data": data}
             for name, dtype, shape, data in tensors}, metadata))
        try:
            again, _ = parse(written.read_bytes())
            break
        except AssertionError as error:
            last = error
    else:
        raise last
    assert sorted(again) == sorted(tensors)
    agree(written, again)
    print("safetensors", safetensors.__version__)


def torch_plain():
    tensors, _ = pulled()
    with zipfile.ZipFile(PULLED / "model.pt") as archive:
        assert archive.testzip() is None
        stored = [archive.read(name) for name in archive.namelist()
                  if re.fullmatch(r"[^/]+/data/[0-9]+", name)]
    assert sorted(stored) == sorted(data for *_, data in tensors)


def torch_python():
    try:
        import torch
    except ImportError:
        skip(f"{sys.executable} has no torch; Debian's is python3-torch")
    torch.manual_seed(1)
    batch = torch.rand(5, 1, 28, 28)
    outputs = []
    for name in ("original.pt", "model.pt"):
        module = torch.jit.load(str(PULLED / name)).eval()
        with torch.no_grad():
            outputs.append(module(batch))
    assert torch.equal(*outputs), outputs
    print("torch", torch.__version__)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
