#!/bin/sh
# Holds the programs in examples/c to what they promise: compiles them without a warning, runs them against the
# sandbox, and compares what they print. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
need cc gcc libc6-dev || exit 1
need valgrind valgrind libc6-dbg || exit 1
need_library || exit 1

work=target/tests/examples
rm -rf "$work"
mkdir -p "$work"
kept=$work
PATH=$PWD/$work:$PATH
ln -sf ../../release/librefold.so "$work/librefold.so.0"
export LC_ALL=C.UTF-8

# One line on standard error that holds the words, and nothing on standard output.
complains() {
    words=$1
    shift
    runs 1 "$@" && [ ! -s "$kept/out" ] && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF "$words" "$kept/err"
}

prints() {
    words=$1
    shift
    runs "$@" && [ ! -s "$kept/err" ] && grep -qF "$words" "$kept/out"
}

leaks_nothing() {
    program=$1
    shift
    valgrind -q --leak-check=full --error-exitcode=99 "$work/$program" "$@" >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    [ $? -ne 99 ] || { cat "$kept/err" && return 1; }
}

for program in get_execution watch_execution; do
    check "$program compiles" cc -std=c11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude \
        "examples/c/$program.c" -Ltarget/release -lrefold -Wl,-rpath,"\$ORIGIN" -o "$work/$program"
done

unset REFOLD_API_KEY REFOLD_LINKED_ACCOUNT_ID REFOLD_SESSION_TOKEN REFOLD_BASE_URL
for program in get_execution watch_execution; do
    check "$program without credentials" complains "credentials are missing" "$program" 1
done
stop_sandbox_at_exit
start_sandbox "$work" --run-seconds 1

printf 'Execution for workflow 6a106ba44480b80424a65289: COMPLETED, 100 %%\n  Start: Success, 403 ms\n' >"$work/documented"
check "get_execution shows the documented run" runs 0 get_execution 6a106ba44480b80424a65289
check "get_execution shows all of it" cmp "$kept/out" "$work/documented"
check "get_execution shows every node" prints "  Start: Success" 0 get_execution completed
check "watch_execution shows a finished run" prints COMPLETED 0 watch_execution completed
check "watch_execution shows a run to its end" prints COMPLETED 0 watch_execution running-examples
check "watch_execution tells a failed run" prints ERRORED 3 watch_execution errored
check "watch_execution tells a stopped run" prints STOPPED 3 watch_execution stopped
check "watch_execution gives up in time" runs 1 watch_execution --timeout 1 stuck
check "watch_execution says so" grep -qF "had not ended after 1000 ms: its last status is RUNNING" "$kept/err"

for program in get_execution watch_execution; do
    check "$program leaks nothing" leaks_nothing "$program" completed
    check "$program leaks nothing in an error" leaks_nothing "$program" nobody
    check "$program with an unknown id" complains "Execution not found" "$program" nobody
    check "$program without an id" complains "" "$program"
    check "$program with a bad id" complains "execution_id" "$program" ..
    REFOLD_API_KEY=tk_wrong check "$program with a wrong key" complains ": " "$program" completed
    REFOLD_BASE_URL=http://127.0.0.1:1 check "$program without a server" \
        complains "could not connect to 127.0.0.1:1: connection refused" "$program" completed
done

check "watch_execution is cancelled by SIGINT" is_interrupted watch_execution stuck

sum_up
