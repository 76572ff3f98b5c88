#!/usr/bin/env bash
# Federity, tried on this machine: a coordinator and hospitals as separate
# processes over mutual TLS train one model on data that each keeps.
#
#   deploy/demo.sh                 three hospitals, breast cancer (WDBC)
#   deploy/demo.sh --images        five sites, Fashion-MNIST, label skew
#   deploy/demo.sh --sites         six real hospitals, the PBC-3 trial
#
#   --rounds N       how many rounds (default 10)
#   --seeds N        how many splits the comparison is the mean of (default 3; images 1)
#   --summary FILE   write the figures as JSON
#   --keep           leave the coordinator running and the folder in place
#   --bin FOLDER     use the programs there; install and build nothing
#
# Installs and builds what is missing. Needs no argument, account or running
# service; can be run again. Everything lies in a fresh temporary folder, of which
# the logs stay.
set -euo pipefail

rounds=10 summary="" keep="" kind=wdbc bin="" seeds=""
die() { echo "demo.sh: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
  case "$1" in
    --images) kind=images ;;
    --sites) kind=sites ;;
    --rounds) [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || die "--rounds needs a number"; rounds=$2; shift ;;
    --seeds) [[ "${2:-}" =~ ^[1-9]$ ]] || die "--seeds needs a number below 10"; seeds=$2; shift ;;
    --summary) [ -n "${2:-}" ] || die "--summary needs a file"; summary=$(realpath -m "$2"); shift ;;
    --keep) keep=1 ;;
    --bin) [ -x "${2:-}/federity" ] || die "--bin needs a folder with the programs"; bin=$(realpath "$2"); shift ;;
    -h|--help) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown argument '$1'; see --help" ;;
  esac
  shift
done
cd "$(dirname "$0")/.."
here=$PWD/deploy/demo

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

# --- build ---------------------------------------------------------------
programs=(federity federity-agent federity-server federity-trainer)
if [ -z "$bin" ]; then
  say "Installing what is missing and building"
  deploy/setup.sh
  cmake --preset dev >/dev/null
  cmake --build build/dev -j "$(nproc)" --target "${programs[@]}"
  bin=build/dev/bin
fi

# --- a fresh place -------------------------------------------------------
dir=$(mktemp -d "${TMPDIR:-/tmp}/federity-demo-XXXXXX")
chmod 711 "$dir"
mkdir "$dir/bin" "$dir/data" "$dir/admin" "$dir/owner" "$dir/log"
chmod 755 "$dir/bin"
(cd "$bin" && cp "${programs[@]}" "$dir/bin/")

case "$kind" in
  wdbc)
    model=$here/models/wdbc.pt plan=$here/plan-wdbc.toml repo=st-mary/breast
    python3 "$here/split.py" table "$here/data/wdbc.csv" "$dir/data" --label diagnosis --seed 1 ;;
  sites)
    model=$here/models/pbc3.pt plan=$here/plan-sites.toml repo=st-mary/liver
    pbc3=/usr/lib/R/site-library/pec/data/Pbc3.csv
    if [ ! -f "$pbc3" ]; then
      mkdir "$dir/package"
      (cd "$dir/package" && apt-get download -q r-cran-pec >/dev/null && dpkg -x r-cran-pec_*.deb .) ||
        die "the PBC-3 data are in Debian's r-cran-pec, which can't be downloaded now"
      pbc3=$dir/package$pbc3
    fi
    python3 "$here/split.py" sites "$pbc3" "$dir/data" --seed 1 ;;
  images)
    model=$here/models/garments.pt plan=$here/plan-images.toml repo=st-mary/garments
    fashion=/usr/share/datasets/fashion-mnist
    if [ ! -d "$fashion" ]; then
      mkdir "$dir/package"
      (cd "$dir/package" && apt-get download -q dataset-fashion-mnist >/dev/null &&
        dpkg -x dataset-fashion-mnist_*.deb .) ||
        die "Fashion-MNIST is in Debian's dataset-fashion-mnist, which can't be downloaded now"
      fashion=$dir/package$fashion
    fi
    python3 "$here/split.py" images "$fashion" "$dir/data" --seed 1 ;;
esac
hospitals=$(find "$dir/data" -name 'hospital-*' | sed 's/.*hospital-\([0-9]*\).*/\1/' | sort -un | wc -l)

# --- isolation -----------------------------------------------------------
pids=()
exec=""   # see network.sh
isolated=""
# Users are named by this run, so that two runs don't meet.
user_of() { echo "fed$$-h$1"; }
if [ "$(id -u)" -eq 0 ] && command -v ip >/dev/null && unshare --net true 2>/dev/null; then
  isolated=1
  . "$here/network.sh"
