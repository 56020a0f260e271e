#!/bin/sh
# Runs the tests; `sh tests/run.sh --help` explains. Everything it creates is under target/.
set -u

usage() {
    cat <<'END'
usage: sh tests/run.sh [all]
       sh tests/run.sh STEP [FILTER ...]

Without a STEP: builds the library and runs all tests that take minutes at most; `all` adds the others. With a STEP: runs
that step alone, after building what it depends on. What is missing on a Debian machine is installed.

  build      builds the library, target/release/librefold.so, and the C programs that test it
  layout     the formatting: rustfmt and clang-format
  lints      clippy, with warnings as errors ("all" only)
  rust       cargo test; FILTER: arguments for it, such as json::scan or --test header
  c          the C programs in tests/c, against the shared library and servers on loopback
  valgrind   the same programs under valgrind
  asan       the same programs with AddressSanitizer and LeakSanitizer ("all" only)
  tsan       programs that share objects between threads, with ThreadSanitizer ("all" only)
  cpp        refold.hpp and the programs in examples/cpp
  go         the Go package in examples/go
  python     the Python module in examples/python
  node       the Node.js package in examples/node
  ruby       the program in examples/ruby
  java       the program in examples/java
  examples   the programs in examples/c
  readme     the programs and commands in README.md and in the headers
  docs       the API reference, built with Doxygen
  supply     the dependencies: licences, versions, features, size
  abi        the binary interface, compared with tests/abi
  install    CMake, FetchContent, cpack and Conan, and programs that use the result ("all" only)
  release    builds what is released, and uses each artefact in a fresh place ("all" only)
  targets    other systems and processors, as far as it takes minutes ("all" only)
  portable   the fallback for other operating systems ("all" only)
  soak       many threads against misbehaving servers, for a minute ("all" only)
  fuzz       the fuzz targets, 15 seconds each; FILTER: some of them ("all" only)

The FILTER of c, valgrind, asan and tsan is PROGRAM[:TEST[,TEST ...]], such as

    sh tests/run.sh c reuse waiting:polls_until_the_status_is_final

The last line is `N passed, M failed`. The exit status is 0 if nothing failed and something passed, and 2 if the command
line is wrong. The output of each step is kept in target/tests/STEP.log. REFOLD_EXHAUSTIVE=1 in the environment, which
`all` sets, lets the Rust tests cover large sets of inputs completely. REFOLD_QUICK=1, which a run without a STEP sets, leaves
out of the C++ tests other compilers and versions, sanitizers and valgrind, of the Go tests the race detector and the pointer
checks, and of the example programs valgrind.
END
}

steps="build layout lints rust c valgrind asan tsan cpp go python node ruby java examples readme docs supply abi install \
release targets portable soak fuzz"

# perform STEP [FILTER...]: runs a step whose prerequisites are built.
perform() {
    performed=$1
    shift
    case $performed in
        build) build_library && sh tests/support/build.sh ;;
        layout) check_layout ;;
        lints) cargo clippy --locked --all-targets -- -D warnings ;;
        rust) cargo test --locked "$@" ;;
        c) sh tests/support/run_c.sh "$@" ;;
        valgrind) JOBS=2 sh tests/support/run_c.sh --valgrind "$@" ;;
        asan) sh tests/sanitizers.sh address "$@" ;;
        tsan) sh tests/sanitizers.sh thread "$@" ;;
        soak) sh tests/soak.sh 1 ;;
        fuzz) sh fuzz/run.sh 15 "$@" ;;
        targets) sh tests/targets.sh --quick ;;
        *) sh "tests/$performed.sh" ;;
    esac
}

check_layout() {
    git ls-files '*.c' '*.h' '*.cpp' '*.hpp' ':!include/refold.h' | xargs clang-format --dry-run --Werror
    c_status=$?
    cargo fmt --check && [ "$c_status" -eq 0 ]
}

# prepare STEP [FILTER...]: builds what a step depends on and does not build itself.
prepare() {
    prepared=$1
    shift
    case $prepared in
        c | valgrind)
            PROGRAMS=
            for filter; do
                PROGRAMS="$PROGRAMS ${filter%%:*}"
            done
            build_library && PROGRAMS=$PROGRAMS sh tests/support/build.sh
            ;;
        cpp | go | python | node | ruby | java | examples | readme | install | release) build_library && build_sandbox ;;
    esac
}

# needs STEP...: installs what these steps depend on, unless their own scripts do.
needs() {
    need_rust && need cc gcc libc6-dev && need git git || return
    for needed_by; do
        case $needed_by in
            layout) need_component rustfmt rustfmt && need clang-format clang-format ;;
            lints) need_component cargo-clippy clippy ;;
            rust) need c++ g++ && need openssl openssl ;;
            build) need_c_libraries ;;
            c | valgrind)
                need_c_libraries && need openssl openssl && need strace strace && need nginx nginx-light &&
                    need tinyproxy tinyproxy-bin && need microsocks microsocks &&
                    { [ "$needed_by" = c ] || need valgrind valgrind libc6-dbg; }
                ;;
        esac || return
    done
}

need_c_libraries() {
    need_file /usr/include/openssl/ssl.h libssl-dev && need_file /usr/include/zlib.h zlib1g-dev
}

