#!/usr/bin/env python3
"""Looks for each hospital's canaries in what the coordinator holds.

  canary.py plant MODEL OUT
  canary.py search CANARIES --absent PATH… --present N=PATH… --control CONTROL PATH…

`search` looks in every file below the `--absent` paths for each canary in the
forms in which it could stand there verbatim: the word as text, UTF-16 and base64;
the numbers as digits, as float64 and, with their neighbours in the row, as the
float32 of the trainer's tensors; bytes of pixels also as float32; all of them as
hexadecimal too. Compressed, enciphered or computed-with data it does not find.

Two things keep it honest. `--present` paths hold hospital N's own data: there its
canaries must be found. And `plant` makes OUT/control.pt, a copy of MODEL with a
row of four numbers as its first weights, and OUT/control.txt, which lists them
with a word: below each path after CONTROL some form of these must be found. The
demonstration lets the coordinator store that model, and writes the word where the
search must see it. Exit status 0 only if all holds. Anyone can run it again.
"""

import argparse
import base64
import pathlib
import secrets
import struct
import sys
import zipfile


def raw_forms(word, values):
    if word.startswith("hex:"):
        raw = bytes.fromhex(word[4:])
        yield "bytes", raw
        for order in "<>":
            yield "float32 pixels", struct.pack(f"{order}{len(raw)}f", *(b / 255 for b in raw))
        return
    yield "text", word.encode()
    yield "UTF-16", word.encode("utf-16-le")
    yield "digits", values.split(",")[0].encode()
    numbers = [float(v) for v in values.split(",")]
    for order in "<>":
        yield "float64", struct.pack(order + "d", numbers[0])
        # One float32 has four bytes and is met by chance; four in a row are not.
        yield "float32 row", struct.pack(f"{order}{len(numbers)}f", *numbers)


def forms(word, values):
    for form, raw in raw_forms(word, values):
        yield form, raw
        yield form + " in hexadecimal", raw.hex().encode()
    if not word.startswith("hex:"):
        for shift in range(3):  # at each alignment, without the changing ends
            yield "base64", base64.b64encode(b"\0" * shift + word.encode())[4:-4]


def files_below(path):
    path = pathlib.Path(path)
    if path.is_file():
        yield path
        return
    for child in sorted(path.rglob("*")):
        if child.is_file() and not child.is_symlink():
            yield child


def read_canaries(path):
    """(name, needles) for each line: name, word, values."""
    for line in open(path):
        name, word, values = line.split()
        yield name, list(forms(word, values))


def holds(path, needles):
    return any(needle in data for data in (p.read_bytes() for p in files_below(path))
               for _, needle in needles)


def search(args):
    canaries = list(read_canaries(args.canaries))
    own = dict(item.split("=", 1) for item in args.present)
    failures = []

    searched = size = 0
    for root in args.absent:
        if not pathlib.Path(root).exists():
            failures.append(f"{root} is not there: nothing was searched in it")
        for path in files_below(root):
            try:
                data = path.read_bytes()
            except OSError:
                continue  # gone meanwhile
            searched += 1
            size += len(data)
            for hospital, needles in canaries:
                for form, needle in needles:
                    if needle in data:
                        failures.append(f"FOUND hospital {hospital}'s canary ({form}) in {path}")
    for hospital, needles in canaries:
        if not holds(own[hospital], needles):
            failures.append(f"hospital {hospital}'s canary is not in its own data: "
                            "the search is void")
    control, *places = args.control
    for name, needles in read_canaries(control):
        for place in places:
            if not holds(place, needles):
                failures.append(f"the {name} is not found in {place}: the search is void")
    if not canaries or not places:
        failures.append("there is no canary, or no control")
    for failure in failures:
        print(failure)
    if not failures:
        print(f"{len(canaries)} canaries: in no file of the coordinator ({searched} files, "
              f"{size / 1e6:.1f} MB searched), each in its own hospital's data;\n"
              f"the control is found in all {len(places)} places where it was put")
    return 1 if failures else 0


def plant(args):
    word = "CONTROL" + secrets.token_hex(12)
    values = ["0.0" + "".join(secrets.choice("123456789") for _ in range(8)) for _ in range(4)]
    row = struct.pack("<4f", *map(float, values))
    with zipfile.ZipFile(args.model) as model, \
            zipfile.ZipFile(args.out / "control.pt", "w", zipfile.ZIP_STORED) as out:
        for entry in model.infolist():
            data = model.read(entry)
            if entry.filename.endswith("/data/0"):  # the first parameter, float32
                data = row + data[len(row):]
            out.writestr(entry.filename, data)
    (args.out / "control.txt").write_text(f"control {word} {','.join(values)}\n")
    print(word)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sub = commands.add_parser("plant")
    sub.set_defaults(run=plant)
    sub.add_argument("model")
    sub.add_argument("out", type=pathlib.Path)
    sub = commands.add_parser("search")
    sub.set_defaults(run=search)
    sub.add_argument("canaries")
    sub.add_argument("--absent", nargs="+", required=True)
    sub.add_argument("--present", nargs="+", required=True)
    sub.add_argument("--control", nargs="+", required=True)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
