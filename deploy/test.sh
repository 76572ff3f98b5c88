#!/usr/bin/env bash
# Installs, builds and passes the tests. Needs no argument.
#
#   deploy/test.sh                      one optimised build with assertions; unit,
#                                       integration and process tests
#   deploy/test.sh --sanitize asan|tsan the same under sanitizers
#   deploy/test.sh --tidy               clang-tidy and thread-safety analysis
#   deploy/test.sh --fuzz MINUTES       each fuzz target that long, two at once, from
#                                       the committed corpus and build/fuzz/corpus
#   deploy/test.sh --chaos SEED         every kill and every failing disk, clock and
#                                       network of tests/survival, in SEED's order
#   deploy/test.sh --fast               without the process tests
#
# All but the first and the last add a line to docs/quality.md. Options after -- go to
# ctest (with --chaos to Catch2), e.g. `deploy/test.sh -- -R rounds`. FUZZ_SEED repeats a
# fuzz run's seed.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=dev
tier=""
ctest_args=()
budget_minutes=60   # 35 is the aim; CI stops at 90
while [ $# -gt 0 ]; do
  case "$1" in
    --sanitize)
      [ "${2:-}" = asan ] || [ "${2:-}" = tsan ] || { echo "test.sh: --sanitize needs asan or tsan" >&2; exit 2; }
      preset=$2; tier=$2; budget_minutes=170; shift ;;
    --fuzz)
      [[ "${2:-}" =~ ^[1-9][0-9]{0,3}$ ]] || { echo "test.sh: --fuzz needs whole minutes" >&2; exit 2; }
      preset=fuzz; tier=fuzz; fuzz_minutes=$2; shift ;;
    --chaos)
      [[ "${2:-}" =~ ^[0-9]{1,18}$ ]] || { echo "test.sh: --chaos needs a seed, a whole number" >&2; exit 2; }
      tier=chaos; chaos_seed=$2; budget_minutes=170; shift ;;
    --tidy) preset=tidy; tier=tidy; budget_minutes=170 ;;
    --fast) ctest_args+=(-LE e2e) ;;
    --) shift; ctest_args+=("$@"); break ;;
    -h|--help) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "test.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done

started=$SECONDS
phases=""
phase() { # name, command …
  local name=$1 begin=$SECONDS status=0; shift
  echo "== $name"
  "$@" || status=$?
  phases+=$(printf '%-10s %5d s' "$name" $((SECONDS - begin)))$'\n'
  [ $status -eq 0 ] || { printf '%s\n== %s failed (%d)\n' "$phases" "$name" $status >&2; exit $status; }
}

setup_args=()
[ "$preset" = dev ] || setup_args+=(--tools)
phase setup deploy/setup.sh "${setup_args[@]}"
phase configure cmake --preset "$preset"
phase build cmake --build --preset "$preset" -j "$(nproc)"

log_quality() { # counts, seed
  [ -n "$tier" ] || return 0
  printf '| %s | %s | %s | %s | %s | %d |\n' "$(git describe --always --dirty)" "$(date -u +%F)" \
    "$tier" "${2:--}" "$1" $((SECONDS - started)) >>docs/quality.md
}

if [ "$tier" = tidy ]; then
  log_quality "clean"
  printf '%s' "$phases"
  exit 0
fi

