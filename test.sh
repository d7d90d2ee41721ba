#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Needs root: it makes network namespaces, other users' processes
# and sockets with another group, and installs packages.
set -uo pipefail
usage() {
  cat <<'TEXT'
usage: ./test.sh [--quick | --long] [--only STEP[,STEP…]]
  (nothing)   every step; at most 70 minutes on a fresh machine with two cores (85 end it), 15 when warm
  --quick     release build, unit and integration tests; at most 3 minutes when warm
  --long      also what does not fit: long fuzzing, the slow rebinding, an hour of chaos, a fresh Debian 12 that runs both commands
  --only      these steps alone (their names are in the summary)
The whole text of each step is in build/test-results/STEP.log. Last line: N passed, N failed.
TEXT
}
mode=all
only=
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) mode=quick ;;
    --long) mode=long ;;
    --only) only=",${2:?}," && shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

cd "$(dirname "$(realpath "$0")")" || exit 1
. scripts/lib.sh
if [ "$(id -u)" != 0 ]; then
  echo "error: ./test.sh needs root (network namespaces, other users, packages). Try: sudo ./test.sh" >&2
  echo "As an ordinary user, ./run.sh builds and runs the gateway." >&2
  exit 1
fi
check_debian
started_all=$SECONDS
results=$PWD/build/test-results
mkdir -p "$results"
export CLAWQL_CACHE="$CACHE"

total_passed=0
total_failed=0
summary=()

# All steps together: a step gets its own limit or what is left of this, whichever is less.
case $mode in
  quick) whole=2700 ;;
  all) whole=5100 ;;
  long) whole=43200 ;;
esac

wanted() { [ -z "$only" ] || [[ "$only" == *",$1,"* ]]; }

# step NAME KIND LIMIT_SECONDS COMMAND…: runs the command with its output in a log, counts its tests by KIND
# (junit | gtest | plain | exit) and prints one line.
step() {
  local name=$1 kind=$2 limit=$3 started=$SECONDS status passed failed
  shift 3
  wanted "$name" || return 0
  local log=$results/$name.log left=$((whole - SECONDS + started_all))
  rm -f "$results/$name.xml"
  printf '%-14s ' "$name"
  [ "$left" -ge "$limit" ] || limit=$((left > 1 ? left : 1))
  timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null
  status=$?
  case $kind in
    junit) read -r passed failed < <(scripts/count-results.py junit "$results/$name.xml") ;;
    gtest | plain) read -r passed failed < <(scripts/count-results.py "$kind" "$log") ;;
    exit) if [ $status -eq 0 ]; then passed=1 failed=0; else passed=0 failed=1; fi ;;
  esac
  # A status that is not 0 is a failure even where the counts saw none (a crash at the end, out of time).
  [ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  local word=ok
  [ "$failed" -eq 0 ] || word=FAILED
  [ $status -ne 124 ] && [ $status -ne 137 ] || word="FAILED (out of its $limit s)"
  local line
  line=$(printf '%5d passed %4d failed %5d s  %s' "$passed" "$failed" $((SECONDS - started)) "$word")
  printf '%s\n' "$line"
  summary+=("$(printf '%-14s %s' "$name" "$line")")
  if [ "$failed" -gt 0 ]; then
    echo "---- the end of build/test-results/$name.log"
    grep -vE '^\s*$' "$log" | tail -n 60
    echo "----"
  fi
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  [ "$failed" -eq 0 ]
}

finish() {
  echo
  echo "what           result                     time"
  printf '%s\n' "${summary[@]}"
  if [ ${#summary[@]} -eq 0 ]; then
    echo "no step of this mode has a name of --only"
    total_failed=1
  fi
  echo "in all $((SECONDS - started_all)) s"
  echo "$total_passed passed, $total_failed failed"
  [ "$total_failed" -eq 0 ] && exit 0
  exit 1
}

# A suite is a folder of tests/ that pytest runs; a missing one is a failure.
suite() {
  # Each gateway of a test has a network namespace of its own, so four at a time do not meet; most of a test is waiting.
  step "$1" junit "$2" /usr/bin/python3 -B -m pytest -q -p no:cacheprovider -n 4 -rfE -o junit_logging=no \
    --junitxml="$results/$1.xml" "tests/$1" "${@:3}"
}
build() { # build PRESET TARGET…
  configure "$1" && ninja -C "build/$1" -j "$(jobs)" --quiet "${@:2}"
}
unit_of() { # the unit test rooms of a build that match a pattern, as ctest names them
  ctest --test-dir "build/$1" -N 2>/dev/null | sed -n 's/^ *Test *#[0-9]*: //p' | grep -E "$2"
}
build_tsan() {
  configure tsan || return 1
  local rooms
  rooms=$(unit_of tsan '^(io|ipc|door|engine_.*)$') || { echo "no room to build"; return 1; }
  # shellcheck disable=SC2086
  ninja -C build/tsan -j "$(jobs)" --quiet $(printf '%s_test ' $rooms)
}
export -f build build_tsan unit_of configure jobs fail say

install() {
  install_packages scripts/packages-run.txt scripts/packages-test.txt && scripts/install-test-tools.sh
}
echo "installing what is missing"
(install) || {
  echo "0 passed, 1 failed"
  exit 1
}
export PATH="$CACHE/node/bin:$CACHE/npm/node_modules/.bin:$CACHE/python/bin:$PATH"
# The venv's own python must not shadow Debian's, which has pytest: steps name /usr/bin/python3.

if [ "$mode" != quick ]; then
  step format exit 120 scripts/check-format.sh
  step arrows exit 60 scripts/check-arrows.py
fi
step build exit 1800 bash -c 'build release all' || { [ -n "$only" ] || finish; }
step unit gtest 600 ctest --test-dir build/release -V -j "$(jobs)" -L unit
suite integration 900
[ "$mode" != quick ] || finish

suite lockdown 300
suite conformance 300 -n 0  # its tests share a few whole runs of the suite
suite interop 900 -n 0  # the clients start many processes each, and some have short time-outs of their own
suite attacks 420
suite browser 240
# A minute of load (an hour with --long), and the quiet before and after it; it wants what the machine has.
if [ "$mode" = long ]; then
  CLAWQL_CHAOS_SECONDS=3600 suite chaos 5400 -n 0
else
  suite chaos 420 -n 0
fi
suite exposure 900 -n 0  # it looks at the whole machine: nothing else may come and go meanwhile

step asan-build exit 1800 bash -c 'build asan all'
ASAN_OPTIONS=detect_leaks=1 step asan-unit gtest 900 ctest --test-dir build/asan -V -j "$(jobs)" -L unit
step fuzz plain 600 scripts/fuzz.sh 15
step tsan-build exit 1200 bash -c build_tsan
step tsan-unit gtest 600 ctest --test-dir build/tsan -V -j "$(jobs)" -L unit -R '^(io|ipc|door|engine_.*)$'
step tidy exit 1200 scripts/tidy.py --seconds 900

if [ "$mode" = long ]; then
  step fuzz-long plain 14400 scripts/fuzz.sh 900
  CLAWQL_LONG=1 suite long 3600
  step fresh-debian exit 7200 scripts/fresh-debian.sh
fi
finish
