#!/usr/bin/env python3
"""Prints and collects the demonstration's figures.

  report.py round ROUND_JSON EVALUATION_FILE STARTED NOW ROUNDS_FILE
  report.py summary FOLDER [SUMMARY_FILE]
  report.py check FOLDER POINTS    fails unless the federated model is above the mean
                                   single hospital, and by that many points at least
"""

import json
import pathlib
import sys


def accuracy_and_loss(path):
    with open(path) as f:
        evaluation = json.load(f)
    return evaluation["accuracy"], evaluation["loss"]


def add_round(round_json, evaluation, started, now, rounds_file):
    r = json.loads(round_json)
    accuracy, loss = accuracy_and_loss(evaluation)
    row = {"round": int(r["name"].rsplit("/", 1)[-1]), "accuracy": accuracy, "loss": loss,
           "contributions": r["accepted"], "seconds": round(float(now) - float(started), 2)}
    with open(rounds_file, "a") as f:
        f.write(json.dumps(row) + "\n")
    print(f"{row['round']:5d}  {accuracy:8.4f}  {loss:7.4f}  {row['contributions']:13d}  "
          f"{row['seconds']:7.2f}", flush=True)


def mean(values):
    return sum(values) / len(values)


def read(folder):
    """The rounds; accuracy of each hospital alone and of the pooled data, over the seeds."""
    folder = pathlib.Path(folder)
    rounds = [json.loads(line) for line in open(folder / "rounds.jsonl")]
    # {"local_only": [[accuracy of hospital 1 … at seed 1], …], "pooled": [at seed 1, …]}
    raw = json.load(open(folder / "baselines.json"))
    return rounds, [mean(column) for column in zip(*raw["local_only"])], mean(raw["pooled"])


def summarise(folder, summary_file=None):
    rounds, local, pooled = read(folder)
    for i, value in enumerate(local, 1):
        print(f"  hospital {i} alone       {value:.4f}")
    print(f"  mean of them alone     {mean(local):.4f}")
    trained = f"federated, {len(rounds):2d} round{'s' if len(rounds) > 1 else ''}"
    print(f"  {trained:22} {rounds[-1]['accuracy']:.4f}   (split of seed 1)")
    print(f"  pooled in one place    {pooled:.4f}")
    if summary_file:
        with open(summary_file, "w") as f:
            json.dump({"rounds": rounds, "baseline": {"local_only": local, "pooled": pooled}}, f,
                      indent=2)
            f.write("\n")
        print(f"  figures written to {summary_file}")


def check(folder, points):
    rounds, local, _ = read(folder)
    gain = 100 * (rounds[-1]["accuracy"] - mean(local))
    if gain <= 0 or gain < float(points):
        wanted = f"at least {points} points" if float(points) else "above"
        sys.exit(f"the federated model is {gain:+.1f} points from the mean single hospital; "
                 f"the demonstration claims {wanted}")
    print(f"  federated is {gain:.1f} points above the mean single hospital")


if __name__ == "__main__":
    {"round": add_round, "summary": summarise, "check": check}[sys.argv[1]](*sys.argv[2:])
