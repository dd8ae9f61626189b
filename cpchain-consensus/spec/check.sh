#!/usr/bin/env bash
# Checks the TLA+ specification: the rules hold, and each planted bug is found. Needs node and npm; the checker is pinned.
set -euo pipefail
cd "$(dirname "$0")"

version=0.9.0
tools=${TLA_CHECKER_DIR:-../../target/tla-checker-$version}
[ -d "$tools/node_modules/tla-checker" ] || npm install --silent --no-save --prefix "$tools" "tla-checker@$version"

check() { node check.mjs "$(realpath "$tools/node_modules/tla-checker")" "$@"; }
check Lbft Lbft holds
check Lbft LbftImpeachByFewer fails
check Lbft LbftNoExclusion fails
check Boundary Boundary holds
check Boundary BoundaryAnyFinal fails
check Boundary BoundaryNoClosing fails
