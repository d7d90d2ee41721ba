#!/usr/bin/env bash
# A Debian 12 made by debootstrap, without any tool but apt, runs both commands on a clone of this tree: what a newcomer's
# machine does. Uses the package mirror of this machine. Everything is mounted in a namespace of its own and removed at the end.
#   scripts/fresh-debian.sh [COMMAND…]      default: as a newcomer, ./run.sh and its tools, then ./test.sh
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
. scripts/lib.sh
[ "$(id -u)" = 0 ] || fail "scripts/fresh-debian.sh needs root"
if [ "${IN_FRESH_DEBIAN:-}" != 1 ]; then
  packages=$(mktemp)
  printf 'debootstrap\ngit\n' >"$packages"
  install_packages "$packages"
  rm -f "$packages"
  IN_FRESH_DEBIAN=1 exec unshare --mount --propagation private "$0" "$@"
fi

root=$(mktemp -d /var/tmp/fresh-debian.XXXXXX)
chmod 755 "$root" # an ordinary user inside must be able to enter its own /
trap 'umount -R -l "$root" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
mirror=$(sed -n -E 's/^(URIs: *|deb (\[[^]]*\] )?)([a-z+]+:[^ ]+).*/\3/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
  grep -v security | grep -m1 debian || true)
[ -n "$mirror" ] || fail "no Debian mirror in /etc/apt"
started=$SECONDS
log=$(mktemp)
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$log" 2>&1 || { tail -n 20 "$log"; fail "debootstrap failed"; }
rm -f "$log"
say "a fresh Debian 12 in $((SECONDS - started)) s"

# How this machine reaches its mirrors and trusts them; nothing else of it.
printf 'deb %s bookworm main\ndeb %s bookworm-updates main\ndeb %s bookworm-security main\n' "$mirror" "$mirror" "${mirror%/}-security" >"$root/etc/apt/sources.list"
grep -lE '^ *Acquire' /etc/apt/apt.conf.d/* 2>/dev/null | xargs -r cp -Lt "$root/etc/apt/apt.conf.d/"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
# The authorities this machine trusts, kept where installing ca-certificates does not sweep them away.
mkdir -p "$root/etc/ssl" "$root/usr/local/share/ca-certificates" && cp -aL /etc/ssl/certs "$root/etc/ssl/"
cp -aL /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
mount --bind "$root" "$root" # so that its root is a mount point, as `ip netns` wants
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/run/lock" "$root/dev/shm"
git clone -q --no-local . "$root/root/clawql"

# Not chroot: a program that enters its own mount namespace again (nsenter) would leave it.
# shellcheck disable=SC2016
in_root='cd "$1" && shift && mkdir -p .old && pivot_root . .old && cd / && umount -l /.old && exec "$@"'
rooted() {
  unshare --mount --propagation private bash -c "$in_root" _ "$root" \
    /usr/bin/env -u CLAWQL_CACHE -u IN_FRESH_DEBIAN HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@" </dev/null
}

inside() {
  say "\$ $*"
  local began=$SECONDS status=0
  rooted bash -c 'cd /root/clawql && exec "$@"' _ "$@" || status=$?
  say "status $status after $((SECONDS - began)) s"
  return $status
}

# An ordinary user without sudo: the missing packages are named, and nothing is installed or built.
names_what_is_missing() {
  local told status=0
  rooted useradd -m newcomer
  git clone -q --no-local . "$root/home/newcomer/clawql"
  rooted chown -R newcomer: /home/newcomer/clawql
  told=$(inside setpriv --reuid=newcomer --regid=newcomer --init-groups env HOME=/home/newcomer bash -c 'cd ~/clawql && ./run.sh' 2>&1) || status=$?
  [ $status -eq 1 ] && [[ $told == *"clang-19"*"ninja-build"* ]] || fail "an ordinary user was told (status $status): $told"
  [ ! -e "$root/home/newcomer/clawql/build" ] || fail "something was built without its packages"
}

# What README says after the build: start, look, call a tool, stop.
# shellcheck disable=SC2016
first_use='set -eu
./run.sh & gateway=$!
export PATH=$PWD/build/release/bin:$PATH
for try in $(seq 100); do clawql status >/dev/null 2>&1 && break; sleep 0.2; done
clawql status && clawql tools list
clawql doctor || [ $? -eq 1 ] # 1: as root there are findings
clawql tools call clawql__cache "{\"operation\":\"set\",\"key\":\"k\",\"value\":\"v\"}"
HOME=/root clawql connect cursor && grep -q clawql /root/.cursor/mcp.json
kill -TERM $gateway && wait $gateway'

if [ $# -gt 0 ]; then
  inside "$@"
else
  names_what_is_missing
  inside ./run.sh --build-only
  inside ./run.sh --build-only
  inside bash -c "$first_use"
  inside ./test.sh
fi
