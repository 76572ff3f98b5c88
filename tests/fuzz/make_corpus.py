#!/usr/bin/env python3
"""Writes the seed corpus of every fuzz target: tests/fuzz/corpus/TARGET/NAME.

  make_corpus.py           writes the files below; others (regressions) stay
  make_corpus.py --check   fails where a file below is missing or differs
"""

import base64
import pathlib
import struct
import sys
import zlib

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def safetensors(tensors, encoding="weights-1", buffers="", length=None):
    text = '{"__metadata__":{"federity.buffers":"[%s]","federity.encoding":"%s","format":"pt"}' % (
        buffers, encoding)
    for name, dtype, shape, begin, end in tensors:
        text += ',"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}' % (
            name, dtype, ",".join(map(str, shape)), begin, end)
    text += "}"
    text += " " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if length is None else length) + text.encode()


def safetensors_files():
    two = [("w", "F32", [2, 2], 0, 16), ("n", "I64", [], 16, 24)]
    return {
        "empty": safetensors([]),
        "two": safetensors(two, buffers='\\"n\\"'),
        "delta": safetensors([("w", "I32", [2, 2], 0, 16)], encoding="plain-1"),
        "gap": safetensors([("w", "F32", [1], 8, 12)]),
        "zero": safetensors([("w", "F32", [0, 3], 0, 0)]),
        "twice": safetensors([("w", "U8", [1], 0, 1), ("w", "U8", [1], 1, 2)]),
        "huge_shape": safetensors([("w", "F32", [68719476736, 68719476736], 0, 0)]),
        "huge_length": safetensors([], length=2**64 - 1),
    }


PLAN = b"""[data]
kind = "table"
features = ["age", "x"]
label = "outcome"
classes = ["no", "yes"]
range = [-8.0, 8.0]
standardise = "federated"
[training]
loss = "cross_entropy"
learning_rate = 0.125
seed = 7
[round]
min_contributions = 3
deadline = "10m"
[aggregation]
max_update_norm = 10.0
"""


def plan_files():
    images = b'[data]\nkind = "images"\nshape = [1, 2, 2]\nclasses = [0, 1]\n'
    return {
        "table": PLAN,
        "images": images,
        "dotted": b'data.features = ["a"]\ndata.classes = ["0", "1"]\ntraining.loss = "cross_entropy"\n',
        "fixed": PLAN.replace(b'"federated"', b'"fixed"\nmean = [0, 1e300]\nsd = [5e-324, 1]'),
        "regression": PLAN.replace(b'classes = ["no", "yes"]\n', b"").replace(
            b"cross_entropy", b"mse"),
        "escapes": PLAN.replace(b'"no"', b'"\\u00e9\\"\\\\"'),
        "unknown": PLAN + b"[extra]\na.b.c = [[1], {d = 2}]\n",
        "not_a_number": PLAN.replace(b"10.0", b"nan"),
        "deep_lists": PLAN + b"[extra]\na = " + b"[" * 300,
        "deep_key": PLAN + b"a" + b".a" * 40 + b" = 1\n",
        "not_so_deep_key": PLAN + b"a.b.\"c.d\".'e'.f = 1.5 # g.h\n",
    }


def csv_files():
    return {
        "plain": b"a,b,y\n1,2.5,no\n,-3e4,yes\n",
        "semicolon": b'\xef\xbb\xbfb;a;y;"z;"\r\n1;2;1;"q""q"\r\n\r\n3;NA;no;\r\n',
        "quoted": b'a,"b",y\n"1","2\n","no"',
        "stray_quote": b'a,b,y\n1"2,3,no\n',
        "open_quote": b'a,b,y\n"1,2,no\n',
        "nul": b"a,b,y\n1,\x002,no\n",
        "utf16": "a,b\n".encode("utf-16"),
        "large": b"a,b,y\n1e400,99999999999999999999,maybe\n",
    }


def idx(sizes, elements, kind=8):
    return struct.pack(">BBBB", 0, 0, kind, len(sizes)) + b"".join(
        struct.pack(">I", size) for size in sizes) + elements


