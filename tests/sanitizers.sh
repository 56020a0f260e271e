#!/bin/sh
# Runs the C tests with sanitizers: AddressSanitizer with LeakSanitizer over all that they can run, ThreadSanitizer over
# those about shared clients, tokens and executions. The Rust code is instrumented as the C code is; Rust's own standard
# library is not, but for what of it is compiled into the library as generic code. The last line is `N passed, M
# failed`.
#
#     sh tests/sanitizers.sh [address | thread]      both
#
# Each is first proved to be on: by defects made on purpose in Rust code, which it has to report.
#
# What Miri would cover, and nothing here can run: the pointers of src/once.rs, what src/ffi borrows from C and lends to
# it, reads of uninitialised memory, and breaches of Rust's rules about aliasing. Of these, pointers that dangle or are
# freed twice are found by AddressSanitizer, whatever test comes by them; two threads at one place by ThreadSanitizer
# (tests/c/snapshot.c, lifetimes.c) and by the races of src/once.rs' own tests; uninitialised reads by valgrind, over
# every C test (tests/support/run_c.sh --valgrind), and they cannot arise in safe code. For breaches of aliasing alone
# there is no tool here: references are made from C's pointers in few places, all in src/ffi/handle.rs and
# src/ffi/json_handle.rs, each with its reason.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
need_rust || exit 1
need cc gcc libc6-dev || exit 1
need clang-19 clang-19 || exit 1
need_file "$(clang-19 -print-resource-dir)/lib/linux/libclang_rt.asan-$(uname -m).a" libclang-rt-19-dev || exit 1
need llvm-symbolizer-19 llvm-19 || exit 1
need openssl openssl || exit 1
need_file /usr/include/openssl/ssl.h libssl-dev || exit 1
need_file /usr/include/zlib.h zlib1g-dev || exit 1

# These cannot run with AddressSanitizer:
#   allocations  stands where malloc does, and so does the sanitizer
#   fork         forks processes with threads, and a child hangs in locks of the sanitizer's allocator that it inherited
#   host         stands where pthread_create does, by which the sanitizer knows threads
#   memory       limits the address space, of which the sanitizer takes terabytes
#   secrets      looks through all memory for secrets: through those terabytes, and what is freed and in quarantine
without_address='allocations fork host memory secrets'

# What shares something between threads.
with_thread='cancel lifetimes requests reuse snapshot waiting'

root=$(pwd)
host=$(rustc -vV | sed -n 's/^host: //p')
export CHECK_PATIENCE="${CHECK_PATIENCE:-5}"
export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 TSAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:allocator_may_return_null=1
export TSAN_OPTIONS="suppressions=$root/tests/support/sanitizers/thread.supp ignore_noninstrumented_modules=1"
unset CARGO_BUILD_TARGET

# build SANITIZER PROGRAM...: the library, the tests and the defects. Flags that only nightly toolchains know are there
# for this one when told so. What there is to warn of in the C code, gcc has said.
build() {
    sanitizer=$1
    shift
    flags="-Zsanitizer=$sanitizer -Cforce-frame-pointers=yes"
    own_threads=0
    if [ "$sanitizer" = thread ]; then
        flags="$flags -Cunsafe-allow-abi-mismatch=sanitizer"
        own_threads=1
    fi
    work=$root/target/sanitizers/$sanitizer
    mkdir -p "$work"
    rm -f "$work/defects"
    export RUSTC_BOOTSTRAP=1
    RUSTFLAGS=$flags CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_INCREMENTAL=0 \
        cargo rustc --locked --lib --crate-type cdylib --target "$host" --target-dir "$work/build" &&
        CC=clang-19 EXTRA_CFLAGS="-w -fsanitize=$sanitizer -fno-omit-frame-pointer -DCHECK_SANITIZED=$own_threads" \
            PROGRAMS="$*" OUT=$work/ctests sh tests/support/build.sh include "$work/build/$host/debug" &&
        # shellcheck disable=SC2086
        rustc --edition 2024 --crate-type cdylib -g $flags tests/support/sanitizers/defects.rs \
            -o "$work/libdefects.so" &&
        clang-19 -g -pthread "-fsanitize=$sanitizer" tests/support/sanitizers/defects.c -o "$work/defects" \
            -L"$work" -ldefects -Wl,-rpath,"$work"
}

# reports SANITIZER DEFECT WORDS: the defect ends the program with a report that says so and names its place.
reports() {
    report=$root/target/sanitizers/$1/$2.report
    ! "$root/target/sanitizers/$1/defects" "$2" >"$report" 2>&1 && grep -q "$3" "$report" &&
        grep -q 'defects\.rs:' "$report"
}

# is_silent SANITIZER: where there is no defect there is no report.
is_silent() {
    report=$root/target/sanitizers/$1/none.report
    "$root/target/sanitizers/$1/defects" >"$report" 2>&1 && ! [ -s "$report" ]
}

# run SANITIZER PROGRAM...: adds up what the programs say.
run() {
    work=$root/target/sanitizers/$1
    shift
    OUT=$work/ctests sh tests/support/run_c.sh "$@" >"$work/results"
    sed '$d' "$work/results"
    counts=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/results")
    [ -n "$counts" ] || counts='0 1'
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

address() {
    for source in tests/c/*.c; do
        program=$(basename "$source" .c)
        case " $without_address " in
            *" $program "*) ;;
            *) set -- "$@" "$program" ;;
        esac
    done
    check 'address: built' build address "$@"
    [ -e target/sanitizers/address/defects ] || return
    check 'address: silent without a defect' is_silent address
    check 'address: reports an overflow' reports address overflow heap-buffer-overflow
    check 'address: reports a use after free' reports address use_after_free heap-use-after-free
    check 'address: reports a leak' reports address leak 'LeakSanitizer: detected memory leaks'
    run address "$@"
}

thread() {
    # shellcheck disable=SC2086
    set -- $with_thread
    check 'thread: built' build thread "$@"
    [ -e target/sanitizers/thread/defects ] || return
    check 'thread: silent without a defect' is_silent thread
    check 'thread: reports a race' reports thread race 'data race'
    run thread "$@"
}

case $#:${1-} in
    0:)
        address
        thread
        ;;
    1:address | 1:thread) "$1" ;;
    *)
        echo 'usage: sh tests/sanitizers.sh [address | thread]' >&2
        exit 2
        ;;
esac
sum_up
