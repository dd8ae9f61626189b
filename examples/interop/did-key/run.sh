#!/usr/bin/env bash
# Do this workspace and two npm libraries name the same keys, and write the same DID documents?
# Needs node 20 or later, npm, and cargo; installs the libraries into target/, pinned by package-lock.json.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

cargo build --locked --quiet --manifest-path "$root/Cargo.toml" -p cpchain-crypto --features std,did-document --example did
work=$target/interop/did-key
mkdir -p "$work"
cp package.json package-lock.json compare.mjs "$work/"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --loglevel error
node compare.mjs "$target/debug/examples/did"
