#!/usr/bin/env bash
# Can a peer of another libp2p library join the DHT, find an upload, and fetch and check it by the documented protocol?
# Needs node 20.19 or later, npm, and cargo; installs the libraries into target/, pinned by package-lock.json.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
hosts=3

cargo build --locked --quiet --manifest-path "$root/Cargo.toml" -p cpchain-storage --example host --example publish
work=$target/interop/libp2p
mkdir -p "$work"
cp package.json package-lock.json peer.mjs "$work/"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --loglevel error

net=$(mktemp -d)
mkfifo "$net/hold"
exec 3<>"$net/hold" # the hosts end when this script, which alone holds it open, does
trap 'exec 3>&-; wait; rm -rf "$net"' EXIT
address=()
for host in $(seq "$hosts"); do
    "$target/debug/examples/host" --until-eof --folder "$net/$host" "${address[@]}" \
        <"$net/hold" 3>&- >"$net/$host.out" 2>"$net/$host.err" &
    for _ in $(seq 100); do
        [ -s "$net/$host.out" ] && break
        sleep 0.1
    done
    [ -s "$net/$host.out" ] || { cat "$net/$host.err"; exit 1; }
    address=(--join "$(sed -n 's/^listening //p' "$net/1.out")")
done
head -400 "$root/examples/data/seattle-weather-hourly.csv" >"$net/readings.csv"
"$target/debug/examples/publish" --csv "$net/readings.csv" "${address[@]}" >"$net/published"
node peer.mjs "$root/cpchain-storage/proto" "$hosts" "${address[1]}" <"$net/published"
