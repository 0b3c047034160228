#!/bin/sh
# fuzz/run.sh [SECONDS]: runs every target of build/fuzz so long (10), from the seeds and what
# earlier runs found (build/fuzz/corpus). Stops at the first failure; its input is then in
# build/fuzz/failures.
set -eu
seconds=${1:-10}
cd "$(dirname "$0")/../build/fuzz"
mkdir -p corpus failures
./fuzz_seeds corpus
for target in superblock quorum journal segment item server_item wire fencing; do
  if ! "./fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix=failures/ "corpus/$target" >"$target.log" 2>&1; then
    cat "$target.log"
    exit 1
  fi
  echo "fuzz_$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$target.log") inputs, $(
    ls "corpus/$target" | wc -l) in the corpus"
done
