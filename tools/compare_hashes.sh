#!/bin/bash
# compare_hashes.sh SEEDS BUILD BUILD: the same seeds must give the same hashes in both builds.
set -euo pipefail
seeds=$1 first=$2 second=$3
hashes() {
  # The simulator's verdict does not matter here; what it did does.
  ASAN_OPTIONS=detect_leaks=0 "$1/scoutfs" sim run --seeds "$seeds" --json 2>/dev/null |
    grep -o '"hash":"[0-9a-f]*"\|"seed":[0-9]*' || true
}
one=$(hashes "$first") two=$(hashes "$second")
if [ -z "$one" ]; then
  echo "compare_hashes: $first/scoutfs printed no hashes" >&2
  exit 1
fi
if [ "$one" != "$two" ]; then
  echo "compare_hashes: the builds differ:" >&2
  diff <(echo "$one") <(echo "$two") >&2 || true
  exit 1
fi
echo "compare_hashes: $(grep -c hash <<<"$one") seeds, the same hashes in $first and $second"
