#!/usr/bin/env python3
"""Runs the demonstration with the built programs; checks its figures and what it leaves.

  demo.py BIN_DIR SOURCE_DIR
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

BIN, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
ROUNDS, HOSPITALS = 3, 3
LIMIT_S = 840  # below CTest's own, so that the demonstration can clean up


def run_demo(folder):
    """Exit status and output; `folder` is where everything of it lies."""
    demo = subprocess.Popen(
        [SOURCE / "deploy/demo.sh", "--rounds", str(ROUNDS), "--seeds", "1",
         "--bin", BIN, "--summary", folder / "summary.json"],
        env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = demo.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGTERM)
        output, _ = demo.communicate()
        output += f"\nended: it took more than {LIMIT_S} s"
    return demo, output


def check_summary(summary):
    assert set(summary) == {"rounds", "baseline"}, summary
    rounds, baseline = summary["rounds"], summary["baseline"]
    assert [r["round"] for r in rounds] == list(range(1, ROUNDS + 1)), rounds
    for r in rounds:
        assert set(r) == {"round", "accuracy", "loss", "contributions", "seconds"}, r
        assert 0 <= r["accuracy"] <= 1 and r["loss"] >= 0 and r["seconds"] >= 0, r
        assert r["contributions"] == HOSPITALS, r
    assert set(baseline) == {"local_only", "pooled"}, baseline
    local = baseline["local_only"]
    assert len(local) == HOSPITALS, local
    assert all(0 <= accuracy <= 1 for accuracy in [*local, baseline["pooled"]]), baseline
    assert rounds[-1]["accuracy"] >= 0.9, rounds
    assert rounds[-1]["accuracy"] > sum(local) / len(local), summary


def check_said(output):
    updates = re.search(r"(\d+) of (\d+) updates among them", output)
    assert updates and updates[1] == updates[2] == str(ROUNDS * HOSPITALS), updates
    assert f"{HOSPITALS} canaries: in no file of the coordinator" in output
    assert re.search(r"the control is found in all [23] places", output)


def check_left(pid, folder):
    """Neither processes nor, of a run as root, namespaces and users."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # gone
        assert f"{folder}/federity-demo-".encode() not in command, command
    spaces = pathlib.Path("/run/netns")
    assert not (spaces.is_dir() and list(spaces.glob(f"fed{pid}-*"))), "network namespaces stay"
    assert f"fed{pid}-h" not in pathlib.Path("/etc/passwd").read_text(), "users stay"


def main():
    with tempfile.TemporaryDirectory(prefix="federity-test-") as folder:
        os.chmod(folder, 0o711)  # the database's user passes through
        folder = pathlib.Path(folder)
        demo, output = run_demo(folder)
        print(output)
        check_left(demo.pid, folder)
        if demo.returncode != 0:
            for log in sorted(folder.glob("federity-demo-*/**/*.log")):
                print(f"== {log.name}\n{log.read_text(errors='replace')[-4000:]}")
            sys.exit(f"the demonstration ended with {demo.returncode}")
        check_summary(json.loads((folder / "summary.json").read_text()))
        check_said(output)


if __name__ == "__main__":
    main()
