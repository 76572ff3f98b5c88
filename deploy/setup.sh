#!/usr/bin/env bash
# Installs what Federity needs to build, run and test on Debian 12. Can be run
# again at any time; installs only what is missing.
#
#   deploy/setup.sh [--runtime | --tools] [--libtorch PATH]
#
#   --runtime        only what the installed programs need, no compiler
#   --tools          also clang, clang-tidy and what sanitizer and fuzz tiers need
#   --libtorch PATH  check that PATH (an unpacked LibTorch, or the torch folder of a
#                    pip wheel, of version 2.7 or later) can be used; then
#                    configure with -DFEDERITY_LIBTORCH=PATH
set -euo pipefail

runtime=(
  libgrpc++1.51 libprotobuf32 libpqxx-6.4 postgresql libspdlog1.10 libssl3 libsodium23
  libseccomp2 libpng16-16 libjpeg62-turbo zlib1g libtorch1.13 libopenblas0-pthread
  ca-certificates
)
build=(
  g++ cmake ninja-build ccache mold pkg-config git
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libprotoc-dev
  libtorch-dev libopenblas0-pthread libpqxx-dev libpq-dev postgresql libspdlog-dev catch2
  libssl-dev libsodium-dev libseccomp-dev libcli11-dev nlohmann-json3-dev
  libtomlplusplus-dev libpng-dev libjpeg-dev zlib1g-dev libfast-float-dev
)
# What demo and tests call besides.
check=(iproute2 util-linux openssl python3 python3-grpcio python3-protobuf python3-cryptography tcpdump
  dpkg-dev file adduser systemd)
tools=(clang clang-tidy clang-format libclang-rt-14-dev)

die() { echo "setup.sh: $*" >&2; exit 1; }

packages=("${build[@]}" "${check[@]}")
libtorch=""
while [ $# -gt 0 ]; do
  case "$1" in
    --runtime) packages=("${runtime[@]}") ;;
    --tools) packages+=("${tools[@]}") ;;
    --libtorch) [ $# -ge 2 ] || die "--libtorch needs a path"; libtorch=$2; shift ;;
    -h|--help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown argument '$1'; see --help" ;;
  esac
  shift
done

# The same checks as cmake/LibTorch.cmake makes, before anything is installed.
if [ -n "$libtorch" ]; then
  header=$libtorch/include/torch/csrc/api/include/torch/version.h
  for file in "$header" "$libtorch/lib/libtorch_cpu.so" "$libtorch/lib/libc10.so"; do
    [ -f "$file" ] ||
      die "there is no $file; give the folder of an unpacked LibTorch, or what python3 -c 'import torch; print(torch.__path__[0])' prints"
  done
  version=$(sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' "$header" | paste -s -d .)
  [ "$(printf '%s\n' 2.7 "$version" | sort -V | head -n 1)" = 2.7 ] ||
    die "'$libtorch' is LibTorch $version; use 2.7 or later, or the distribution's (docs/design/libtorch.md says why)"
  ! grep -qs '_GLIBCXX_USE_CXX11_ABI=0' "$libtorch/share/cmake/Torch/TorchConfig.cmake" ||
    die "LibTorch $version at '$libtorch' has the old C++ ABI; use the archive named cxx11-abi, or a pip torch"
  echo "LibTorch $version at $libtorch: configure with -DFEDERITY_LIBTORCH=$(realpath "$libtorch")"
fi

. /etc/os-release
[ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ] ||
  echo "setup.sh: this is ${PRETTY_NAME:-an unknown system}; only Debian 12 is tested" >&2

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "Everything is installed."
  exit 0
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || die "needs root to install: ${missing[*]}"
  sudo=sudo
fi
echo "Installing: ${missing[*]}"
$sudo apt-get update -q
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
  install -y -q --no-install-recommends "${missing[@]}"
