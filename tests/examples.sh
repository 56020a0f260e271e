#!/bin/sh
# Holds the programs in examples/c to what they promise: compiles them without a warning, runs them against the
# sandbox, and compares what they print. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/sandbox.sh
. tests/support/check.sh
work=target/tests/examples
rm -rf "$work"
mkdir -p "$work"
ln -sf ../../release/librefold.so "$work/librefold.so.0"
export LC_ALL=C.UTF-8
# runs STATUS PROGRAM ARGUMENT...: ends with that status; what it prints is kept in $work/out and $work/err.
runs() {
    wanted=$1
    program=$2
    shift 2
    "$work/$program" "$@" >"$work/out" 2>"$work/err" 3>&- 4<&-
    got=$?
    [ "$got" -eq "$wanted" ] || { echo "status $got instead of $wanted" && cat "$work/out" "$work/err" && return 1; }
}

# One line on standard error that holds the words, and nothing on standard output.
complains() {
    words=$1
    shift
    runs 1 "$@" && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -qF "$words" "$work/err"
}

prints() {
    words=$1
    shift
    runs "$@" && [ ! -s "$work/err" ] && grep -qF "$words" "$work/out"
}

leaks_nothing() {
    program=$1
    shift
    valgrind -q --leak-check=full --error-exitcode=99 "$work/$program" "$@" >"$work/out" 2>"$work/err" 3>&- 4<&-
    [ $? -ne 99 ] || { cat "$work/err" && return 1; }
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
check "get_execution shows all of it" cmp "$work/out" "$work/documented"
check "get_execution shows every node" prints "  Start: Success" 0 get_execution completed
check "watch_execution shows a finished run" prints COMPLETED 0 watch_execution completed
check "watch_execution shows a run to its end" prints COMPLETED 0 watch_execution running-examples
check "watch_execution tells a failed run" prints ERRORED 3 watch_execution errored
check "watch_execution tells a stopped run" prints STOPPED 3 watch_execution stopped
check "watch_execution gives up in time" runs 1 watch_execution --timeout 1 stuck
check "watch_execution says so" grep -qF "had not ended after 1000 ms: its last status is RUNNING" "$work/err"

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

# Ctrl-C, once the wait has begun.
"$work/watch_execution" stuck >"$work/out" 2>"$work/err" 3>&- 4<&- &
watch=$!
tail -n +1 -f --pid="$watch" "$work/out" | head -n 1 >/dev/null
kill -INT "$watch"
wait "$watch"
check "watch_execution is cancelled by SIGINT" [ $? -eq 130 ]

sum_up
