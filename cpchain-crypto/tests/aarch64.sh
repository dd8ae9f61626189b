#!/usr/bin/env bash
# Runs the tests of the NEON kernel, and those of the golden bytes that it computes, on an emulated 64-bit Arm processor.
# Needs rustup and qemu-user; installs what is missing with apt-get. Links with the compiler's own linker and libc.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-musl
rustup target list --installed | grep -qx "$target" || rustup target add "$target"
if ! command -v qemu-aarch64 >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER=qemu-aarch64
# Emulated, a case takes ten times as long.
export PROPTEST_CASES=4
cargo test --locked --target "$target" --features search --lib --test search_keyword_bytes -- kernel bytes_are_these
