#!/bin/bash
# Fails, naming each place, if a C++ file is not formatted as .clang-format says.
# To mend: clang-format-19 -i FILE...
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
rooms=()
for room in engine sim nbd iscsi node cli fuzz bench tests; do [ -d $room ] && rooms+=($room); done
find "${rooms[@]}" \( -name '*.hpp' -o -name '*.cpp' \) -print0 |
  xargs -0 clang-format-19 --dry-run --Werror
