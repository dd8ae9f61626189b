#!/usr/bin/env bash
# Compiles the C tests with the system's compiler, links the host's static library, and runs them: plain, then under
# AddressSanitizer and UBSan if the compiler has them. Also: the header alone as C99 and C++.
set -euo pipefail
cd "$(dirname "$0")"

repo=$(cd ../../../.. && pwd)
build=${CARGO_TARGET_DIR:-$repo/target}
out=$build/c-tests
mkdir -p "$out"
cc=${CC:-cc}

(cd "$repo" && cargo build --locked -q -p cpchain-crypto-ffi --release)
library=$build/release/libcpchain_crypto_ffi.a
libraries=(-lpthread -ldl -lm)
warnings=(-Wall -Wextra -Werror -Wconversion -Wno-sign-conversion -I../../include)

"$cc" -std=c99 "${warnings[@]}" -pedantic -fsyntax-only -x c ../../include/cpchain_crypto.h
if command -v c++ >/dev/null; then c++ -std=c++11 "${warnings[@]}" -pedantic -fsyntax-only -x c++ ../../include/cpchain_crypto.h; fi

run() {
    local name=$1
    shift
    "$cc" -std=c11 -g "${warnings[@]}" "$@" test.c device.c "$library" "${libraries[@]}" -o "$out/$name"
    printf '%-10s ' "$name"
    "$out/$name"
}
run plain -O2
"$cc" "${warnings[@]}" ../../examples/first_reading.c "$library" "${libraries[@]}" -o "$out/first_reading"
diff <("$out/first_reading") <(printf '%s\n' 'sealed 15 bytes into 135' 'opened and verified: 21.5;21.6;21.4')
if echo 'int main(void) { return 0; }' | "$cc" -x c - -fsanitize=address,undefined -o "$out/probe" 2>/dev/null; then
    run sanitized -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
else
    echo "sanitized  NOT RUN: $cc has no AddressSanitizer"
fi
