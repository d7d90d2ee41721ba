#!/usr/bin/env bash
# Runs every fuzz target of build/asan for a short time: first over its kept inputs, then with new ones. A crash, a leak,
# a hang of 10 s or more than 2 GiB fails, and the input that did it stays in build/fuzz-crashes/TARGET.
#   scripts/fuzz.sh [SECONDS_EACH] [TARGET…]
# Seeds: tests/fuzz/corpus/TARGET (committed). What the runs find new is kept in the cache, so that the next run starts
# from it.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.."
. scripts/lib.sh
seconds=${1:-20}
shift || true
folder=build/asan/fuzz
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(find "$folder" -maxdepth 1 -type f -name 'fuzz_*' -executable -printf '%f\n' 2>/dev/null | sort)
fi
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz target in $folder (cmake --preset asan; ninja -C build/asan fuzzers)" >&2; echo "0 passed, 1 failed"; exit 1; }

export ASAN_OPTIONS=abort_on_error=0:allocator_may_return_null=1:symbolize=1 ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
export UBSAN_OPTIONS=print_stacktrace=1

run_one() {
  local target=$1 seconds=$2 folder=$3 cache=$4
  local seeds="tests/fuzz/corpus/$target" grown="$cache/fuzz/$target" crashes="build/fuzz-crashes/$target" log="build/fuzz-crashes/$target.log"
  mkdir -p "$grown" "$crashes"
  local corpora=("$grown")
  [ -d "$seeds" ] && corpora+=("$seeds")
  if "$folder/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="$crashes/" \
    -print_final_stats=1 "${corpora[@]}" >"$log" 2>&1; then
    printf 'ok   %s: %s runs\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    printf 'FAIL %s (input in %s):\n' "$target" "$crashes"
    grep -m1 -A 12 -E 'ERROR|runtime error|libFuzzer' "$log" || tail -n 15 "$log"
    return 1
  fi
}
export -f run_one
printf '%s\0' "${targets[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'run_one "$@" || exit 1' _ {} "$seconds" "$folder" "$CACHE" | tee build/fuzz-summary.txt
failed=$(grep -c '^FAIL' build/fuzz-summary.txt)
passed=$(grep -c '^ok' build/fuzz-summary.txt)
# A target that neither passed nor failed did not run: that is a failure too.
failed=$((${#targets[@]} - passed > failed ? ${#targets[@]} - passed : failed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
