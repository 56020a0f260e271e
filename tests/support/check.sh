# shellcheck shell=sh
# Shell functions, to be sourced: checks, and their sums.

passed=0
failed=0
# The end of the sandbox's hostile text, from the bar on.
harmless=$(printf 'é\343\200\200\302\240\342\200\214\342\200\215\302\255日')

# check NAME COMMAND...: counts as passed if the command succeeds.
check() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
    fi
}

# runs STATUS COMMAND...: whether the command exits with that status. Its output is kept in $kept/out and $kept/err.
runs() {
    wanted=$1
    shift
    "$@" >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    got=$?
    [ "$got" -eq "$wanted" ] || { echo "status $got instead of $wanted" && cat "$kept/out" "$kept/err" && return 1; }
}

# is_interrupted COMMAND...: whether SIGINT, sent after the first line of output, ends the command with status 130.
is_interrupted() {
    : >"$kept/out"
    "$@" >>"$kept/out" 2>"$kept/err" 3>&- 4<&- &
    interrupted=$!
    tail -n +1 -f --pid="$interrupted" "$kept/out" | head -n 1 >/dev/null
    kill -INT "$interrupted"
    wait "$interrupted"
    [ $? -eq 130 ]
}

# is_harmless FILE...: whether the files have no character that controls a terminal, other than the ends of lines, and
# none that ends a line elsewhere or reorders it. Neither do they show what the sandbox's hostile text does as a line.
is_harmless() {
    LC_ALL=C grep -anP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' \
        "$@" | cat -v | head -n 20 >"$kept/harmful"
    ! grep . "$kept/harmful" && ! grep -an "^ *Forged" "$@"
}

# prints_harmlessly COMMAND...: whether the command shows the sandbox's hostile text and message, harmless, and keeps
# what is not ASCII.
prints_harmlessly() {
    "$@" hostile-text >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    grep -aq "Send.*Forged.*|$harmless" "$kept/out" && is_harmless "$kept/out" "$kept/err" || return 1
    "$@" hostile-message >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    grep -aq "Send.*Forged.*|$harmless" "$kept/err" && is_harmless "$kept/out" "$kept/err"
}

# fails_in_one_line STATUS: whether a command failed, not by a timeout, with at most one line in $kept/err.
fails_in_one_line() {
    [ "$1" -ne 0 ] && [ "$1" -ne 124 ] && [ "$(wc -l <"$kept/err")" -le 1 ] || { echo "status $1" && cat "$kept/err" && return 1; }
}

# misses_its_reader COMMAND...: whether the command fails, with at most one line, if the device that it writes to is full,
# and, with SIGPIPE ignored, if the reader of its pipe has gone away.
misses_its_reader() {
    timeout 60 "$@" >/dev/full 2>"$kept/err" 3>&- 4<&-
    fails_in_one_line $? || return 1
    (trap '' PIPE && timeout 60 "$@" 2>"$kept/err" 3>&- 4<&- || echo $? >"$kept/status") | :
    fails_in_one_line "$(cat "$kept/status")"
    lost=$?
    rm -f "$kept/status"
    return $lost
}

# misses_its_output COMMAND...: without a standard output, the command fails with one line.
misses_its_output() {
    timeout 60 "$@" >&- 2>"$kept/err" 3>&- 4<&-
    fails_in_one_line $?
}

# count_tests PASSED FAILED STATUS: adds the results of a program. A program that ran no test, or whose exit status no
# failed test explains, counts as failed.
count_tests() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    if [ "$2" -eq 0 ] && { [ "$1" -eq 0 ] || [ "$3" -ne 0 ]; }; then
        failed=$((failed + 1))
        echo "FAIL after $1 tests: status $3"
    fi
}

# count FILE: prints the sums of all lines "N passed, M failed" and of cargo's "test result" lines, as two numbers.
count() {
    sed -nE -e 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' \
        -e 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; .*/\1 \2/p' "$1" |
        awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }'
}

# count_log FILE STATUS: adds the results in the output of a program, as count_tests does.
count_log() {
    counts=$(count "$1")
    count_tests "${counts% *}" "${counts#* }" "$2"
}

# all_but PROGRAM TEST: all other tests of a C program, as run_c.sh takes them. TEST is a pattern.
all_but() {
    sed -nE 's/^TEST\(([a-z0-9_]+)\).*/\1/p' "tests/c/$1.c" | grep -vx "$2" | paste -sd ,
}

# The last line of a script, and its exit status.
sum_up() {
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
