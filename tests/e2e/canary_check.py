#!/usr/bin/env python3
"""The demonstration's check must fail where a coordinator does hold rows.

  canary_check.py SOURCE_DIR

Makes a coordinator's folder by hand, with an update that carries a hospital's row
inside an encrypted blob, and runs deploy/demo/open_blobs.py and canary.py on it.
"""

import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DEMO = pathlib.Path(sys.argv[1]) / "deploy/demo"
REPOSITORY = "0b0e5c1c-6b58-4d0e-9d6a-3f0f6a1e9d52"
FRAME = 1 << 20
WORD, VALUES = "CANARY00112233445566778899aabb", "17.99123456789,10.38,122.8,1001"
ROW = struct.pack("<4f", *map(float, VALUES.split(",")))


def run(*command):
    done = subprocess.run([sys.executable, *map(str, command)], text=True, capture_output=True)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def blob(key, plain):
    """docs/formats/blob.md, the writing side; returns address and file."""
    blob_id, prefix, address = os.urandom(16), os.urandom(8), hashlib.sha256(plain)
    cipher = AESGCM(hashlib.sha256(b"\0\0\0\1" + key + b"federity/blob/v1" + blob_id).digest())

    def frame(number, data, aad):
        number = struct.pack(">I", number)
        return prefix + number + cipher.encrypt(prefix + number, data, blob_id + number + aad)

    whole = len(plain) // FRAME
    data = b"FEDBLOB\1" + blob_id
    for n in range(whole):
        data += frame(n, plain[n * FRAME:(n + 1) * FRAME], b"\0")
    data += frame(whole, plain[whole * FRAME:], b"\1")
    data += frame(whole + 1, b"", b"\2" + struct.pack(">Q", len(plain)) + address.digest())
    return address.hexdigest(), data


class Coordinator:
    """Its folder, key file and database dump, below `folder`."""

    def __init__(self, folder):
        self.folder = folder
        self.key = os.urandom(32)
        key_file, nonce = os.urandom(32), os.urandom(12)
        wrapped = nonce + AESGCM(key_file).encrypt(
            nonce, self.key, b"federity/blob-key/v1 " + REPOSITORY.encode())
        (folder / "coordinator.key").write_bytes(key_file)
        self.sealed = folder / "coordinator/blobs" / REPOSITORY / "sealed"
        self.partial = self.sealed.parent / "partial"
        self.sealed.mkdir(parents=True)
        self.partial.mkdir()
        self.dump = ("COPY public.repositories (id, name, blob_key_wrapped) FROM stdin;\n"
                     f"{REPOSITORY}\tbreast\t\\\\x{wrapped.hex()}\n\\.\n"
                     "COPY public.contributions (delta_digest) FROM stdin;\n")
        self.updates = []
        (folder / "hospital-1.csv").write_text(f"{VALUES},{WORD}\n")
        (folder / "canaries.txt").write_text(f"1 {WORD} {VALUES}\n")

    def add(self, plain):
        address, data = blob(self.key, plain)
        (self.sealed / address).write_bytes(data)
        self.updates.append(address)
        return self.sealed / address

    def remove(self, path):
        path.unlink()
        (self.folder / "opened" / REPOSITORY / path.name).unlink()
        self.updates.remove(path.name)

    def open(self):
        rows = "".join(f"sha256:{address}\n" for address in self.updates)
        (self.folder / "dump.sql").write_text(self.dump + rows + "\\.\n")
        return run(DEMO / "open_blobs.py", self.folder / "coordinator",
                   self.folder / "coordinator.key", self.folder / "dump.sql",
                   self.folder / "opened")

    def search(self):
        return run(DEMO / "canary.py", "search", self.folder / "canaries.txt", "--absent",
                   self.folder / "coordinator", self.folder / "dump.sql", self.folder / "opened",
                   "--present", f"1={self.folder / 'hospital-1.csv'}",
                   "--control", self.folder / "control.txt", self.folder / "opened")


def check(folder):
    coordinator = Coordinator(folder)
    run(DEMO / "canary.py", "plant", DEMO / "models/wdbc.pt", folder)
    coordinator.add(b"an honest update")
    assert coordinator.open()[0] == 0
    status, said = coordinator.search()
    assert status == 1 and "the search is void" in said, said  # no control
    coordinator.add(b"a model" + struct.pack("<4f", *map(
        float, (folder / "control.txt").read_text().split()[2].split(","))))
    coordinator.add(os.urandom(2 * FRAME))  # an empty last frame
    assert coordinator.open()[0] == 0
    status, said = coordinator.search()
    assert status == 0, said

    # A row in each form, where two frames meet for one of them.
    for form in (ROW, WORD.encode(), VALUES.split(",")[0].encode(), ROW.hex().encode()):
        rogue = coordinator.add(bytes(FRAME - 5) + form)
        status, said = coordinator.open()
        assert status == 0 and "4 of 4 updates" in said, said
        status, said = coordinator.search()
        assert status == 1 and "FOUND hospital 1" in said and rogue.name in said, said
        # Not by what lies on the disk: the blob itself tells nothing.
        assert str(rogue) not in said, said
        coordinator.remove(rogue)

    # An upload that was broken off, torn in its second frame.
    (coordinator.partial / "upload").write_bytes(
        blob(coordinator.key, ROW + bytes(2 * FRAME))[1][:FRAME + 4000])
    assert coordinator.open()[0] == 0
    status, said = coordinator.search()
    assert status == 1 and "partial-upload" in said, said

    # What is not what its address says does not pass as searched.
    changed = bytearray((good := coordinator.add(b"to be changed")).read_bytes())
    changed[40] ^= 1
    good.write_bytes(changed)
    status, said = coordinator.open()
    assert status == 1 and f"{good} does not open" in said, said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="federity-canary-") as temporary:
        check(pathlib.Path(temporary))
