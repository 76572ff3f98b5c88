#!/usr/bin/env python3
"""Splits a demonstration data set over hospitals, with a canary in each.

  split.py table  SOURCE.csv OUT --label COLUMN --shares 60,25,15 --seed 1
  split.py sites  Pbc3.csv   OUT --seed 1
  split.py images FOLDER     OUT --hospitals 5 --per-hospital 1200 --test 2000 --seed 1

`table` writes OUT/hospital-N.csv and OUT/test.csv (a fifth of the rows, held by
nobody). Each hospital's file gets a column that no model uses, patient_note, and
one of its rows carries canaries: a random word there and a random last digit
sequence in the first feature. OUT/canaries.txt lists them for the final check,
with the row's next three values.
`images` writes IDX files with label skew. Standard library only.
"""

import argparse
import csv
import gzip
import pathlib
import random
import secrets
import struct


def with_canary(rows, header, hospital, canaries):
    """Marks one row: a word in patient_note and digits in the first feature."""
    word = "CANARY" + secrets.token_hex(12)
    rows = [row + [""] for row in rows]
    marked = next(row for row in rows[len(rows) // 2:] if all(row[:4]))
    marked[-1] = word
    number = "%.2f%s" % (float(marked[0]), "".join(secrets.choice("123456789") for _ in range(9)))
    marked[0] = number
    canaries.append((hospital, word, ",".join(marked[:4])))
    return [header + ["patient_note"]] + rows


def write_csv(path, rows):
    with open(path, "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


def write_canaries(out, canaries):
    with open(out / "canaries.txt", "w") as f:
        for hospital, word, values in canaries:
            f.write(f"{hospital} {word} {values}\n")


def split_table(args):
    with open(args.source, newline="") as f:
        header, *rows = list(csv.reader(f))
    label = header.index(args.label)
    rng = random.Random(args.seed)
    rng.shuffle(rows)
    test, rest = rows[: len(rows) // 5], rows[len(rows) // 5:]
    # Uneven in size and in case mix: the first hospitals see more of one class.
    common = rest[0][label]
    rest.sort(key=lambda row: (row[label] == common) + rng.random() * 2.0)
    shares = [float(s) for s in args.shares.split(",")]
    canaries, begin = [], 0
    for i, share in enumerate(shares, 1):
        end = len(rest) if i == len(shares) else begin + round(len(rest) * share / sum(shares))
        part = rest[begin:end]
        rng.shuffle(part)
        write_csv(args.out / f"hospital-{i}.csv", with_canary(part, header, i, canaries))
        begin = end
    write_csv(args.out / "test.csv", [header] + test)
    write_canaries(args.out, canaries)


# The PBC-3 trial: six European hospitals in column `unit`.
PBC3_FEATURES = ["tment", "sex", "age", "stage", "gibleed", "crea", "alb", "bili", "alkph",
                 "asptr", "weight", "days"]


def split_sites(args):
    with open(args.source, newline="") as f:
        rows = list(csv.DictReader(f, delimiter=";"))
    header = [f for f in PBC3_FEATURES] + ["event"]
    rng = random.Random(args.seed)
    canaries, test = [], []
    for unit in sorted({row["unit"] for row in rows}, key=int):
        part = [[row[f] if row[f] not in ("", "NA", ".") else "" for f in PBC3_FEATURES]
                + ["no" if row["status"] == "0" else "yes"] for row in rows if row["unit"] == unit]
        rng.shuffle(part)
        held = len(part) // 5
        test += part[:held]
        write_csv(args.out / f"hospital-{unit}.csv",
                  with_canary(part[held:], header, int(unit), canaries))
    write_csv(args.out / "test.csv", [header] + test)
    write_canaries(args.out, canaries)


def read_idx(path):
    with gzip.open(path, "rb") as f:
        data = f.read()
    dims = struct.unpack(">" + "I" * data[3], data[4:4 + 4 * data[3]])
    return dims, data[4 + 4 * data[3]:]


def write_idx(stem, images, labels):
    with open(f"{stem}-images.idx", "wb") as f:
        f.write(struct.pack(">IIII", 0x803, len(images), 28, 28) + b"".join(images))
    with open(f"{stem}-labels.idx", "wb") as f:
        f.write(struct.pack(">II", 0x801, len(labels)) + bytes(labels))


def split_images(args):
    folder = pathlib.Path(args.source)
    rng = random.Random(args.seed)

    def load(name):
        (count, height, width), pixels = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
        _, labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz")
        size = height * width
        return [pixels[i * size:(i + 1) * size] for i in range(count)], list(labels)

    images, labels = load("train")
    by_class = {c: [i for i, l in enumerate(labels) if l == c] for c in range(10)}
    for indices in by_class.values():
        rng.shuffle(indices)
    canaries = []
    for h in range(args.hospitals):
        # Two classes make most of a hospital's images, the others a trickle.
        own = [(2 * h) % 10, (2 * h + 1) % 10]
        chosen = []
        for c in range(10):
            n = args.per_hospital * 45 // 100 if c in own else args.per_hospital // 80
            chosen += [by_class[c].pop() for _ in range(n)]
        rng.shuffle(chosen)
        part = [images[i] for i in chosen]
        # Sixteen random bytes in one image's first pixels.
        mark = secrets.token_bytes(16)
        part[len(part) // 2] = mark + part[len(part) // 2][16:]
        canaries.append((h + 1, "hex:" + mark.hex(), "-"))
        write_idx(args.out / f"hospital-{h + 1}", part, [labels[i] for i in chosen])
    images, labels = load("t10k")
    chosen = rng.sample(range(len(images)), args.test)
    write_idx(args.out / "test", [images[i] for i in chosen], [labels[i] for i in chosen])
    write_canaries(args.out, canaries)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("table", "sites", "images"):
        sub = commands.add_parser(name)
        sub.add_argument("source")
        sub.add_argument("out", type=pathlib.Path)
        sub.add_argument("--seed", type=int, default=1)
        if name == "table":
            sub.add_argument("--label", required=True)
            sub.add_argument("--shares", default="60,25,15")
        if name == "images":
            sub.add_argument("--hospitals", type=int, default=5)
            sub.add_argument("--per-hospital", type=int, default=1200)
            sub.add_argument("--test", type=int, default=2000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    {"table": split_table, "sites": split_sites, "images": split_images}[args.command](args)


if __name__ == "__main__":
    main()
