#!/bin/bash
# compare_hashes.sh FIRST LAST: the seeds do the same in the release, debug and twin builds. Builds
# the little program that says so in each of them (tests/sim/hash), or brings it up to date.
set -euo pipefail
first=$1 last=$2
cd "$(dirname "$0")/.."
hashes() {
  [ -f "build/$1/build.ninja" ] || cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" --target sim_hash >/dev/null
  # What a seed's verdict is does not matter here; what it did does.
  ASAN_OPTIONS=detect_leaks=0 "build/$1/sim_hash" "$first" "$last" || true
}
release=$(hashes release)
if [ "$(wc -l <<<"$release")" -ne $((last - first + 1)) ]; then
  echo "compare_hashes: the release build does not run all seeds" >&2
  exit 1
fi
for build in debug twin; do
  other=$(hashes "$build")
  if [ "$release" != "$other" ]; then
    echo "compare_hashes: release and $build differ:" >&2
    diff <(echo "$release") <(echo "$other") >&2 || true
    exit 1
  fi
done
echo "compare_hashes: seeds $first to $last do the same in release, debug and twin"
