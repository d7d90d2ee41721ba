#!/usr/bin/env bash
# Installs what is missing (Debian packages alone), builds the gateway and runs it.
set -euo pipefail
usage() {
  cat <<'TEXT'
usage: ./run.sh [--config FILE] [--build-only]
  --config FILE   run with this configuration (default: the built-in one; its tools answer at once)
  --build-only    stop after the build
TEXT
}

config=
build_only=
while [ $# -gt 0 ]; do
  case "$1" in
    --config)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      config=$(realpath -m -- "$2")
      shift 2
      ;;
    --config=*)
      config=$(realpath -m -- "${1#--config=}")
      shift
      ;;
    --build-only) build_only=1; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

cd "$(dirname "$(realpath "$0")")"
. scripts/lib.sh
check_debian
[ -z "$config" ] || [ -r "$config" ] || fail "cannot read $config"
install_packages scripts/packages-run.txt

cold=
[ -x build/release/bin/clawql-api ] || cold=1
started=$SECONDS
configure release
# shellcheck disable=SC2086
ninja -C build/release -j "$(jobs)" --quiet $PROGRAMS || fail "the build failed"
[ -z "$cold" ] || say "built in $((SECONDS - started)) s"

[ -z "$build_only" ] || exit 0
exec build/release/bin/clawql-api ${config:+--config "$config"}
