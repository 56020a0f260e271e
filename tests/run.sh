#!/bin/sh
# Runs the tests; `sh tests/run.sh --help` tells more. All it makes lies under target/.
set -u

usage() {
    cat <<'END'
usage: sh tests/run.sh [all]

Builds the library, and holds it to its promises: Rust tests, C programs against the shared library and servers on
loopback, memory checks, the examples, the README, the packages for other languages. What is missing on a Debian machine is
installed. `all` adds what takes long: installing with cargo-c, sanitizers, every C program in valgrind, fuzzing, a
soak, other systems' fallback.

The last line is `N passed, M failed`; the exit status is 0 where nothing failed. What each step printed is kept in
target/tests/.
END
}

# step NAME COMMAND...: runs the command, and adds up what it says it has tested (one test where it does not say).
step() {
    name=$1
    shift
    log=target/tests/$name.log
    begun=$(date +%s)
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    counts=$(count "$log")
    step_passed=${counts% *}
    step_failed=${counts#* }
    if [ "$status" -ne 0 ] && [ "$step_failed" -eq 0 ]; then
        step_failed=1
    elif [ "$status" -eq 0 ] && [ "$step_passed" -eq 0 ]; then
        step_passed=1
    fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    report >"$log.report"
    cat "$log.report"
}

# What there is to say of a step that has ended.
report() {
    printf '%-10s %4s passed %3s failed %4s s\n' "$name" "$step_passed" "$step_failed" "$(($(date +%s) - begun))"
    if [ "$step_failed" -gt 0 ]; then
        grep -E '^(FAIL|not ok|test .* FAILED|---- )|panicked at|^error' "$log" | head -n 40
        echo "--- the end of $log:"
        tail -n 40 "$log"
        echo "---"
    fi
}

# side_by_side LANE...: runs the lanes, which are functions of steps, at the same time: one builds while another waits.
side_by_side() {
    for lane in "$@"; do
        (
            passed=0
            failed=0
            $lane
            echo "$passed $failed" >"target/tests/$lane.sum"
        ) &
    done
    wait
    for lane in "$@"; do
        read -r lane_passed lane_failed <"target/tests/$lane.sum" || { lane_passed=0 lane_failed=1; }
        passed=$((passed + lane_passed))
        failed=$((failed + lane_failed))
    done
}

# The sums of all "N passed, M failed" that stand alone on a line, and of cargo's "test result" lines.
count() {
    sed -nE -e 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' \
        -e 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; .*/\1 \2/p' "$1" |
        awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }'
}

c_tests() {
    sh tests/support/run_c.sh
}

# All that can run under valgrind, or these alone; time is no promise there.
c_tests_in_valgrind() {
    sh tests/support/run_c.sh --valgrind "$@"
}

c_layout() {
    git ls-files '*.c' '*.h' '*.cpp' '*.hpp' ':!include/refold.h' | xargs clang-format --dry-run --Werror
}

# The lanes.

release() {
    step build cargo build --release --locked --lib --example sandbox
    step c-build sh tests/support/build.sh
}

rust() {
    step layout cargo fmt --check
    step c-layout c_layout
    step lints cargo clippy --locked --all-targets -- -D warnings
    step rust cargo test --locked
}

c() {
    step c c_tests
    [ "$scope" = all ] || step valgrind c_tests_in_valgrind null errors lifetimes requests snapshot
}

languages() {
    step examples sh tests/examples.sh
    step readme sh tests/readme.sh
    step docs sh tests/docs.sh
    step cpp sh tests/cpp.sh
    step go sh tests/go.sh
    step python sh tests/python.sh
    step node sh tests/node.sh
    step supply sh tests/supply.sh
    step abi sh tests/abi.sh
}

# What keeps one waiting.

enduring() {
    step install sh tests/install.sh
    step portable sh tests/portable.sh
    step soak sh tests/soak.sh 1
    step valgrind c_tests_in_valgrind
}

breaking() {
    step asan sh tests/sanitizers.sh address
    step tsan sh tests/sanitizers.sh thread
    step fuzz sh fuzz/run.sh 15
}

case $#:${1-} in
    0:) scope=usual ;;
    1:all) scope=all ;;
    1:--help)
        usage
        exit
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac

cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
need_rust || exit 1
need_component rustfmt rustfmt || exit 1
need_component cargo-clippy clippy || exit 1
need cc gcc libc6-dev || exit 1
need c++ g++ || exit 1
need git git || exit 1
need openssl openssl || exit 1
need_file /usr/include/openssl/ssl.h libssl-dev || exit 1
need_file /usr/include/zlib.h zlib1g-dev || exit 1
need valgrind valgrind libc6-dbg || exit 1
need strace strace || exit 1
need nginx nginx-light || exit 1
need tinyproxy tinyproxy-bin || exit 1
need microsocks microsocks || exit 1
need clang-format clang-format || exit 1

export CARGO_TARGET_DIR=target
unset CARGO_BUILD_TARGET
mkdir -p target/tests
passed=0
failed=0
rm -f target/tests/*.sum target/tests/*.report
side_by_side release rust
if [ -e target/release/librefold.so ] && [ "$failed" -eq 0 ]; then
    side_by_side c languages
    [ "$scope" = usual ] || side_by_side enduring breaking
fi
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
