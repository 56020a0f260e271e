#!/bin/sh
# Compiles the programs in examples/c without warnings, runs them against the sandbox and checks their output. The last
# line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
need cc gcc libc6-dev || exit 1
need localedef libc-bin || exit 1
need_file /usr/share/i18n/charmaps/ISO-8859-1.gz locales || exit 1
need valgrind valgrind libc6-dbg || exit 1
need_library || exit 1

work=target/tests/examples
rm -rf "$work"
mkdir -p "$work"
kept=$work
PATH=$PWD/$work:$PATH
ln -sf ../../release/librefold.so "$work/librefold.so.0"
export LC_ALL=C.UTF-8

# reports WORDS PROGRAM...: exits with 1 and one line on stderr that contains the words, and prints nothing on stdout.
reports() {
    words=$1
    shift
    runs 1 "$@" && [ ! -s "$kept/out" ] && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF "$words" "$kept/err"
}

# prints WORDS STATUS PROGRAM...: exits with the status and a line on stdout that contains the words.
prints() {
    words=$1
    shift
    runs "$@" && [ ! -s "$kept/err" ] && grep -qF "$words" "$kept/out"
}

# leaks_nothing PROGRAM ARGUMENT...: runs in valgrind.
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
    check "$program without credentials" reports "credentials are missing" "$program" 1
done
stop_sandbox_at_exit
start_sandbox "$work" --run-seconds 1

printf 'Execution for workflow 6a106ba44480b80424a65289: COMPLETED, 100 %%\n  Start: Success, 403 ms\n' >"$work/documented"
check "get_execution accepts the documented run" runs 0 get_execution 6a106ba44480b80424a65289
check "get_execution prints its name, status and node" cmp "$kept/out" "$work/documented"
check "get_execution prints every node" prints "  Start: Success" 0 get_execution completed
check "watch_execution accepts a finished run" prints COMPLETED 0 watch_execution completed
check "watch_execution waits for a run to complete" prints COMPLETED 0 watch_execution running-examples
check "watch_execution exits with 3 for a failed run" prints ERRORED 3 watch_execution errored
check "watch_execution exits with 3 for a stopped run" prints STOPPED 3 watch_execution stopped
check "watch_execution times out" runs 1 watch_execution --timeout 1 stuck
check "watch_execution reports the timeout" grep -qF "had not ended after 1000 ms: its last status is RUNNING" "$kept/err"

for program in get_execution watch_execution; do
    check "$program leaks nothing" leaks_nothing "$program" completed
    check "$program leaks nothing on an error" leaks_nothing "$program" no-such-id
    check "$program with an unknown id" reports "Execution not found" "$program" no-such-id
    check "$program prints hostile texts harmlessly" prints_harmlessly "$program"
    check "$program without an id" reports "" "$program"
    check "$program with an invalid id" reports "execution_id" "$program" ..
    REFOLD_API_KEY=tk_wrong check "$program with a wrong key" reports ": " "$program" completed
    REFOLD_BASE_URL=http://127.0.0.1:1 check "$program without a server" \
        reports "could not connect to 127.0.0.1:1: connection refused" "$program" completed
done

# prints_in CHARSET LOCALE: the program converts UTF-8 to the charset, with "?" for what the charset lacks.
prints_in() {
    localedef -f "$1" -i "$2" "$work/$2.$1" >/dev/null 2>&1
    LOCPATH=$PWD/$work LC_ALL=$2.$1 runs 3 watch_execution hostile-text && iconv -f "$1" -t UTF-8 "$kept/out" >"$kept/converted" &&
        grep -qE "^Output of .*COMPLETED .*\|$3:\$" "$kept/converted"
}
# The text ends in e with an acute accent, an ideographic space, a no-break space, U+200C, U+200D, a soft hyphen, and a
# Chinese character. What is not in the charset is "?".
blank=$(printf '\343\200\200') fixed=$(printf '\302\240') soft=$(printf '\302\255')
check "watch_execution prints in ISO-8859-1" prints_in ISO-8859-1 en_US "é\\?$fixed\\?\\?$soft\\?"
check "watch_execution prints in EUC-JP" prints_in EUC-JP ja_JP "é$blank.*日"
check "watch_execution prints in GB18030" prints_in GB18030 zh_CN "é$blank$fixed.*日"
LC_ALL=C check "watch_execution prints in ASCII" prints "|??????" 3 watch_execution hostile-text

# shows_no_complete_run PROGRAM: 100 % and a full bar are for 100.
shows_no_complete_run() {
    "$1" nearly-complete >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    grep -q "STOPPED.*99\.9" "$kept/out" && ! grep -qE "100(\.0)? %|STOPPED *█{20}" "$kept/out"
}
for program in get_execution watch_execution; do
    check "$program shows 100 % for 100 alone" shows_no_complete_run "$program"
done
# fits COLUMNS: every line of the table, which follows the blank one.
fits() {
    COLUMNS=$1 runs 3 watch_execution nearly-complete &&
        sed '1,/^$/d' "$kept/out" >"$kept/table" && [ "$(wc -l <"$kept/table")" -eq 2 ] && [ "$(wc -L <"$kept/table")" -le "$1" ]
}
for columns in 100 60 40 30; do
    check "the table fits $columns columns" fits "$columns"
done
# shows_progress COLUMNS WORDS: the progress has these words, in that width.
shows_progress() {
    COLUMNS=$1 runs 3 watch_execution errored && sed -n 2p "$kept/out" >"$kept/progress" &&
        [ "$(wc -L <"$kept/progress")" -le "$1" ] && grep -qF "$2" "$kept/progress"
}
check "a wide terminal shows a bar" shows_progress 80 "████████████░░░░░░░░  62.5 %  7 of 8 nodes"
check "a narrow terminal shows the numbers rather than a bar" shows_progress 40 "ERRORED     62.5 %  7 of 8 nodes"

check "get_execution misses its reader" misses_its_reader get_execution completed
check "watch_execution misses its reader" misses_its_reader watch_execution completed
check "get_execution misses its output" misses_its_output get_execution completed
check "watch_execution misses its output" misses_its_output watch_execution completed
check "watch_execution stops polling without a reader" misses_its_reader watch_execution stuck
# The first line is read, and no other one follows.
stops_after_a_line() {
    (trap '' PIPE && timeout 60 watch_execution stuck 2>"$kept/err" 3>&- 4<&- || echo $? >"$kept/status") | head -n 1 >/dev/null
    fails_in_one_line "$(cat "$kept/status")"
}
check "watch_execution stops polling after its reader" stops_after_a_line

check "SIGINT cancels watch_execution" is_interrupted watch_execution stuck

sum_up
