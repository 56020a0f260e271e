#!/bin/sh
# Which lines of src/ the tests run: those of Rust, and the C programs against an instrumented shared library.
#
# tests/coverage/uncovered.txt names those that none runs, each with its reason; any other is a failure, and so are
# fewer than 95 % of all. The tests are judged by tests/run.sh: what fails here is only shown, for time runs
# differently in this build.
set -eu
cd "$(dirname "$0")/.."
. tests/support/install.sh
need_rust
need cc gcc libc6-dev
need openssl openssl
need_file /usr/include/openssl/ssl.h libssl-dev
need_file /usr/include/zlib.h zlib1g-dev
need strace strace
need nginx nginx-light
need tinyproxy tinyproxy-bin
need microsocks microsocks
need python3 python3
# The tools read what the compiler's own LLVM writes.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
need_file "/usr/lib/llvm-$llvm/bin/llvm-cov" "llvm-$llvm"
PATH=/usr/lib/llvm-$llvm/bin:$PATH

out=$PWD/target/coverage
mkdir -p "$out"
rm -rf "$out/profiles"
# Not the dependencies' lines, nor those of building.
export RUSTC_WORKSPACE_WRAPPER="$PWD/tests/coverage/rustc.sh"
export LLVM_PROFILE_FILE=/dev/null
# The shared library is optimised a little: the C programs have deadlines.
CARGO_TARGET_DIR=$out/build CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo build --locked --lib
CARGO_TARGET_DIR=target cargo test --locked --lib --test log --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' >"$out/programs"
unset RUSTC_WORKSPACE_WRAPPER

# One file for all processes of a program or library: each adds to it.
export LLVM_PROFILE_FILE="$out/profiles/rust-%m.profraw"
while read -r program; do
    "$program" -q || echo "$program has failed"
done <"$out/programs"
# This one as it goes: some processes are killed.
export LLVM_PROFILE_FILE="$out/profiles/library-%c%m.profraw"
export OUT="$out/ctests" CHECK_PATIENCE=60
sh tests/support/build.sh include "$out/build/debug"
sh tests/support/run_c.sh || echo "a program has failed"
unset LLVM_PROFILE_FILE

# export_lines NAME BINARY...: the lines that were run of them. Two builds of one function cannot be told in one go.
export_lines() {
    name=$1
    shift
    llvm-profdata merge -sparse "$out/profiles/$name"-*.profraw -o "$out/$name.profile"
    first=$1
    shift
    for binary; do
        set -- "$@" -object "$binary"
        shift
    done
    llvm-cov export -format=lcov -instr-profile="$out/$name.profile" "$first" "$@" >"$out/$name.lcov"
}
export_lines library "$out/build/debug/librefold.so"
# shellcheck disable=SC2046
export_lines rust $(cat "$out/programs")
python3 tests/coverage.py "$out/library.lcov" "$out/rust.lcov"
