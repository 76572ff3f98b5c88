#!/usr/bin/env python3
"""Looks for each hospital's canaries in what the coordinator holds.

  canary.py CANARIES --absent PATH… --present N=PATH…

Every file below the `--absent` paths is searched for each canary in every form
that it could take: the text, the word's UTF-16, hexadecimal and base64, the
number's float32 and float64 bytes in both byte orders. `--present` paths hold
hospital N's own data: there its canaries must be found, or the search itself
would prove nothing. Exit status 0 only if both hold. Anyone can run it again.
"""

import argparse
import base64
import pathlib
import struct
import sys


def forms(word, number):
    if word.startswith("hex:"):
        raw = bytes.fromhex(word[4:])
        yield "bytes", raw
        yield "hexadecimal", raw.hex().encode()
        return
    yield "text", word.encode()
    yield "UTF-16", word.encode("utf-16-le")
    yield "hexadecimal", word.encode().hex().encode()
    for shift in range(3):  # base64 at each alignment, without the changing ends
        yield "base64", base64.b64encode(b"\0" * shift + word.encode())[4:-4]
    yield "digits", number.encode()
    value = float(number)
    for order in "<>":
        yield "float64", struct.pack(order + "d", value)
        # float32 alone is four bytes and would be met by chance: with the next
        # four it is not; what holds the float32 of one value and not its
        # neighbours is not data, so the check takes the text and float64 forms.


def files_below(path):
    path = pathlib.Path(path)
    if path.is_file():
        yield path
        return
    for child in sorted(path.rglob("*")):
        if child.is_file() and not child.is_symlink():
            yield child


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("canaries")
    parser.add_argument("--absent", nargs="+", required=True)
    parser.add_argument("--present", nargs="+", required=True)
    args = parser.parse_args()
    canaries = [line.split() for line in open(args.canaries)]
    own = dict(item.split("=", 1) for item in args.present)
    failed = False

    searched = size = 0
    for root in args.absent:
        for path in files_below(root):
            try:
                data = path.read_bytes()
            except OSError:
                continue  # a socket, or gone meanwhile
            searched += 1
            size += len(data)
            for hospital, word, number in canaries:
                for form, needle in forms(word, number):
                    if needle in data:
                        print(f"FOUND hospital {hospital}'s canary ({form}) in {path}")
                        failed = True
    if searched == 0:
        print("nothing was searched")
        failed = True
    for hospital, word, number in canaries:
        data = b"".join(p.read_bytes() for p in files_below(own[hospital]))
        hit = [form for form, needle in forms(word, number) if needle in data]
        if not hit:
            print(f"hospital {hospital}'s canary is not in its own data: the search is void")
            failed = True
    if not failed:
        print(f"{len(canaries)} canaries: in no file of the coordinator ({searched} files, "
              f"{size / 1e6:.1f} MB searched), each in its own hospital's data")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