def gzip(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def idx_files():
    images = idx([2, 2, 2], bytes(range(8)))
    labels = idx([2], b"\x00\x01")

    def pair(images, labels):
        return bytes([len(labels)]) + labels + images

    return {
        "plain": pair(images, labels),
        "gzip": pair(gzip(images), gzip(labels)),
        "channel": pair(idx([2, 1, 2, 2], bytes(range(8))), labels),
        "short": pair(images[:-1], labels),
        "label_beyond": pair(images, idx([2], b"\x00\x02")),
        "promises": pair(idx([2**32 - 1, 2, 2], b""), idx([2**32 - 1], b"")),
        "floats": pair(idx([2, 2, 2], bytes(32), kind=13), labels),
    }


def png(colour, rows, width=4, height=3, depth=8):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def jpeg(components, width=4, height=3):
    """All grey: one code for "no difference" and one for "end of block"."""

    def segment(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    one_code = bytes([1] + [0] * 15) + b"\x00"
    numbers = range(1, components + 1)
    return (b"\xff\xd8" + segment(0xDB, b"\x00" + b"\x01" * 64)
            + segment(0xC0, struct.pack(">BHHB", 8, height, width, components)
                      + b"".join(bytes([n, 0x11, 0]) for n in numbers))
            + segment(0xC4, b"\x00" + one_code) + segment(0xC4, b"\x10" + one_code)
            + segment(0xDA, bytes([components]) + b"".join(bytes([n, 0]) for n in numbers)
                      + b"\x00\x3f\x00")
            + bytes([0xFF >> 2 * components]) + b"\xff\xd9")


def image_files():
    return {
        "grey.png": png(0, (b"\x00" + bytes(range(4))) * 3),
        "colour.png": png(2, (b"\x00" + bytes(range(12))) * 3),
        "alpha.png": png(6, (b"\x01" + bytes(range(16))) * 3),
        "sixteen.png": png(0, (b"\x02" + bytes(range(8))) * 3, depth=16),
        "large.png": png(0, b"", width=2**31 - 1, height=2**31 - 1),
        "grey.jpg": jpeg(1),
        "colour.jpg": jpeg(3),
        "large.jpg": jpeg(1, width=65535, height=65535),
    }


def frame(payload):
    return struct.pack("<I", len(payload)) + payload


def trainer_frames_files():
    started = b"\x0a\x05\x0a\x03cpu"
    return {
        "empty_message": frame(b""),
        "two": frame(started) + frame(b"\x12\x00"),
        "cut": frame(started)[:-2],
        "huge": struct.pack("<I", 2**32 - 1) + b"x",
        "not_protobuf": frame(b"\xff\xff\xff"),
        "then_more": frame(started) + b"\x01",
    }


def delta_files():
    floats = struct.pack("<5i", 1, -2, 3, 1 << 23, 5)
    integers = struct.pack("<2q", 255, -(2**31))
    return {
        "update": floats + integers,
        "beyond": floats + struct.pack("<2q", 256, 0),
        "norm": struct.pack("<5i", *[-(2**31)] * 5) + integers,
        "weights": struct.pack("<5f", 1, 2, 3, 4, 5) + b"\x07" + struct.pack("<i", 9),
        "nan": struct.pack("<5f", 1, float("nan"), 3, 4, 5) + b"\x07" + struct.pack("<i", 9),
        "file": safetensors([("w", "F32", [1], 0, 4)]) + struct.pack("<f", 1),
        "short": b"\x00",
    }


def blob_files():
    return {
        "whole": b"\x00\x00\x00some bytes",
        "empty": b"\x00\x00\x00",
        "magic": b"\x01\x00\x00some bytes",
        "id": b"\x01\x00\x0asome bytes",
        "frame": b"\x80\x00\x28some bytes",
        "trailer": b"\x80\x00\x40some bytes",
        "raw": b"FEDBLOB\x01" + b"i" * 16 + bytes(28 + 28),
    }


def join_link_files():
    payload = base64.urlsafe_b64encode(b"\x01" + bytes(range(48))).rstrip(b"=")
    return {
        "person": b"federity://host.example:8443/j1/" + payload,
        "agent": b" federity://[2001:db8::1]:1/j1/"
                 + base64.urlsafe_b64encode(b"\x02" + bytes(48)).rstrip(b"=") + b"\n",
        "kind": b"federity://h:1/j1/" + base64.urlsafe_b64encode(b"\x09" + bytes(48)).rstrip(b"="),
        "port": b"federity://host:65536/j1/" + payload,
        "version": b"federity://host:8443/j2/" + payload,
        "padding": b"federity://host:8443/j1/" + payload + b"=",
        "address": b"localhost:8443",
    }


def names_files():
    return {
        "repository": b"organizations/st-mary/repositories/heart",
        "contribution": b"organizations/o/repositories/r/rounds/3/contributions/c.1",
        "member": b"members/m",
        "short": b"st-mary/heart@v1",
        "dots": b"organizations/o/repositories/r/uploads/..",
        "display": "Süd-Klinik St. Łukas 東".encode(),
        "hyphens": b"-a/b-",
    }


def page_token_files():
    return {
        "cursor": b"1700000000000000,00000000-0000-4000-8000-000000000000",
        "token": base64.urlsafe_b64encode(bytes(60)).rstrip(b"="),
        "far": b"-9223372036854775808,00000000-0000-4000-8000-000000000000",
    }


def text_files():
    return {
        "hex": b"00ff7a",
        "base64": b"AAD_-w",
        "utf8": "é€𐍈\u202e".encode(),
        "surrogate": b"\xed\xa0\x80",
        "overlong": b"\xc0\xaf\xe0\x80\xaf",
        "duration": b"90m",
        "long_duration": b"9223372036854775807d",
    }


def main():
    check = sys.argv[1:] == ["--check"]
    wrong = 0
    for key, make in sorted(globals().items()):
        if not key.endswith("_files"):
            continue
        folder = CORPUS / key[:-len("_files")]
        for name, content in make().items():
            path = folder / name
            if not check:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            elif not path.is_file() or path.read_bytes() != content:
                print(f"{path} is not what make_corpus.py writes")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
