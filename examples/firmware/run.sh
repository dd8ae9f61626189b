#!/usr/bin/env bash
# Builds the two programs of this folder for a Cortex-M4F, measures them, runs the thermometer in an emulator, and lets
# the Rust side open and verify what it wrote. Needs rustup, clang and qemu-system-arm; installs what is missing with apt-get.
set -euo pipefail
cd "$(dirname "$0")"

target=thumbv7em-none-eabihf
flash_limit=$((56 * 1024)) # seal + sign + hash
repo=$(cd ../.. && pwd)
build=${CARGO_TARGET_DIR:-$repo/target}
out=$build/firmware-example
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
mkdir -p "$out"

need() {
    local command=$1 package=$2 root=()
    command -v "$command" >/dev/null && return
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"
}
need clang clang
need qemu-system-arm qemu-system-arm
[ -x "$tools/llvm-size" ] || rustup component add llvm-tools
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

# The library as a device gets it, and the programs.
(cd "$repo" && cargo build --locked -p cpchain-crypto-ffi --profile firmware --target "$target")
library=$build/$target/firmware/libcpchain_crypto_ffi.a
flags=(--target="$target" -mcpu=cortex-m4 -mfloat-abi=hard -ffreestanding -std=c11 -Os
    -ffunction-sections -fdata-sections -Wall -Wextra -Werror -I"$repo/cpchain-crypto/ffi/include")
for file in startup board main; do
    clang "${flags[@]}" -c "$file.c" -o "$out/$file.o"
done
link() {
    "$tools/rust-lld" -flavor gnu --gc-sections -T link.ld "$out/startup.o" "$out/board.o" "$out/$1.o" "$library" -o "$out/$1.elf"
}

# Flash is text and data: code, constants, and what initialises RAM; the start-up code of this folder is in it.
flash() { "$tools/llvm-size" "$1" | awk 'NR == 2 { print $1 + $2 }'; }
ram() { "$tools/llvm-size" "$1" | awk 'NR == 2 { print $2 + $3 }'; }
printf 'flash, bytes  program\n'
for parts in '' HASH SEAL 'SEAL OPEN' 'SEAL HASH' SIGN 'SEAL SIGN HASH' 'SEAL OPEN SIGN VERIFY HASH'; do
    # shellcheck disable=SC2086 # the parts are words
    clang "${flags[@]}" ${parts:+$(printf -- '-D%s ' $parts)} -c minimal.c -o "$out/minimal.o"
    link minimal
    size=$(flash "$out/minimal.elf")
    printf '%12d  %s\n' "$size" "$(sed 's/ / + /g' <<<"${parts:-nothing}" | tr 'A-Z' 'a-z')"
    [ "$parts" != 'SEAL SIGN HASH' ] || [ "$size" -le "$flash_limit" ] ||
        { echo "seal + sign + hash needs $size bytes of flash, more than $flash_limit"; exit 1; }
done
link main
printf '%12d  the thermometer: blocks, chain, counter, key tree, signature; %d bytes of RAM and its stack\n' \
    "$(flash "$out/main.elf")" "$(ram "$out/main.elf")"

# No function of ours calls anything that panics. (What stays are assertions of blake3 and chacha20 about themselves.)
"$tools/llvm-objdump" -d --no-show-raw-insn "$out/main.elf" | awk '
    /^[0-9a-f]+ <.*>:$/ { inside = $2; next }
    /<[^>]*(panic|unwrap_failed|expect_failed|index_fail|mismatch_fail)/ { print inside, $0 }' >"$out/panics.txt"
[ -s "$out/panics.txt" ] || { echo "no call to a panic at all: this check reads the disassembly wrongly"; exit 1; }
! grep -E '^<(cpc_|.*cpchain_crypto)' "$out/panics.txt" | grep -v '^<cpc_panicked>' || { echo "code of ours can panic"; exit 1; }

# The emulated device writes, the Rust side judges.
timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial stdio \
    -semihosting-config enable=on,target=native -kernel "$out/main.elf" >"$out/device.txt" </dev/null ||
    { echo "the device failed:"; cat "$out/device.txt"; exit 1; }
(cd "$repo" && cargo build --locked -q -p cpchain-crypto-ffi --example verify_firmware)
verify() { "$build/debug/examples/verify_firmware"; }
verify <"$out/device.txt" >"$out/verified.txt" || exit 1
cut -c1-100 "$out/verified.txt"
diff <(cut -c1-60 "$out/verified.txt") expected.txt || { echo "not the readings that the device took"; exit 1; }

# One changed digit anywhere must be found: in the middle of every line that proves something.
for name in stream public block commitments root signature grant interval writes; do
    awk -v name="$name" '$1 == name && !done { at = int((length($0) + length(name) + 2) / 2); digit = substr($0, at, 1)
        $0 = substr($0, 1, at - 1) (digit == "0" ? "1" : "0") substr($0, at + 1); done = 1 } { print }' \
        "$out/device.txt" >"$out/changed.txt"
    ! cmp -s "$out/device.txt" "$out/changed.txt" || { echo "nothing was changed in $name"; exit 1; }
    ! verify <"$out/changed.txt" >/dev/null 2>&1 || { echo "a changed $name was not found"; exit 1; }
done
echo 'every change was found'
