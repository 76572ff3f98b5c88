#!/usr/bin/env python3
"""Opens every blob of a coordinator, as who holds its folder and its key file can.

  open_blobs.py COORDINATOR_FOLDER KEY_FILE DATABASE_DUMP OUT

Writes the plaintexts to OUT/{repository id}/{address}, and of unfinished uploads
the whole frames to OUT/{repository id}/partial-{upload id}. Written from
docs/formats/blob.md alone, without Federity's code; needs python3-cryptography.
DATABASE_DUMP is text of pg_dumpall: it has the wrapped keys of the repositories.
Exit status 1 if a blob does not open, or is not what its address says.
"""

import hashlib
import os
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER, FRAME, OVERHEAD = 24, 1 << 20, 12 + 16


def table(dump, name):
    """The rows of one table of a dump, as dictionaries of COPY's texts."""
    columns = None
    with open(dump, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if columns is None:
                if line.startswith(f"COPY public.{name} ("):
                    columns = line[line.index("(") + 1:line.rindex(")")].split(", ")
            elif line == "\\.":
                return
            else:
                yield dict(zip(columns, line.split("\t")))
    raise ValueError(f"the dump has no whole table {name}")


def repository_key(key_file, repository, wrapped):
    """nonce ‖ sealed, with a label that names the repository."""
    return AESGCM(key_file).decrypt(wrapped[:12], wrapped[12:],
                                    b"federity/blob-key/v1 " + repository.encode())


class Blob:
    def __init__(self, data, key):
        if data[:8] != b"FEDBLOB\x01" or len(data) < HEADER:
            raise ValueError("no blob file")
        self.data, self.id = data, data[8:HEADER]
        self.cipher = AESGCM(hashlib.sha256(
            b"\0\0\0\1" + key + b"federity/blob/v1" + self.id).digest())

    def frame(self, offset, size, number, aad):
        nonce = self.data[offset:offset + 12]
        if nonce[8:] != struct.pack(">I", number):
            raise ValueError(f"frame {number} has another's number")
        return self.cipher.decrypt(nonce, self.data[offset + 12:offset + OVERHEAD + size],
                                   self.id + struct.pack(">I", number) + aad)

    def sealed(self, address):
        """The plaintext; every tag, the trailer and the digest are checked."""
        body = len(self.data) - HEADER - OVERHEAD
        whole, rest = divmod(body, FRAME + OVERHEAD)
        if rest < OVERHEAD:
            raise ValueError("no sealed blob has this length")
        parts = [self.frame(HEADER + n * (FRAME + OVERHEAD), FRAME, n, b"\0") for n in range(whole)]
        parts.append(self.frame(len(self.data) - 2 * OVERHEAD - (rest - OVERHEAD),
                                rest - OVERHEAD, whole, b"\1"))
        plain = b"".join(parts)
        self.frame(len(self.data) - OVERHEAD, 0, whole + 1,
                   b"\2" + struct.pack(">Q", len(plain)) + bytes.fromhex(address))
        if hashlib.sha256(plain).hexdigest() != address:
            raise ValueError("its SHA-256 is not its address")
        return plain

    def partial(self):
        """The whole frames up to the first that fails: what a crash leaves."""
        plain = b""
        for n in range((len(self.data) - HEADER) // (FRAME + OVERHEAD)):
            try:
                plain += self.frame(HEADER + n * (FRAME + OVERHEAD), FRAME, n, b"\0")
            except (InvalidTag, ValueError):
                break
        return plain


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    coordinator, key_file, dump, out = map(pathlib.Path, sys.argv[1:])
    key_of_all = key_file.read_bytes()
    keys = {row["id"]: bytes.fromhex(row["blob_key_wrapped"].removeprefix("\\\\x"))
            for row in table(dump, "repositories") if row["blob_key_wrapped"] != "\\N"}
    updates = {row["delta_digest"].removeprefix("sha256:")
               for row in table(dump, "contributions") if row["delta_digest"] != "\\N"}
    os.umask(0o077)
    opened, failed = set(), 0
    count = size = 0
    for path in sorted((coordinator / "blobs").glob("*/*/*")):
        repository, kind = path.parts[-3:-1]
        try:
            blob = Blob(path.read_bytes(), repository_key(key_of_all, repository, keys[repository]))
            plain = blob.sealed(path.name) if kind == "sealed" else blob.partial()
        except (InvalidTag, KeyError, ValueError) as error:
            print(f"{path} does not open: {error!r}")
            failed += 1
            continue
        target = out / repository / (path.name if kind == "sealed" else "partial-" + path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(plain)
        opened.add(path.name)
        count += 1
        size += len(plain)
    print(f"{count} blobs of {len(keys)} repositories opened ({size / 1e3:.1f} kB), "
          f"{len(updates & opened)} of {len(updates)} updates among them")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
