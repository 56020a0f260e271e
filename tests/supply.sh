#!/bin/sh
# Checks the dependencies against tests/supply/policy.toml: sources, licences, versions, features, and size.
set -eu
cd "$(dirname "$0")/.."
. tests/support/install.sh
need_rust
need git git
need python3 python3

build_library
python3 tests/supply.py
