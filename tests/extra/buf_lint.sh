#!/usr/bin/env bash
# buf lint over proto/; twin: tests/proto/proto_style_test.cc.
set -euo pipefail
source_dir=$1 build_dir=$2
version=1.75.0
skip() { echo "skipped: $1"; exit 77; }
command -v npm >/dev/null || skip "npm is not installed"
tools=$build_dir/extra/buf
if [ ! -x "$tools/node_modules/.bin/buf" ]; then
  mkdir -p "$tools"
  timeout 120 npm install --silent --no-audit --no-fund --prefix "$tools" "@bufbuild/buf@$version" \
    >"$tools/npm.log" 2>&1 || skip "npm could not install @bufbuild/buf $version"
fi
cd "$source_dir/proto"
"$tools/node_modules/.bin/buf" lint
echo "buf $version: clean"