fuzz_target() { # name: runs it; its log is beside its corpus
  local name=$1 grown=build/fuzz/corpus/$1 log=build/fuzz/logs/$1
  mkdir -p "$grown" "build/fuzz/crashes/$name"
  "build/fuzz/bin/fuzz_$name" -seed="$fuzz_seed" -max_total_time=$((fuzz_minutes * 60)) \
    -rss_limit_mb=512 -timeout=10 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/crashes/$name/" "$grown" "tests/fuzz/corpus/$name" >"$log" 2>&1
}
fuzz_all() {
  local name i input failed=0 names=() pids=() statuses=()
  collect() { local status=0; wait "$1" || status=$?; statuses+=("$status"); }
  for name in tests/fuzz/*_fuzz.cc; do names+=("$(basename "$name" _fuzz.cc)"); done
  rm -rf build/fuzz/logs
  mkdir -p build/fuzz/logs
  for name in "${names[@]}"; do
    # Two at once: the one before the last must have ended.
    [ ${#pids[@]} -lt 2 ] || collect "${pids[-2]}"
    fuzz_target "$name" & pids+=($!)
  done
  collect "${pids[-2]}"
  collect "${pids[-1]}"
  for i in "${!names[@]}"; do
    name=${names[$i]}
    if [ "${statuses[$i]}" -eq 0 ]; then
      echo "$name: $(fuzz_executions "$name") executions"
      continue
    fi
    failed=$((failed + 1))
    tail -n 40 "build/fuzz/logs/$name" >&2
    for input in $(grep -o "build/fuzz/crashes/$name/[a-z0-9-]*" "build/fuzz/logs/$name" | sort -u); do
      echo "test.sh: replay it by: build/fuzz/bin/fuzz_$name $input" >&2
    done
  done
  fuzz_result="${#names[@]} targets, $fuzz_minutes min each, $failed failed, $(fuzz_executions '*') executions"
  [ "$failed" -eq 0 ]
}
fuzz_executions() { # name or *
  cat build/fuzz/logs/$1 | awk '/^stat::number_of_executed_units:/ { sum += $2 } END { print sum + 0 }'
}
if [ "$tier" = fuzz ]; then
  fuzz_seed=${FUZZ_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
  status=0
  fuzz_all || status=$?
  log_quality "$fuzz_result" "$fuzz_seed"
  printf '%s== %s\n' "$phases" "$fuzz_result"
  exit $status
fi

chaos_all() {
  local log=build/$preset/chaos.log status=0
  FEDERITY_CHAOS_SEED=$chaos_seed "build/$preset/bin/survival" --durations yes "${ctest_args[@]}" \
    2>&1 | tee "$log" || status=$?
  chaos_result="$(grep -c ' killed ' "$log" || true) kills, $(grep -E '^(All tests passed|test cases:)' "$log" \
    | tail -n 1 | tr -s '| ' ' ' || echo 'did not end')"
  return "$status"
}
if [ "$tier" = chaos ]; then
  status=0
  chaos_all || status=$?
  log_quality "$chaos_result" "$chaos_seed"
  printf '%s== %s\n' "$phases" "$chaos_result"
  exit $status
fi

# Reports go to files, so that those of a program that a test starts and kills are
# found too.
reports=$PWD/build/$preset/reports
rm -rf "$reports"
mkdir -m 1777 -p "$reports"   # also for PostgreSQL's user
supp=$PWD/tests/sanitizers
# A model that asks for terabytes must meet the error that it meets without them.
export ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1:log_path=$reports/report:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$supp/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/report:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="suppressions=$supp/tsan.supp:allocator_may_return_null=1:log_path=$reports/report:${TSAN_OPTIONS:-}"
run_tests() {
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "${ctest_args[@]}"
}
begin=$SECONDS
status=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
echo "== test"
run_tests 2>&1 | tee "$output" || status=$?
phases+=$(printf '%-10s %5d s' "test" $((SECONDS - begin)))$'\n'
if [ -n "$(ls -A "$reports")" ]; then
  tail -n +1 "$reports"/* >&2
  [ $status -ne 0 ] || status=4
fi
log_quality "$(grep -E 'tests passed' "$output" | tail -n 1 || echo 'no test ran'), $(ls "$reports" | wc -l) reports"
total=$((SECONDS - started))
printf '\n%s%-10s %5d s\n' "$phases" "total" $total
if [ $total -gt $((budget_minutes * 60)) ]; then
  echo "test.sh: took $total s, more than $budget_minutes minutes: make the build or the tests smaller" >&2
  [ $status -ne 0 ] || status=3
fi
# ctest's own last lines close the output, so that the tests are counted.
grep -E 'tests passed|Total Test time' "$output" | tail -n 2
exit $status
