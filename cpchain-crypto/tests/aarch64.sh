#!/usr/bin/env bash
# Runs on an emulated 64-bit Arm processor: every NEON kernel against its reference, the golden bytes that they compute, and one query of each engine end to end.
# Needs the Rust target and qemu-user, and installs nothing: it says what is missing. Links with the compiler's own linker and libc.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-musl
missing=()
rustup target list --installed | grep -qx "$target" || missing+=("rustup target add $target")
command -v qemu-aarch64 >/dev/null || missing+=("apt-get install qemu-user")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'aarch64.sh needs: %s\n' "${missing[@]}" >&2
    exit 1
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER=qemu-aarch64
# Emulated, a case takes ten times as long.
export PROPTEST_CASES=2
run() { cargo test --locked --target "$target" --features search "$@"; }
# The loops themselves, and the packing around them.
run --lib -- search::simd search::fourier search::keyword::kernel search::catalogue::kernel search::packed
# A query of each engine, answered and read by NEON.
run --test scan --test scan_shared --test aggregate --test search_catalogue --test search_keyword_bytes -- \
    golden_bytes bytes_are_these physical_values stored_states the_largest_numbers
