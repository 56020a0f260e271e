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
[ -n "${REFOLD_QUICK-}" ] || need valgrind valgrind libc6-dbg || exit 1
need script bsdutils || exit 1
need pkg-config pkg-config || exit 1
need_file /usr/include/uv.h libuv1-dev || exit 1
need_file /usr/include/glib-2.0/glib.h libglib2.0-dev || exit 1
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

# check_leaks NAME PROGRAM ARGUMENT...: checks that the program leaks nothing, unless REFOLD_QUICK=1.
check_leaks() {
    name=$1
    shift
    [ -n "${REFOLD_QUICK-}" ] || check "$name" leaks_nothing "$@"
}

# leaks_nothing PROGRAM ARGUMENT...: runs in valgrind. $kinds are other kinds of leaks than all.
leaks_nothing() {
    program=$1
    shift
    valgrind -q --leak-check=full --errors-for-leak-kinds="${kinds:-definite,possible}" --error-exitcode=99 "$work/$program" "$@" >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    [ $? -ne 99 ] || { cat "$kept/err" && return 1; }
}

# compiles PROGRAM [FLAG...]
compiles() {
    program=$1
    shift
    cc -std=c11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude "examples/c/$program.c" \
        -Ltarget/release -lrefold -Wl,-rpath,"\$ORIGIN" "$@" -o "$work/$program"
}

for program in get_execution watch_execution; do
    check "$program compiles" compiles "$program"
done
# shellcheck disable=SC2046 # the flags are a list
check "watch_libuv compiles" compiles watch_libuv $(pkg-config --cflags --libs libuv)
# shellcheck disable=SC2046
check "watch_glib compiles" compiles watch_glib $(pkg-config --cflags --libs glib-2.0)

unset REFOLD_API_KEY REFOLD_LINKED_ACCOUNT_ID REFOLD_SESSION_TOKEN REFOLD_BASE_URL REFOLD_LOG
for program in get_execution watch_execution watch_libuv watch_glib; do
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
    check_leaks "$program leaks nothing" "$program" completed
    check_leaks "$program leaks nothing on an error" "$program" no-such-id
    check "$program with an unknown id" reports "Execution not found" "$program" no-such-id
    check "$program prints hostile texts harmlessly" prints_harmlessly "$program"
    check "$program without an id" reports "" "$program"
    check "$program with an invalid id" reports "execution_id" "$program" ..
    REFOLD_API_KEY=tk_wrong check "$program with a wrong key" reports ": " "$program" completed
