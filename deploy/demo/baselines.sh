#!/usr/bin/env bash
# Trains at each hospital alone and on the pooled data, without a coordinator:
# same model, plan, number of epochs and standardisation; SEEDS seeds of the
# split. Writes FOLDER/baselines.json. Called by demo.sh.
#
#   baselines.sh wdbc|sites|images FOLDER MODEL PLAN ROUNDS HOSPITALS SEEDS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kind=$1 dir=$2 model=$3 plan=$4 rounds=$5 hospitals=$6 seeds=$7
epochs=$((rounds * $(sed -n 's/^epochs = \([0-9]*\).*/\1/p' "$plan")))

accuracy() { python3 -c 'import json,sys; print(json.load(sys.stdin)["test"]["accuracy"])'; }
train() { # --data arguments … ; prints the accuracy on the test rows
  "$dir/bin/federity" train --model "$model" --plan "$plan" --epochs "$epochs" --seed 1 --json \
    "${common[@]}" "$@" | accuracy
}

local_rows="" pooled_row=""
for seed in $(seq 1 "$seeds"); do
  split=$dir/baseline-$seed
  case "$kind" in
    wdbc) python3 "$here/split.py" table "$here/data/wdbc.csv" "$split" --label diagnosis --seed "$seed" ;;
    sites) python3 "$here/split.py" sites "$(ls "$dir"/package/usr/lib/R/site-library/pec/data/Pbc3.csv /usr/lib/R/site-library/pec/data/Pbc3.csv 2>/dev/null | head -n 1)" "$split" --seed "$seed" ;;
    images) python3 "$here/split.py" images "$(ls -d "$dir"/package/usr/share/datasets/fashion-mnist /usr/share/datasets/fashion-mnist 2>/dev/null | head -n 1)" "$split" --seed "$seed" ;;
  esac
  all=() row="" common=()
  for i in $(seq 1 "$hospitals"); do
    if [ "$kind" = images ]; then
      all+=(--data "$split/hospital-$i-images.idx" --labels "$split/hospital-$i-labels.idx")
    else
      all+=(--data "$split/hospital-$i.csv")
      common+=(--standardise-from "$split/hospital-$i.csv")
    fi
  done
  if [ "$kind" = images ]; then
    common+=(--format idx --test "$split/test-images.idx" --test-labels "$split/test-labels.idx")
  else
    common+=(--test "$split/test.csv")
  fi
  step=$((${#all[@]} / hospitals))
  for i in $(seq 1 "$hospitals"); do
    row+="${row:+, }$(train "${all[@]:$(((i - 1) * step)):$step}")"
  done
  local_rows+="${local_rows:+, }[$row]"
  pooled_row+="${pooled_row:+, }$(train "${all[@]}")"
done
printf '{"local_only": [%s], "pooled": [%s]}\n' "$local_rows" "$pooled_row" >"$dir/baselines.json"
