#!/bin/sh
# What the project takes from others: sources, licences, versions, features, and what they weigh.
# tests/supply/policy.toml says what is allowed.
set -eu
cd "$(dirname "$0")/.."
. tests/support/install.sh
need_rust
need git git
need python3 python3

CARGO_TARGET_DIR=target cargo build --release --locked --lib
python3 tests/supply.py
