#!/bin/sh
# Cargo calls this in place of rustc for our own crate: its lines are counted, those of dependencies are not. Counters
# that can be moved lie in the profile itself, and so outlast a process that ends by _exit.
exec "$@" -C instrument-coverage -C llvm-args=-runtime-counter-relocation