fi
cleanup() {
  local status=$? i pid
  trap - EXIT; trap '' INT TERM
  for pid in "${pids[@]:-}"; do [ -z "$pid" ] || kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]:-}"; do [ -z "$pid" ] || wait "$pid" 2>/dev/null || true; done
  if [ -n "$isolated" ]; then
    network_down "$hospitals"
    for i in $(seq 1 "$hospitals"); do userdel "$(user_of "$i")" 2>/dev/null || true; done
  fi
  if [ $status -ne 0 ]; then echo "demo.sh: failed; its folder stays: $dir" >&2; else
    # The logs stay, all else goes.
    find "$dir" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
  fi
  exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ -n "$isolated" ]; then
  network_up "$hospitals"
  for i in $(seq 1 "$hospitals"); do
    useradd --system --no-create-home --shell /usr/sbin/nologin "$(user_of "$i")"
  done
  address=$COORDINATOR_ADDRESS
  coordinator() { in_coordinator "$@"; }
  hospital() { # number, command …
    local i=$1; shift
    in_hospital "$i" setpriv --reuid "$(user_of "$i")" --regid "$(user_of "$i")" --clear-groups \
      env -i HOME="$dir/hospital-$i" PATH="$dir/bin:/usr/bin:/bin" LANG=C.UTF-8 "$@"
  }
else
  echo "Not root, or no network namespaces here: hospitals run as this user on the loopback"
  echo "network; their files are not separated by user, and no traffic is captured."
  address=127.0.0.1
  coordinator() { $exec "$@"; }
  hospital() { local i=$1; shift; $exec env -i HOME="$dir/hospital-$i" PATH="$dir/bin:/usr/bin:/bin" LANG=C.UTF-8 "$@"; }
fi

for i in $(seq 1 "$hospitals"); do
  mkdir -m 700 "$dir/hospital-$i"
  mv "$dir/data/hospital-$i"* "$dir/hospital-$i/"
  [ -z "$isolated" ] || chown -R "$(user_of "$i"):$(user_of "$i")" "$dir/hospital-$i"
done

# The programs' advice on what to do next is for people who do it by hand.
without_advice() { sed -e '/^[Nn]ext: /d' -e '/^      federity-agent /d'; }
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
as() { # admin|owner, arguments of federity
  local who=$1; shift
  coordinator env FEDERITY_HOME="$dir/$who" PATH="$dir/bin:$PATH" "$dir/bin/federity" "$@"
}

# --- coordinator ---------------------------------------------------------
say "Starting the coordinator at $address with a database of its own"
if [ -n "$isolated" ] && command -v tcpdump >/dev/null; then
  (exec=exec; in_coordinator tcpdump -i any -s 0 -U -w "$dir/traffic.pcap" >/dev/null 2>"$dir/log/tcpdump.log") &
  pids+=($!)
fi
port=8443; [ -n "$isolated" ] || port=0   # 0: a free one; links name it
(exec=exec; coordinator setsid "$dir/bin/federity-server" run --data-dir "$dir/coordinator" \
  --public "$address:$port" --listen "$address:$port" >"$dir/log/server.log" 2>&1) &
server=$!
pids+=("$server")
for _ in $(seq 1 1200); do
  [ -s "$dir/coordinator/port" ] && [ -s "$dir/coordinator/administrator-link" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$dir/log/server.log" >&2; die "the coordinator did not start"; }
  sleep 0.1
done
[ -s "$dir/coordinator/port" ] || { cat "$dir/log/server.log" >&2; die "the coordinator did not start in two minutes"; }

say "The administrator invites St Mary; St Mary makes the repository $repo"
as admin join - <"$dir/coordinator/administrator-link" | without_advice
as admin org invite st-mary --json | field link | as owner join - | without_advice
as owner repo create "$repo" --model "$model" --plan "$plan" | without_advice

say "A control for the check at the end: a model that does hold a canary, stored the same way"
control=$(python3 "$here/canary.py" plant "$here/models/wdbc.pt" "$dir")
as owner repo create st-mary/control --model "$dir/control.pt" --plan "$here/plan-wdbc.toml" \
  --description "$control" >/dev/null
if [ -n "$isolated" ] && command -v tcpdump >/dev/null; then
  # Hospital 1 sends the canary in the clear, once the capture runs.
  for _ in $(seq 1 100); do [ -s "$dir/traffic.pcap" ] && break; sleep 0.1; done
  hospital 1 bash -c 'echo "$1" >"/dev/tcp/$2/$3"' - "$control" "$address" "$port"
fi

say "Each hospital joins, registers its data and approves the plan"
dataset_arguments=(--repo "$repo")
case "$kind" in
  images) data_file=images.idx ;;
  *) data_file="" ;;
