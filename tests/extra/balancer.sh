#!/usr/bin/env bash
# Rounds through HAProxy with deploy/replicas/haproxy.cfg.
set -euo pipefail
source_dir=$1 build_dir=$2
skip() { echo "skipped: $1"; exit 77; }
tools=$build_dir/extra/haproxy
PATH=$PATH:/usr/sbin:$tools/usr/sbin
if ! command -v haproxy >/dev/null; then
  command -v apt-get >/dev/null || skip "haproxy is not installed, and there is no apt-get"
  mkdir -p "$tools"
  (cd "$tools" && timeout 120 apt-get download haproxy liblua5.3-0 libopentracing-c-wrapper0 \
    libopentracing1 && for deb in *.deb; do dpkg-deb -x "$deb" .; done) >"$tools/log" 2>&1 ||
    skip "haproxy is not installed, and apt-get can't download it"
fi
export LD_LIBRARY_PATH="$tools/usr/lib/$(uname -m)-linux-gnu"
haproxy -v | head -n 1
haproxy -c -f "$source_dir/deploy/replicas/haproxy.cfg"
FEDERITY_HAPROXY=$(command -v haproxy) "$build_dir/bin/e2e_balancer"
