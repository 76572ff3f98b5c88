#!/usr/bin/env python3
"""Pulls a model as a user would, for the checks of check_files.py.

  pull_files.py SOURCE_DIR BUILD_DIR

Starts a coordinator, makes a repository of the demonstration's garments model
(BatchNorm, buffers of integers) and pulls it to BUILD_DIR/extra/pulled:
model.safetensors and model.pt, beside original.pt.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
MODEL = SOURCE / "deploy/demo/models/garments.pt"
PLAN = SOURCE / "deploy/demo/plan-images.toml"


def federity(home, *arguments, stdin=""):
    return subprocess.run([BUILD / "bin/federity", *arguments], input=stdin, text=True, check=True,
                          stdout=subprocess.PIPE,
                          env={**os.environ, "FEDERITY_HOME": str(home)}).stdout


def pull(folder, out):
    data, log = folder / "coordinator", open(folder / "server.log", "w")
    server = subprocess.Popen([BUILD / "bin/federity-server", "run", "--data-dir", data, "--listen",
                               "127.0.0.1:0", "--public", "127.0.0.1:0"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not ((data / "port").exists() and (data / "administrator-link").exists()):
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("the coordinator did not start:\n" + (folder / "server.log").read_text())
            time.sleep(0.05)
        federity(folder / "admin", "join", "-", stdin=(data / "administrator-link").read_text())
        link = federity(folder / "admin", "org", "invite", "st-mary").splitlines()[0]
        federity(folder / "owner", "join", "-", stdin=link)
        federity(folder / "owner", "repo", "create", "st-mary/it", "--model", MODEL, "--plan", PLAN)
        for name in ("model.safetensors", "model.pt"):
            federity(folder / "owner", "pull", "st-mary/it", "-o", out / name)
        shutil.copy(MODEL, out / "original.pt")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    out = BUILD / "extra/pulled"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="federity-extra-") as temporary:
        os.chmod(temporary, 0o711)
        pull(pathlib.Path(temporary), out)
