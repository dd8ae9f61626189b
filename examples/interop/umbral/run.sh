#!/usr/bin/env bash
# Proxy re-encryption between cpchain-crypto and pyUmbral, both ways. Needs cargo and python3 with venv.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p cpchain-crypto --features std,umbral --example umbral_bytes
venv="$target/interop-umbral"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$here/requirements.txt"
"$venv/bin/python" -B "$here/interop.py" "$target/debug/examples/umbral_bytes"
