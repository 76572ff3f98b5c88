#!/usr/bin/env python3
"""Writes fedavg_vectors.json: inputs of federated averaging and what must come out.

Independent of the C++ code: integers and fractions only, but for the two
operations that docs/formats/delta.md defines in IEEE binary64 (updated - base,
and base + mean) and the last rounding to binary32. Run it and compare:
    ./make_fedavg_vectors.py | diff - fedavg_vectors.json
"""

import hashlib
import json
import struct
from fractions import Fraction

SCALE_BITS = {"parameter": 24, "buffer": 16}


def to_float(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def to_bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def half_even(fraction):
    return round(fraction)  # Python rounds a Fraction half to even


def encode(kind, base, updated):
    scale = 1 << SCALE_BITS[kind]
    return [half_even(Fraction(to_float(u) - to_float(b)) * scale) for b, u in zip(base, updated)]


def merge(kind, base, contributions, max_examples):
    weights = [min(examples, max_examples) for examples, _ in contributions]
    merged = []
    for i, bits in enumerate(base):
        total = sum(w * q[i] for w, (_, q) in zip(weights, contributions))
        mean = half_even(Fraction(total, sum(weights)))
        merged.append(to_bits(to_float(bits) + float(Fraction(mean, 1 << SCALE_BITS[kind]))))
    return merged


def digest_of(numbers, code):
    return hashlib.sha256(b"".join(struct.pack(code, n) for n in numbers)).hexdigest()


def splitmix64(state):
    """The generator of Steele, Lea and Flood (2014); also in the test."""
    state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1)
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return state, z ^ (z >> 31)


def generated_floats(seed, count, shift):
    """Multiples of 2^-shift in [-2^(23-shift), 2^(23-shift))."""
    values, state = [], seed
    for _ in range(count):
        state, word = splitmix64(state)
        values.append(to_bits((int(word >> 40) - (1 << 23)) * 2.0**-shift))
    return values


def explicit(name, kind, base, updates, max_examples):
    base_bits = [to_bits(b) for b in base]
    contributions = []
    shown = []
    for examples, updated in updates:
        bits = [to_bits(u) for u in updated]
        q = encode(kind, base_bits, bits)
        contributions.append((examples, q))
        shown.append({"examples": examples, "updated": [f"{b:08x}" for b in bits], "q": q})
    merged = merge(kind, base_bits, contributions, max_examples)
    return {
        "name": name,
        "kind": kind,
        "max_examples": max_examples,
        "base": [f"{b:08x}" for b in base_bits],
        "contributions": shown,
        "merged": [f"{b:08x}" for b in merged],
        "merged_sha256": digest_of(merged, "<I"),
    }


def generated(name, kind, count, examples, max_examples):
    base = generated_floats(1000, count, 23)
    contributions = []
    digests = []
    for i, n in enumerate(examples):
        change = generated_floats(2000 + i, count, 26)
        updated = [to_bits(to_float(b) + to_float(c)) for b, c in zip(base, change)]
        q = encode(kind, base, updated)
        contributions.append((n, q))
        digests.append(digest_of(q, "<i"))
    merged = merge(kind, base, contributions, max_examples)
    return {
        "name": name,
        "kind": kind,
        "max_examples": max_examples,
        "count": count,
        "examples": examples,
        "q_sha256": digests,
        "merged_sha256": digest_of(merged, "<I"),
    }


def main():
    unit = 2.0**-24
    vectors = [
        explicit("one contributor", "parameter", [0.0, 1.0, -2.5], [(10, [0.5, 1.25, -2.5])], 100),
        explicit("weights", "parameter", [0.0, 0.0], [(1, [1.0, -1.0]), (3, [0.0, 1.0])], 100),
        explicit("weights are capped", "parameter", [0.0], [(1, [1.0]), (1000000, [0.0])], 2),
        # q: halves of a unit round to the even neighbour.
        explicit("encoding rounds half to even", "parameter", [0.0] * 6,
                 [(1, [0.5 * unit, 1.5 * unit, 2.5 * unit, -0.5 * unit, -1.5 * unit, -2.5 * unit])],
                 1),
        # mean: (1 + 0)/2 -> 0, (1 + 2)/2 -> 2, (3 + 2)/2 -> 2, and negative.
        explicit("mean rounds half to even", "parameter", [0.0] * 6,
                 [(1, [unit, unit, 3 * unit, -unit, -unit, -3 * unit]),
                  (1, [0.0, 2 * unit, 2 * unit, 0.0, -2 * unit, -2 * unit])], 1),
        explicit("buffers have 16 bits", "buffer", [0.0, 10.0],
                 [(2, [2.0**-17, 10.5]), (1, [3 * 2.0**-17, 9.0])], 10),
        explicit("largest change", "parameter", [64.0, -64.0],
                 [(1, [-64.0, 64.0 - 2.0**-17])], 1),
        explicit("a small change of a large value", "parameter", [16777216.0, 3.0e38],
                 [(1, [16777218.0, 3.0e38])], 1),
        explicit("subnormal and negative zero", "parameter", [-0.0, to_float(1)],
                 [(1, [0.0, -to_float(1)])], 1),
        generated("five contributors", "parameter", 5000, [13, 400, 99999, 1, 250000], 100000),
        generated("five contributors, buffers", "buffer", 1000, [7, 8, 9, 10, 11], 9),
    ]
    print(json.dumps({"vectors": vectors}, indent=1))


if __name__ == "__main__":
    main()
