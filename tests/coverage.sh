#!/bin/sh
# Measures which lines of src/ are run by the Rust tests and by the C programs, with an instrumented shared library.
#
# tests/coverage/uncovered.txt lists the lines that no test runs, each with its reason. Any other such line is a failure,
# and so is a share of less than 95 %. A test that fails is only shown, because its timing differs in this build.
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
# The tools must be of the compiler's LLVM version.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
need_file "/usr/lib/llvm-$llvm/bin/llvm-cov" "llvm-$llvm"
PATH=/usr/lib/llvm-$llvm/bin:$PATH

out=$PWD/target/coverage
mkdir -p "$out"
rm -rf "$out/profiles"
# Neither dependencies nor build scripts are measured.
export RUSTC_WORKSPACE_WRAPPER="$PWD/tests/coverage/rustc.sh"
export LLVM_PROFILE_FILE=/dev/null
# The shared library is optimized a little, because the C programs have deadlines.
CARGO_TARGET_DIR=$out/build CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo build --locked --lib
CARGO_TARGET_DIR=target cargo test --locked --lib --test log --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' >"$out/programs"
unset RUSTC_WORKSPACE_WRAPPER

# One file per program or library, to which all its processes add.
export LLVM_PROFILE_FILE="$out/profiles/rust-%m.profraw"
while read -r program; do
    "$program" -q || echo "$program has failed"
done <"$out/programs"
# The library's is updated continuously, because some processes are killed.
export LLVM_PROFILE_FILE="$out/profiles/library-%c%m.profraw"
export OUT="$out/ctests" CHECK_PATIENCE=60
sh tests/support/build.sh include "$out/build/debug"
sh tests/support/run_c.sh || echo "a program has failed"
unset LLVM_PROFILE_FILE

# export_lines NAME BINARY...: writes how often their lines were run. Two builds of one function need two exports.
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
