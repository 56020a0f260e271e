#!/bin/sh
# The transport for systems without poll(2), built and tested here: the tests whose promises it shares.
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg refold_portable"
cargo build --release --locked --lib --target-dir target/portable
export OUT=target/portable/ctests
sh tests/support/build.sh include target/portable/release
sh tests/support/run_c.sh errors requests retries bodies deadline cancel
