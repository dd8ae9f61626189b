#!/usr/bin/env bash
# Backends against servers that are not ours: moto (S3) from PyPI and nginx (HTTP with byte ranges) from Debian. The tests start
# both on free ports of the loopback and end them.
set -euo pipefail
cd "$(dirname "$0")/../../.."

venv="$PWD/target/ci-tools/moto"
if [ ! -x "$venv/bin/moto_server" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'moto[s3,server]==5.2.5'
fi
nginx=$(command -v nginx || echo /usr/sbin/nginx)
[ -x "$nginx" ] || { echo "nginx is missing: install Debian's nginx-light" >&2; exit 1; }

export OTP_MOTO="$venv/bin/moto_server" OTP_NGINX="$nginx"
cargo test --locked --features cpchain-otp/s3,cpchain-otp/http --test backend_s3 --test backend_http -- --ignored "$@"
