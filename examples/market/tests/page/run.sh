#!/usr/bin/env bash
# The page in a real browser, over a real network: starts `market demo`, drives headless Chromium, and ends both.
# Needs node 20 or later, npm and Debian's chromium; pictures go to target/page/.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/page
wait_s=120

command -v chromium >/dev/null || { echo "install Debian's package chromium"; exit 1; }
(cd "$root" && cargo build --locked --quiet --bin market)
mkdir -p "$work"
cp package.json package-lock.json page.mjs golden.json "$work/"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --loglevel error

net=$(mktemp -d)
demo=
finish() {
    [ -z "$demo" ] || { kill "$demo" 2>/dev/null || true; wait "$demo" || true; }
    rm -rf "$net"
}
trap finish EXIT
"$target/debug/market" demo --dir "$net/demo" --listen 127.0.0.1:0 >"$net/out" 2>"$net/err" &
demo=$!
for _ in $(seq "$wait_s"); do
    grep -q '^key' "$net/out" && break
    kill -0 "$demo" 2>/dev/null || break
    sleep 1
done
url=$(sed -n 's/^market  //p' "$net/out")
key=$(sed -n 's/^key     //p' "$net/out")
[ -n "$url" ] && [ -n "$key" ] || { cat "$net/err"; exit 1; }
timeout 170 node page.mjs "$url" "$key" "$(command -v chromium)" "$work" || { tail -20 "$net/err"; exit 1; }
