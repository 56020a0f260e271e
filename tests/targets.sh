#!/bin/sh
# Builds the library for other systems and processors, and tests it with emulators. Installs what it needs from Debian and
# PyPI; Rust, zig and all output are under target/. Each target ends in `TARGET: N passed, M failed`; the last line is the sum.
#
#     sh tests/targets.sh [--quick] [TARGET...]      all
#     sh tests/targets.sh --list
#
# With --quick, only what CI runs: it takes some ten minutes of CPU time.
#
# Left out, each with its reason, is what cannot work in an emulator: see below at each target.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
. tests/support/toolchain.sh

targets='i686-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-pc-windows-gnu aarch64-apple-darwin x86_64-apple-darwin
x86_64-unknown-linux-musl s390x-unknown-linux-gnu'

usage() {
    cat <<'END'
usage: sh tests/targets.sh [--quick] [TARGET...]
       sh tests/targets.sh --list
END
}

list() {
    cat <<'END'
i686-unknown-linux-gnu      32-bit: unit and integration tests
aarch64-unknown-linux-gnu   unit, integration and C tests, under qemu
x86_64-pc-windows-gnu       unit and integration tests, and C programs, under wine
aarch64-apple-darwin        cargo check
x86_64-apple-darwin         cargo check
x86_64-unknown-linux-musl   C tests with the shared library, programs with the static one
s390x-unknown-linux-gnu     big-endian: unit tests of scan and json, under qemu
With --quick: i686 unit tests; scan, json and C programs for get, wait, TLS and cancel on aarch64; integration tests on
Windows; the check of macOS on aarch64.
END
}

# Nothing needs debug information, and the profile dev is as the profile test, so that all builds share the dependencies.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=0
export CARGO_PROFILE_DEV_OPT_LEVEL=1
unoptimized='profile.dev.package."*".opt-level=0'
cross=target/cross
export CARGO_TARGET_DIR=$cross
quick=

# logged NAME COMMAND...: runs the command, whose output is in target/cross/logs/TARGET-NAME. Shows its end on failure.
logged() {
    log=$cross/logs/$target-$1
    shift
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    [ "$status" -eq 0 ] || { echo "--- the end of $log:" && tail -n 60 "$log" && echo "---"; }
    return "$status"
}

# built NAME COMMAND...: a build, which counts as failed unless it succeeds.
built() {
    logged "$@" || { echo "FAIL $target: $1" && failed=$((failed + 1)) && return 1; }
}

# rust_tests NAME COMMAND...: runs Rust tests and adds their results up.
rust_tests() {
    name=$1
    shift
    logged "$name" "$@"
    status=$?
    sed -nE "s/^test (.*) \.\.\. FAILED\$/FAIL $target: \1/p" "$log"
    count_log "$log" "$status"
    echo "$target: $name: ${counts% *} passed, ${counts#* } failed"
}

# build_unit_tests: builds only the library's own tests. `cargo test --lib` would also build the dependencies of the
# benchmarks and of the sandbox, which takes as long as everything else.
build_unit_tests() {
    cargo_for "$target" rustc --config "$unoptimized" --lib --crate-type cdylib -- --test -C extra-filename=-units
}

# unit_tests [ARGUMENT...]: arguments of the test program.
unit_tests() {
    built unit-tests build_unit_tests || return
    # shellcheck disable=SC2086
    rust_tests unit $cross_runner "$cross/$target/debug/deps/refold-units" "$@"
}

integration_tests() {
    rust_tests integration cargo_for "$target" test --test integration
}

# c_tests PROGRAM[:TEST...]...: builds the library and these programs, or all that can run, and runs them.
c_tests() {
    built library cargo_for "$target" build --config "$unoptimized" --lib || return
    programs=
    for entry; do
        programs="$programs ${entry%%:*}"
    done
    built c-programs env CC="$cross_cc" AR="${cross_ar:-ar}" EXTRA_CFLAGS="${cross_cflags-}" PROGRAMS="$programs" \
        LIBRARY="${library-}" OUT="$cross/$target/ctests${library:+-static}" \
        sh tests/support/build.sh include "$cross/$target/debug" || return
    logged c env RUNNER="$cross_runner" OUT="$cross/$target/ctests${library:+-static}" sh tests/support/run_c.sh "$@"
    status=$?
    grep -E '^FAIL ' "$log"
    count_log "$log" "$status"
    echo "$target: c: ${counts% *} passed, ${counts#* } failed"
}

i686_unknown_linux_gnu() {
    unit_tests
    [ -n "$quick" ] || integration_tests
}

aarch64_unknown_linux_gnu() {
    need openssl openssl && need nginx nginx-light && need tinyproxy tinyproxy-bin && need microsocks microsocks || return
    arm=$cross/libraries-aarch64
    unpack_for_aarch64 "$arm" libssl-dev libssl3 zlib1g-dev zlib1g || return
    libraries=$(pwd)/$arm/usr/lib/aarch64-linux-gnu
    cross_ar=aarch64-linux-gnu-ar
    cross_cflags="-isystem $arm/usr/include -isystem $arm/usr/include/aarch64-linux-gnu -L$libraries -Wl,-rpath,$libraries"
    # The emulator is slow.
    export CHECK_PATIENCE=5
    if [ -n "$quick" ]; then
        unit_tests json
        c_tests requests waiting tls cancel
    else
        # The emulator cannot run this program, as a test of what a panic prints does.
        unit_tests --skip panic_prints_nothing
        integration_tests
        # shellcheck disable=SC2046
        c_tests $(emulated)
    fi
}

