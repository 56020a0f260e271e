#!/bin/sh
# Cargo calls this in place of rustc for this crate alone, so that lines of dependencies are not counted. Relocatable
# counters are in the mapped profile itself, and thus survive a process that ends by _exit.
exec "$@" -C instrument-coverage -C llvm-args=-runtime-counter-relocation
