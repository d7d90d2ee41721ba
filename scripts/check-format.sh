#!/usr/bin/env bash
# Every C++ file is as clang-format-19 writes it. `--fix` rewrites those that are not.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
mapfile -t files < <(find src apps tests bench -name '*.[ch]pp' -not -path '*/node_modules/*' | sort)
[ ${#files[@]} -gt 0 ] || { echo "no C++ file found" >&2; exit 1; }
printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P "$(nproc)" clang-format-19 "${mode[@]}"
echo "format: ${#files[@]} files as they should be"