# check_filters STEP FILTER...: whether the step takes filters, and the programs exist.
check_filters() {
    filtered=$1
    shift
    case $filtered in
        rust) return ;;
        c | valgrind | asan | tsan) sources='tests/c/%s.c' ;;
        fuzz) sources='fuzz/targets/%s.rs' ;;
        *)
            [ $# -eq 0 ] || { echo "sh tests/run.sh: $filtered takes no filter: $*" >&2 && return 1; }
            return
            ;;
    esac
    for filter; do
        # shellcheck disable=SC2059
        if ! [ -e "$(printf "$sources" "${filter%%:*}")" ]; then
            echo "sh tests/run.sh: $filtered has no program ${filter%%:*}" >&2
            return 1
        fi
    done
}

# tally STEP STATUS: sets step_passed and step_failed from the step's log. A step that reports no tests counts as one.
tally() {
    counts=$(count "target/tests/$1.log")
    step_passed=${counts% *}
    step_failed=${counts#* }
    if [ "$2" -ne 0 ] && [ "$step_failed" -eq 0 ]; then
        step_failed=1
    elif [ "$step_passed" -eq 0 ] && [ "$step_failed" -eq 0 ]; then
        case $1 in
            build | layout | lints) step_passed=1 ;;
            *) step_failed=1 && echo "FAIL $1: no test ran" ;;
        esac
    fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
}

# One step, whose output is shown as it arrives, except for its own sums.
single_step() {
    log=target/tests/$1.log
    {
        prepare "$@" && perform "$@"
        echo $? >"target/tests/$1.status"
    } 2>&1 </dev/null | tee "$log" | grep --line-buffered -vE '^[0-9]+ passed, [0-9]+ failed$'
    tally "$1" "$(cat "target/tests/$1.status")"
}

# step NAME [FILTER...]: one step of a full run, reported in one line unless it fails or leaves something out.
step() {
    name=$1
    log=target/tests/$name.log
    begun=$(date +%s)
    perform "$@" >"$log" 2>&1 </dev/null
    tally "$name" $?
    report >"$log.report"
    cat "$log.report"
}

report() {
    printf '%-10s %4s passed %3s failed %4s s\n' "$name" "$step_passed" "$step_failed" "$(($(date +%s) - begun))"
    grep -aE '^not (run|checked): ' "$log" | sort -u
    if [ "$step_failed" -gt 0 ]; then
        grep -E '^(FAIL|not ok|test .* FAILED|---- )|^ +[a-z_]+_test\.go:|panicked at|^error' "$log" | head -n 40
        echo "--- the end of $log:"
        tail -n 40 "$log"
        echo "---"
    fi
}

# side_by_side LANE...: runs lanes, which are functions that run steps, at the same time.
side_by_side() {
    for lane in "$@"; do
        (
            passed=0
            failed=0
            "$lane"
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

# The lanes of a full run. First the builds, which keep both processors busy.

lane_build() {
    step build
}

lane_rust() {
    step layout
    [ "$scope" = usual ] || step lints
    step rust
}

# Then what needs the library. The C programs wait most of the time, for servers and for time to pass.

lane_c() {
    JOBS=2 step c
}

lane_compilers() {
    step cpp
    step docs
    step supply
    step abi
    step node
}

lane_languages() {
    step examples
    step readme
    step go
    step python
    step ruby
    step java
    [ "$scope" = usual ] || step install
}

# What takes longest, in this order: two lanes take one step after the other, until none is left.

long_steps="valgrind targets asan portable fuzz tsan release soak"

lane_long() {
    take_turns
}

lane_other() {
    take_turns
}

take_turns() {
    while taken=$(take_step) && [ -n "$taken" ]; do
        step "$taken"
    done
}

# take_step: prints the first line of target/tests/remaining, and removes it.
take_step() {
    flock target/tests/remaining.lock sed -ni -e '1w /dev/stdout' -e '1!p' target/tests/remaining
}

full_run() {
    needs layout rust build c valgrind || exit 1
    if [ "$scope" = usual ]; then
        export REFOLD_QUICK=1
    else
        needs lints || exit 1
        export REFOLD_EXHAUSTIVE=1
    fi
    rm -f target/tests/*.sum target/tests/*.report
    if [ "$scope" = usual ]; then
        lane_build
        [ "$failed" -gt 0 ] || side_by_side lane_rust lane_c lane_compilers lane_languages
    else
        side_by_side lane_build lane_rust
        if [ "$failed" -eq 0 ]; then
            side_by_side lane_c lane_compilers lane_languages
            # shellcheck disable=SC2086
            printf '%s\n' $long_steps >target/tests/remaining
            side_by_side lane_long lane_other
        fi
    fi
}

cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
case ${1-} in
    '') scope=usual ;;
    all) scope=all ;;
    --help)
        usage
        exit
        ;;
    *) scope=$1 ;;
esac
case $scope:$# in
    usual:0 | all:1) ;;
    *)
        case " $steps " in
            *" $scope "*) check_filters "$@" || exit 2 ;;
            *)
                echo "sh tests/run.sh: there is no step $*" >&2
                usage >&2
                exit 2
                ;;
        esac
        ;;
esac

export CARGO_TARGET_DIR=target
unset CARGO_BUILD_TARGET
mkdir -p target/tests
case $scope in
    usual | all) full_run ;;
    *) needs "$scope" && single_step "$@" || exit 1 ;;
esac
sum_up
