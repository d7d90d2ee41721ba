# Shared by run.sh and test.sh (sourced): the machine check, the installer of Debian packages, the build. Nothing here
# asks a question, and everything that is installed is named first.

export LC_ALL=C.UTF-8 LANG=C.UTF-8
export DEBIAN_FRONTEND=noninteractive
if [ -z "${HOME:-}" ]; then HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME; fi
# sbin is missing from an ordinary user's PATH on Debian, and from some CI environments; ip and nft live there.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
CACHE="${CLAWQL_CACHE:-$HOME/.cache/clawql}"
PROGRAMS="clawql-api clawql clawql-door clawql-engine clawql-run clawql-stdio"

say() { printf '%s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

check_debian() {
  # shellcheck disable=SC1091
  [ -r /etc/os-release ] && . /etc/os-release
  if [ "${ID:-}" != debian ] || [ "${VERSION_ID:-}" != 12 ]; then
    say "note: this is ${PRETTY_NAME:-not a known system}; the scripts are written for Debian 12 (elsewhere: a VM or container)"
  fi
  command -v dpkg-query >/dev/null || fail "dpkg is missing: these scripts install Debian packages"
}

package_names() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"; }

# missing_packages FILE…: the packages of the lists that are not installed, one a line.
missing_packages() {
  local wanted installed
  wanted=$(package_names "$@" | sort -u)
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | sort -u)
  comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

# No daemon of a package just installed (nginx) may start and listen: a policy that says so, for the time of the
# installation, where the machine has none.
without_daemons() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | $SUDO tee "$policy" >/dev/null && $SUDO chmod 755 "$policy"
  local status=0
  "$@" || status=$?
  $SUDO rm -f "$policy"
  return $status
}

# install_packages FILE…: installs what is missing of the lists. Without root or sudo it lists them and stops.
install_packages() {
  local missing started
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  missing=$(printf '%s' "$missing" | tr '\n' ' ')
  SUDO=
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null; then
      SUDO="sudo env DEBIAN_FRONTEND=noninteractive"
    else
      printf 'error: these Debian packages are missing, and neither root nor sudo is there to install them:\n  %s\n' "$missing" >&2
      printf 'As root: apt-get update && apt-get install -y --no-install-recommends %s\n' "$missing" >&2
      exit 1
    fi
  fi
  say "installing Debian packages: $missing"
  started=$SECONDS
  local log
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { $SUDO apt-get update -q && without_daemons $SUDO apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: $missing"
  fi
  rm -f "$log"
  say "installed in $((SECONDS - started)) s"
}

# configure PRESET: only when there is no build folder yet; afterwards ninja looks after it.
configure() {
  [ -f "build/$1/build.ninja" ] && return 0
  cmake --preset "$1" >"build-$1.log" 2>&1 || {
    tail -n 30 "build-$1.log" >&2
    fail "cmake --preset $1 failed (whole text: build-$1.log)"
  }
  rm -f "build-$1.log"
}

jobs() { nproc; }