esac
for i in $(seq 1 "$hospitals"); do
  link=$(as owner invite "$repo" --role contributor --org "Hospital $i" --for agent --json | field link)
  state=(--state-dir "$dir/hospital-$i/agent")
  printf '%s\n' "$link" | hospital "$i" federity-agent join - "${state[@]}" | without_advice
  if [ -n "$data_file" ]; then
    hospital "$i" federity-agent dataset add "$dir/hospital-$i/hospital-$i-images.idx" --format idx \
      --labels "$dir/hospital-$i/hospital-$i-labels.idx" "${dataset_arguments[@]}" "${state[@]}" |
      without_advice
  else
    hospital "$i" federity-agent dataset add "$dir/hospital-$i/hospital-$i.csv" \
      "${dataset_arguments[@]}" "${state[@]}" | without_advice
  fi
  digest=$(hospital "$i" federity-agent approve "$repo" --show --json "${state[@]}" | field approval_digest)
  hospital "$i" federity-agent approve "$repo" --digest "$digest" "${state[@]}" >/dev/null
  (exec=exec; hospital "$i" setsid federity-agent run "${state[@]}" >"$dir/log/agent-$i.log" 2>&1) &
  pids+=($!)
done
for _ in $(seq 1 150); do
  online=$(as owner member list "$repo" --json | grep -o '"online": *true' | wc -l)
  [ "$online" -ge "$hospitals" ] && break
  sleep 0.2
done
as owner member list "$repo"

# --- rounds --------------------------------------------------------------
if grep -q 'standardise = "federated"' "$plan"; then
  say "Federated statistics: only sums leave the hospitals"
  as owner stats run "$repo"
fi

case "$kind" in
  images) test_arguments=(--data "$dir/data/test-images.idx" --labels "$dir/data/test-labels.idx" --format idx) ;;
  *) test_arguments=(--data "$dir/data/test.csv") ;;
esac
say "$rounds rounds; accuracy on rows that no hospital holds"
: >"$dir/rounds.jsonl"
started=$(date +%s.%N)
printf '%5s  %8s  %7s  %13s  %7s\n' round accuracy loss contributions seconds
as owner round start "$repo" --count "$rounds" --json >/dev/null
while IFS= read -r line; do
  commit=$(python3 - "$line" <<'PY'
import json, sys
r = json.loads(sys.argv[1])
if r.get("state") == "COMMITTED":
    print(r["commit"].rsplit("/", 1)[-1])
elif r.get("state") in ("FAILED", "CANCELLED"):
    sys.exit("round failed: " + r.get("failure", ""))
PY
  )
  [ -n "$commit" ] || continue
  now=$(date +%s.%N)
  as owner evaluate "$repo@$commit" "${test_arguments[@]}" --json \
    >"$dir/evaluation.json" 2>>"$dir/log/remarks.log"
  python3 "$here/report.py" round "$line" "$dir/evaluation.json" "$started" "$now" "$dir/rounds.jsonl"
  started=$(date +%s.%N)
done < <(as owner round watch "$repo" --json)
[ "$(wc -l <"$dir/rounds.jsonl")" -eq "$rounds" ] || die "not every round committed; see $dir/log/server.log"

# --- beside it -----------------------------------------------------------
[ -n "$seeds" ] || { seeds=3; [ "$kind" != images ] || seeds=1; }
say "The same training at each hospital alone, and on their data pooled; seeds of the split: $seeds"
"$here/baselines.sh" "$kind" "$dir" "$model" "$plan" "$rounds" "$hospitals" "$seeds" 2>>"$dir/log/remarks.log"
python3 "$here/report.py" summary "$dir" ${summary:+"$summary"}
# What the demonstration claims; the six sites of PBC-3 are too few rows for a claim.
case "$kind" in
  wdbc) python3 "$here/report.py" check "$dir" 0 ;;
  images) python3 "$here/report.py" check "$dir" 10 ;;
esac

say "The history that everyone sees"
as owner log "$repo" | head -n 6

# --- the check that anyone can repeat ------------------------------------
say "Looking for the hospitals' canaries in all that the coordinator holds"
# The socket's folder stands in the database's own pid file, line 5.
socket=$(sed -n 5p "$dir/coordinator/postgres/postmaster.pid")
coordinator "$(ls /usr/lib/postgresql/*/bin/pg_dumpall | tail -n 1)" -h "$socket" -U federity \
  >"$dir/database.sql" || die "the database could not be dumped"
python3 "$here/open_blobs.py" "$dir/coordinator" "$dir/coordinator.key" "$dir/database.sql" "$dir/opened"
controlled=("$dir/database.sql" "$dir/opened")
[ ! -f "$dir/traffic.pcap" ] || controlled+=("$dir/traffic.pcap")
present=()
for i in $(seq 1 "$hospitals"); do present+=("$i=$dir/hospital-$i"); done
python3 "$here/canary.py" search "$dir/data/canaries.txt" \
  --absent "$dir/coordinator" "$dir/log/server.log" "${controlled[@]}" \
  --present "${present[@]}" --control "$dir/control.txt" "${controlled[@]}"

say "What to look at next"
cat <<TEXT
  README.md                 the journeys: run a coordinator, own a model, contribute
  docs/threat-model.md      what is protected, and what is not
  deploy/demo.sh --images   five sites with label skew, a small CNN
  $dir/log/
                            logs of coordinator and agents; remarks.log tells of clipped values
TEXT
if [ -n "$keep" ]; then
  echo "Kept: FEDERITY_HOME=$dir/owner $dir/bin/federity …; press Ctrl-C to end."
  wait "$server"
fi
