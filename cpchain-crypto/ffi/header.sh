#!/usr/bin/env bash
# Writes include/cpchain_crypto.h from the Rust source; with --check says whether it is up to date.
set -euo pipefail
cd "$(dirname "$0")"

version=0.29.4
root=${CARGO_TARGET_DIR:-../../target}/cbindgen-$version
[ -x "$root/bin/cbindgen" ] ||
    cargo install cbindgen --version "$version" --locked --root "$root" --target-dir "$root/build"

case ${1:-} in
--check)
    "$root/bin/cbindgen" --quiet --config cbindgen.toml --verify --output include/cpchain_crypto.h ||
        { echo 'include/cpchain_crypto.h is not what the source says: run cpchain-crypto/ffi/header.sh'; exit 1; }
    ;;
'') "$root/bin/cbindgen" --quiet --config cbindgen.toml --output include/cpchain_crypto.h ;;
*) echo "usage: $0 [--check]"; exit 2 ;;
esac
