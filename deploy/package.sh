#!/usr/bin/env bash
# Makes the Debian packages federity-server, federity-agent and federity in
# build/packages: builds the preset, strips, packs.
#
#   deploy/package.sh                  the release preset
#   deploy/package.sh --preset dev     another one, for tests
#   deploy/package.sh --out FOLDER     elsewhere
#
# Times in the packages are those of the last commit, so that the same programs
# give the same packages, byte for byte.
set -euo pipefail

preset=release out=build/packages
die() { echo "package.sh: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) [ -n "${2:-}" ] || die "--preset needs a name"; preset=$2; shift ;;
    --out) [ -n "${2:-}" ] || die "--out needs a folder"; out=$(realpath -m "$2"); shift ;;
    -h|--help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown argument '$1'; see --help" ;;
  esac
  shift
done
cd "$(dirname "$0")/.."
out=$(realpath -m "$out")

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) ||
    die "this is no git checkout; give SOURCE_DATE_EPOCH"
fi
export SOURCE_DATE_EPOCH
deploy/setup.sh
cmake --preset "$preset" >/dev/null
# A packaged trainer finds its LibTorch among the distribution's.
! grep -q '^FEDERITY_LIBTORCH:PATH=.' "build/$preset/CMakeCache.txt" ||
  die "build/$preset has a LibTorch of its own, which no package holds; unset FEDERITY_LIBTORCH"
cmake --build "build/$preset" -j "$(nproc)" \
  --target federity federity-agent federity-server federity-trainer
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
(cd "build/$preset" && cpack -G DEB -B "$staging" \
  -D "CPACK_OUTPUT_FILE_PREFIX=$staging/out" >"$staging/log" 2>&1) ||
  { cat "$staging/log" >&2; die "packing failed"; }
mkdir -p "$out"
rm -f "$out"/federity_*.deb "$out"/federity-server_*.deb "$out"/federity-agent_*.deb
cp "$staging"/out/*.deb "$out/"

printf '%-42s %8s %10s  %s\n' package KiB installed "depends on"
for deb in "$out"/*.deb; do
  printf '%-42s %8d %10d  %s\n' "$(basename "$deb")" $(($(stat -c %s "$deb") / 1024)) \
    "$(dpkg-deb -f "$deb" Installed-Size)" \
    "$(dpkg-deb -f "$deb" Depends | sed 's/ ([^)]*)//g')"
done