done
refused="could not connect to 127.0.0.1:1: connection refused"
REFOLD_BASE_URL=http://127.0.0.1:1 check "get_execution without a server" reports "$refused" get_execution completed
# Retries are reported before.
REFOLD_BASE_URL=http://127.0.0.1:1 check "watch_execution without a server" runs 1 watch_execution --timeout 1 completed
check "watch_execution reports the server" grep -q "^watch_execution: the execution had not ended .*$refused; took " "$kept/err"

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
# fits COLUMNS: every line of the table, which is between two blank ones.
fits() {
    COLUMNS=$1 runs 3 watch_execution nearly-complete &&
        sed '1,/^$/d; /^$/,$d' "$kept/out" >"$kept/table" && [ "$(wc -l <"$kept/table")" -eq 2 ] && [ "$(wc -L <"$kept/table")" -le "$1" ]
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

times="took [0-9]+ ms: connect [0-9]+, first byte [0-9]+, transfer [0-9]+; 1 attempt"
# ends_with FILE PATTERN: the last line of the output or the errors.
ends_with() {
    tail -n 1 "$kept/$1" | grep -qE "^$2\$" || { tail -n 1 "$kept/$1" && return 1; }
}
runs 0 watch_execution completed
check "watch_execution shows the times of the last poll" ends_with out "The last poll $times"
runs 1 watch_execution error-404
check "watch_execution shows the times of an error" ends_with err "watch_execution: .*; request id [0-9a-f-]+; $times"

# logs [OPTION...] WORDS: there is a line of the log with the words on stderr, and the program succeeds.
logs() {
    words=$1
    shift
    runs 0 "$@" completed && grep -qE "^refold $words" "$kept/err"
}
check "watch_execution logs each phase with --verbose" logs "DEBUG call 1 poll 1 .*received HTTP/1.1 200 OK" watch_execution --verbose
check "watch_execution logs the end of the wait" logs "INFO call 1 .*execution completed: OK, COMPLETED" watch_execution --verbose
REFOLD_LOG=info check "watch_execution logs as REFOLD_LOG requests" logs "INFO call 1 .*OK, COMPLETED" watch_execution
REFOLD_LOG=debug check "get_execution logs as REFOLD_LOG requests" logs "DEBUG call 1 .*connecting to 127" get_execution
check "watch_execution logs hostile texts harmlessly" prints_harmlessly watch_execution --verbose

# hides SECRET COMMAND...: the command logs its calls, but no secret. One id exists and the other does not.
hides() {
    secret=$1
    shift
    for id in completed no-such-id; do
        "$@" "$id" >"$kept/out" 2>"$kept/err" 3>&- 4<&-
        grep -q "^refold DEBUG .*sent GET" "$kept/err" && ! grep -F "$secret" "$kept/out" "$kept/err" || return 1
    done
}
check "watch_execution logs no API key" hides tk_sandbox watch_execution --verbose
check "watch_execution logs no session token" hides session.token env -u REFOLD_API_KEY -u REFOLD_LINKED_ACCOUNT_ID \
    REFOLD_SESSION_TOKEN=sandbox.session.token watch_execution --verbose

# reports_retries PATTERN COMMAND...: the first line on stderr has the pattern, and the command fails.
reports_retries() {
    pattern=$1
    shift
    runs 1 "$@" && head -n 1 "$kept/err" | grep -qE "^$pattern"
}
check "watch_execution reports a failed poll" reports_retries "watch_execution: poll failed, no time for another: TOO_MANY_REQUESTS \(429\), " \
    watch_execution --timeout 1 rate-limited-61
REFOLD_LOG=warn check "REFOLD_LOG replaces the reports of retries" reports_retries "refold WARN call 1 poll 1 .*poll failed" \
    watch_execution --timeout 1 rate-limited-61

# await_line PATTERN: waits for a line of the output of the process $watching.
await_line() {
    tail -n +1 -f --pid="$watching" "$kept/out" | grep -aqm 1 "$1"
}
# retries COMMAND...: the command watches a run whose server stops after the first snapshot and, once that is reported,
# starts again. Both outputs are kept in $kept/out.
retries() {
    address=${REFOLD_BASE_URL#http://}
    : >"$kept/out"
    "$@" >>"$kept/out" 2>&1 3>&- 4<&- </dev/null &
    watching=$!
    await_line "^Execution for workflow"
    stop_sandbox
    await_line "retrying in"
    start_sandbox "$work" --run-seconds 1 --listen "$address"
    stop_sandbox_at_exit
    wait "$watching" && grep -aq COMPLETED "$kept/out" && ! grep -a "lost while idle" "$kept/out"
}
retry="watch_execution: attempt 1 failed, retrying in [0-9]* ms: CONNECT (-5), could not connect to 127.0.0.1:[0-9]*: connection refused"
check "watch_execution outlives its server" retries watch_execution running-in-a-pipe
check "a retry is a line of its own in a pipe" grep -qx "$retry" "$kept/out"
check "a retry is reported in a pipe without escape sequences" is_harmless "$kept/out"

# In a terminal of 40 columns, the progress is cleared before the report, and drawn again after it.
clear=$(printf '\r\033[K')
is_drawn_again() {
    grep -aA 1 "$retry" "$kept/out" | tail -n 1 | grep -aq "^$(printf '\r')RUNNING "
}
fits_terminal() {
    tr '\r' '\n' <"$kept/out" | sed 's/\x1b\[K//' | grep -aE '^(RUNNING|COMPLETED) ' >"$kept/progress" &&
        [ "$(wc -L <"$kept/progress")" -le 40 ]
}
TERM=xterm check "watch_execution outlives its server in a terminal" retries \
    script -qec "stty cols 40 && watch_execution running-in-a-terminal" /dev/null
check "a retry replaces the progress in a terminal" grep -aq "$clear$retry" "$kept/out"
check "the progress is drawn again after a retry" is_drawn_again
check "the progress fits a terminal of 40 columns" fits_terminal

# shows FILE LINE...: the file has each line.
shows() {
    file=$1
    shift
    for line in "$@"; do
        grep -qE "^$line\$" "$file" || { echo "missing: $line" && cat "$file" && return 1; }
    done
}
# screen: prints what a terminal shows after the standard input was written to it.
screen() {
    awk 'BEGIN { RS = "\033"; row = last = column = 1 }
        {
            text = $0
            if (NR > 1) {
                match(text, /^\[[?0-9]*[A-Za-z]/)
                command = substr(text, RLENGTH, 1)
                number = substr(text, 2, RLENGTH - 2) + 0
                text = substr(text, RLENGTH + 1)
                if (command == "A") row -= number
                if (command == "K" || command == "J") lines[row] = substr(lines[row], 1, column - 1)
                if (command == "J") for (; last > row; last--) lines[last] = ""
            }
            for (i = 1; i <= length(text); i++) {
                character = substr(text, i, 1)
                if (character == "\r") column = 1
                else if (character == "\n") row++
                else {
                    lines[row] = substr(lines[row], 1, column - 1) character substr(lines[row], column + 1)
                    column++
                }
                if (row > last) last = row
            }
        }
        END { for (i = 1; i <= last; i++) print lines[i] }'
}
# in_terminal ROWS COLUMNS STATUS COMMAND...: what the terminal shows is kept in $kept/screen.
in_terminal() {
    size="rows $1 cols $2"
    wanted=$3
    shift 3
    TERM=xterm script -qec "stty $size && $*" /dev/null >"$kept/out" 2>&1 3>&- 4<&- </dev/null
    got=$?
    screen <"$kept/out" | sed '/^$/d' >"$kept/screen"
    [ "$got" -eq "$wanted" ] || { echo "status $got instead of $wanted" && cat "$kept/screen" && return 1; }
}

check "watch_execution watches several runs" runs 3 watch_execution completed running-table errored
check "watch_execution starts a table with its titles" [ "$(sed -n 1p "$kept/out")" = "EXECUTION      PERCENT         NODES  STATUS" ]
check "watch_execution shows a row for each run" shows "$kept/out" "completed      100.0 %        8 of 8  COMPLETED" \
    "running-table  100.0 %        8 of 8  COMPLETED" "errored         62.5 %        7 of 8  ERRORED"
check "watch_execution shows no other row" [ "$(wc -l <"$kept/out")" -eq 4 ]
check "watch_execution goes on after a run that fails" runs 1 watch_execution no-such-id .. errored
check "watch_execution shows rows for failures" shows "$kept/out" "no-such-id +-  +-  NOT_FOUND" \
    ".. +-  +-  INVALID_ARGUMENT" "errored .* ERRORED"
check "watch_execution reports which run failed" shows "$kept/err" "watch_execution: no-such-id: Execution not found; request id .*" \
    "watch_execution: ..: execution_id .*"
check "SIGINT cancels all runs of watch_execution" is_interrupted watch_execution stuck completed stuck
check "watch_execution shows cancelled runs" shows "$kept/out" "stuck .* CANCELLED"
check "watch_execution reports no cancelled run" [ ! -s "$kept/err" ]
check "watch_execution stops all runs without a reader" misses_its_reader watch_execution stuck stuck
check_leaks "watch_execution leaks nothing with several runs" watch_execution completed no-such-id ..

# The log moves up the lines of the runs, which are drawn once, below.
check "watch_execution draws in a terminal" in_terminal 24 40 1 watch_execution --verbose completed running-drawn no-such-id
tail -n 3 "$kept/screen" >"$kept/lines"
check "watch_execution draws a line for each run" shows "$kept/lines" "completed +COMPLETED  100.0 %.*" \
    "running-draw +COMPLETED  100.0 %.*" "no-such-id +NOT_FOUND"
check "the lines fit the terminal" [ "$(wc -L <"$kept/lines")" -le 37 ]
sed '$d' "$kept/screen" | sed '$d' | sed '$d' >"$kept/log"
log_is_whole() {
    grep -q "^refold DEBUG .*sent GET" "$kept/log" && ! grep -vE "^refold (DEBUG|INFO) call |^watch_execution: no-such-id: " "$kept/log"
}
check "watch_execution logs above the lines" log_is_whole
check "watch_execution draws more runs than rows" in_terminal 4 40 3 watch_execution completed errored completed errored completed stopped
check "watch_execution shows all of them at the end" [ "$(grep -cE '^[a-z]+ +[A-Z]+ ' "$kept/screen")" -eq 6 ]

# ticks: the timer ticks every 100 ms, or at least half as often on a busy machine.
ticks() {
    sed -nE 's/^([0-9]+) ticks in ([0-9]+) ms$/\1 \2/p' "$kept/out" >"$kept/ticks" && read -r ticks time <"$kept/ticks" &&
        [ "$time" -ge 1000 ] && [ "$ticks" -ge "$((time / 200))" ] || { cat "$kept/out" && return 1; }
}
for program in watch_libuv watch_glib; do
    check "$program watches several runs" runs 3 "$program" slow-1000 "running-$program" "failing-$program"
    check "$program shows the progress of each" shows "$kept/out" "slow-1000: COMPLETED, 100 %" \
        "running-$program: RUNNING, .* %" "running-$program: COMPLETED, 100 %" "failing-$program: ERRORED, 62.5 %"
    check "$program ticks meanwhile" ticks
    check "$program without an id" reports "usage: $program" "$program"
    check "$program with an unknown and an invalid id" runs 1 "$program" no-such-id .. completed
    check "$program shows errors" shows "$kept/out" "no-such-id: Execution not found" "..: execution_id .*" "completed: COMPLETED, 100 %"
    check "$program shows hostile texts" runs 1 "$program" hostile-text hostile-message
    check "$program shows them harmlessly" is_harmless "$kept/out" "$kept/err"
    check "SIGINT cancels $program" is_interrupted "$program" stuck stuck
    check "$program shows what was cancelled" shows "$kept/out" "stuck: the call was cancelled.*"
    check "$program draws in place" in_terminal 24 20 3 "$program" errored completed
    check "$program draws each run once" [ "$(wc -l <"$kept/screen")" -eq 3 ]
    # A thread of GLib keeps running.
    kinds=definite check_leaks "$program leaks nothing" "$program" completed no-such-id
    check "$program misses its reader" misses_its_reader "$program" completed stuck
done
# libuv aborts if it has to close a descriptor below 3.
check "watch_glib misses its output" misses_its_output watch_glib completed stuck

sum_up