# The C programs that run in the emulator, which lets no process with threads fork, starts no program of its own processor,
# has memory and threads of its own, and needs more of the stack. strace would see its system calls. It is too slow for tests
# that make thousands of TLS connections, or set short timeouts for slow work.
emulated() {
    for source in tests/c/*.c; do
        program=$(basename "$source" .c)
        left_out=
        case $program in
            reuse) left_out=a_call_on_a_reused_connection_makes_four_system_calls ;;
            handshakes) left_out=tls_needs_at_most_128_kib_of_stack ;;
            queue_cancel) left_out=a_queue_can_be_freed_with_work_in_every_state ;;
            faults) left_out='\(tls_connections\|full_handshakes\|silence\)_.*' ;;
            deadline) left_out=slow_decompression_ends_with_the_timeout ;;
            tls) ;;
            *) ! grep -q '[^_]fork()\|remote_start(\|/proc/self/' "$source" || continue ;;
        esac
        echo "$program${left_out:+:$(all_but "$program" "$left_out")}"
    done
}

s390x_unknown_linux_gnu() {
    unit_tests json
}

x86_64_pc_windows_gnu() {
    logged windows sh tests/targets/windows.sh ${quick:+integration}
    status=$?
    grep -E '^(ok|FAIL) ' "$log"
    count_log "$log" "$status"
}

aarch64_apple_darwin() {
    check "$target: cargo check" logged check cargo_for "$target" check --config "$unoptimized" --lib
}

x86_64_apple_darwin() {
    check "$target: cargo check" logged check cargo_for "$target" check --config "$unoptimized" --lib
}

# Debian has no OpenSSL for musl, so servers that speak TLS cannot run: tests/integration tests TLS there. Its headers
# do, with functions that abort.
x86_64_unknown_linux_musl() {
    need openssl openssl && need_file /usr/include/openssl/ssl.h libssl-dev && need_file /usr/include/zlib.h zlib1g-dev || return
    unit_tests
    integration_tests
    # The library is not optimized.
    export CHECK_PATIENCE=3
    built stand-ins make_stand_ins || return
    cross_cflags="-idirafter $cross/$target/stand-ins -L$cross/$target/stand-ins"
    # shellcheck disable=SC2046
    c_tests $(without_tls)
    library="$cross/$target/debug/librefold.a $toolchain/musl/libgcc_s.a"
    cross_cflags="$cross_cflags -static"
    c_tests requests waiting errors retries snapshot
}

# The C programs without TLS, and without glibc's names of malloc.
without_tls() {
    for source in tests/c/*.c; do
        grep -q '\.certificate = \|"phases\.h"\|__libc_malloc' "$source" || basename "$source" .c
    done
}

make_stand_ins() {
    folder=$cross/$target/stand-ins
    multiarch=/usr/include/x86_64-linux-gnu
    rm -rf "$folder"
    mkdir -p "$folder/openssl"
    ln -s /usr/include/openssl/*.h $multiarch/openssl/*.h "$folder/openssl" &&
        for header in zlib.h zconf.h; do
            ln -s "$(find /usr/include/$header $multiarch/$header 2>/dev/null | head -n 1)" "$folder/$header" || return
        done
    for name in ssl crypto z; do
        nm -D --defined-only "/usr/lib/x86_64-linux-gnu/lib$name.so" |
            sed -n 's/^[0-9a-f]* T \([A-Za-z0-9_]*\).*/void \1(void) { __builtin_trap(); }/p' >"$folder/$name.c" &&
            musl-gcc -w -c "$folder/$name.c" -o "$folder/$name.o" && ar rcs "$folder/lib$name.a" "$folder/$name.o" || return
    done
}

# run_target TARGET: adds its results to the sums. What was exported for one target does not reach the next.
run_target() {
    target=$1
    : >"$cross/logs/$target-sum"
    (
        passed=0
        failed=0
        trap 'echo "$passed $failed" >"$cross/logs/$target-sum"' EXIT
        if use_target "$target"; then
            "$(printf %s "$target" | tr - _)"
        else
            check "$target: prepared" false
        fi
        [ "$((passed + failed))" -gt 0 ] || failed=1
    )
    read -r target_passed target_failed <"$cross/logs/$target-sum" || { target_passed=0 target_failed=1; }
    echo "$target: $target_passed passed, $target_failed failed"
    passed=$((passed + target_passed))
    failed=$((failed + target_failed))
}

case ${1-} in
    --help)
        usage
        exit
        ;;
    --list)
        list
        exit
        ;;
    --quick)
        quick=1
        unset REFOLD_EXHAUSTIVE
        shift
        ;;
esac
for target; do
    case " $(echo "$targets" | tr '\n' ' ') " in
        *" $target "*) ;;
        *)
            echo "sh tests/targets.sh: there is no target $target" >&2
            usage >&2
            exit 2
            ;;
    esac
done
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2086
    set -- $targets
    [ -z "$quick" ] || set -- i686-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-pc-windows-gnu \
        aarch64-apple-darwin
fi
mkdir -p "$cross/logs"
need_rust && need cc gcc libc6-dev && use_toolchain || exit 1
for target; do
    run_target "$target"
done
sum_up
