#!/bin/sh
# Builds the fuzz targets and runs each for some seconds, two at a time. An input that fails is kept, and its path
# printed. The last line is `N passed, M failed`.
#
#     sh fuzz/run.sh SECONDS [TARGET ...]      all of fuzz/targets
#
# The corpus is kept in target/fuzz/corpus, and the next run starts from it. To run an input again:
#
#     target/fuzz/bin/TARGET FILE
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh

cargo_fuzz=0.13.2
usage='usage: sh fuzz/run.sh SECONDS [TARGET ...]'

# .crates.toml, which cargo writes, contains the version that was built.
build_cargo_fuzz() {
    if grep -qsF "cargo-fuzz $cargo_fuzz " target/cargo-fuzz/.crates.toml; then
        return
    fi
    cargo install cargo-fuzz --version "$cargo_fuzz" --locked --root target/cargo-fuzz \
        --target-dir target/cargo-fuzz-build && rm -rf target/cargo-fuzz-build
}

# RUSTC_BOOTSTRAP enables the sanitizer and the coverage counters, which otherwise only nightly toolchains have. cargo-fuzz has
# no --locked: cargo fetch fails where it would write to Cargo.lock.
build_targets() {
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml &&
        PATH=$(pwd)/target/cargo-fuzz/bin:$PATH RUSTC_BOOTSTRAP=1 cargo fuzz build --target-dir target/fuzz/build &&
        mkdir -p target/fuzz/bin &&
        for target in fuzz/targets/*.rs; do
            ln -sf "../build/$host/release/$(basename "$target" .rs)" target/fuzz/bin/ || return
        done
}

# run TARGET: runs it with limits on the time and memory that an input may take.
run() {
    case $1 in
        body | scan | envelope) dictionary=json ;;
        exchange | session) dictionary=http ;;
        *) dictionary=arguments ;;
    esac
    found=target/fuzz/found/$1
    log=target/fuzz/$1.log
    mkdir -p "target/fuzz/corpus/$1" "$found"
    target/fuzz/bin/"$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
        -dict="fuzz/dictionaries/$dictionary.dict" -artifact_prefix="$found/" -print_final_stats=1 \
        "target/fuzz/corpus/$1" "fuzz/seeds/$1" >"$log" 2>&1 </dev/null
    status=$?
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ "$status" -eq 0 ] && [ "${executed:-0}" -gt 0 ]; then
        echo "ok $1: $executed inputs"
        grep -a '^not run: ' "$log"
        return 0
    fi
    echo "FAIL $1: status $status"
    grep -aE 'panicked at|^assertion|^ +(left|right): |ERROR: |SUMMARY: ' "$log" | head -n 20
    sed -n 's/^.*Test unit written to /the input is kept in /p' "$log"
    return 1
}

if [ "${1:-}" = --one ]; then
    seconds=$2
    run "$3"
    exit
fi
seconds=${1:-}
if ! [ "$seconds" -gt 0 ] 2>/dev/null; then
    echo "$usage" >&2
    exit 2
fi
shift
need_rust || exit 1
need c++ g++ || exit 1
need openssl openssl || exit 1
mkdir -p target/fuzz
[ -e target/fuzz/certificates/good.pem ] || sh tests/support/certificates.sh target/fuzz/certificates || exit 1
build_cargo_fuzz && build_targets >target/fuzz/build.log 2>&1 || {
    tail -n 40 target/fuzz/build.log
    echo "0 passed, 1 failed"
    exit 1
}
if [ $# -eq 0 ]; then
    set -- $(basename -s .rs fuzz/targets/*.rs)
fi
results=$(printf '%s\n' "$@" | xargs -P 2 -I '{}' sh fuzz/run.sh --one "$seconds" '{}')
printf '%s\n' "$results"
passed=$(printf '%s\n' "$results" | grep -c '^ok ')
failed=$(($# - passed))
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
