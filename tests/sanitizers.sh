#!/bin/sh
# Runs the C programs with sanitizers: AddressSanitizer with LeakSanitizer on all that can run with it, ThreadSanitizer
# on those about shared clients, tokens and executions. The Rust code is instrumented like the C code; of Rust's standard
# library only the generic code that is compiled into the library is. The last line is `N passed, M failed`.
#
#     sh tests/sanitizers.sh [address | thread [PROGRAM[:TEST[,TEST...]] ...]]      both
#
# Before a sanitizer runs all its programs, it has to report deliberate defects in Rust code.
#
# Miri cannot run here. It would check the pointers of src/alloc/once_box.rs, src/alloc/on_demand.rs and src/sys/fork.rs, the
# pointers that src/ffi exchanges with C, reads of uninitialized memory, and Rust's aliasing rules. Dangling pointers and
# double frees are reported by AddressSanitizer in whatever test reaches them; data races by ThreadSanitizer
# (tests/c/snapshot.c, lifetimes.c) and provoked by the unit tests of src/alloc; uninitialized reads by valgrind, in every C
# program (tests/support/run_c.sh --valgrind), and safe code cannot make any. Only aliasing is checked by no tool:
# references are made from C's pointers in few places, all in src/ffi, each with its reason.
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
#   allocations  replaces malloc, as the sanitizer does
#   fork         forks processes with threads: a child inherits locked locks of the sanitizer's allocator, and hangs
#   host         replaces pthread_create, by which the sanitizer tracks threads
#   memory       limits the address space, of which the sanitizer reserves terabytes
#   queue_fork   as fork
#   queue_host   as host
#   secrets      searches all memory for secrets: those terabytes, and freed memory in quarantine
without_address='allocations fork host memory queue_fork queue_host secrets'

# These share objects between threads.
with_thread='cancel lifetimes log queue queue_cancel queue_loops requests reuse snapshot waiting'

root=$(pwd)
host=$(rustc -vV | sed -n 's/^host: //p')
export CHECK_PATIENCE="${CHECK_PATIENCE:-5}"
export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 TSAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:allocator_may_return_null=1
export TSAN_OPTIONS="suppressions=$root/tests/support/sanitizers/thread.supp ignore_noninstrumented_modules=1"
unset CARGO_BUILD_TARGET

# build SANITIZER PROGRAM...: builds the library, the programs and the defects. RUSTC_BOOTSTRAP enables flags that
# otherwise only nightly toolchains accept. Warnings about the C code are off, because gcc has reported them.
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

# reports SANITIZER DEFECT WORDS: the defect ends the program with a report that contains the words and the place.
reports() {
    report=$root/target/sanitizers/$1/$2.report
    ! "$root/target/sanitizers/$1/defects" "$2" >"$report" 2>&1 && grep -q "$3" "$report" &&
        grep -q 'defects\.rs:' "$report"
}

# is_silent SANITIZER: without a defect there is no report.
is_silent() {
    report=$root/target/sanitizers/$1/none.report
    "$root/target/sanitizers/$1/defects" >"$report" 2>&1 && ! [ -s "$report" ]
}

# run SANITIZER PROGRAM[:TEST...]...: runs the programs and adds their results up. With ThreadSanitizer, they log.
run() {
    work=$root/target/sanitizers/$1
    logs=0
    [ "$1" = address ] || logs=1
    shift
    CHECK_LOG=$logs OUT=$work/ctests sh tests/support/run_c.sh "$@" >"$work/results"
    sed '$d' "$work/results"
    counts=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/results")
    [ -n "$counts" ] || counts='0 1'
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

# chosen SANITIZER PROGRAM[:TEST...]...: builds and runs these programs alone.
chosen() {
    sanitizer=$1
    shift
    programs=
    for entry; do
        program=${entry%%:*}
        case $sanitizer:" $without_address " in
            address:*" $program "*) echo "$program cannot run with AddressSanitizer" && return 1 ;;
        esac
        programs="$programs $program"
    done
    # shellcheck disable=SC2086
    build "$sanitizer" $programs && run "$sanitizer" "$@"
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
    *:address | *:thread) chosen "$@" ;;
    *)
        echo 'usage: sh tests/sanitizers.sh [address | thread [PROGRAM[:TEST[,TEST...]] ...]]' >&2
        exit 2
        ;;
esac
sum_up
