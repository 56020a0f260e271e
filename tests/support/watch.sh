# shellcheck shell=sh
# Shell functions, to be sourced after check.sh: the checks of a program that waits for one execution. $kept is a folder.

# reports WORDS COMMAND...: exits with 1, prints no node, and prints one line on stderr that contains the words.
reports() {
    words=$1
    shift
    runs 1 "$@" && ! grep -q "^  " "$kept/out" && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF -- "$words" "$kept/err"
}

# shows PATTERN STATUS COMMAND...: exits with the status, a line on stdout that matches, and an empty stderr.
shows() {
    pattern=$1
    shift
    runs "$@" && [ ! -s "$kept/err" ] && grep -qE -- "$pattern" "$kept/out"
}

# changes COMMAND...: prints several states of a run, and the nodes of the last one.
changes() {
    shows ": COMPLETED, 100 %$" 0 "$@" && grep -q ": RUNNING, " "$kept/out" &&
        [ "$(grep -c "^  [A-Z].*: Success, [0-9]* ms$" "$kept/out")" -eq 8 ]
}

# prints_no_numbers COMMAND...: for an execution without a percentage and execution times, except for the times of the call.
prints_no_numbers() {
    runs 0 "$@" null-node-fields && [ "$(grep -c '[0-9]' "$kept/out")" -eq 1 ] &&
        tail -n 1 "$kept/out" | grep -q "^last poll in "
}

# is_cancelled COMMAND...: SIGINT cancels the wait, as the log shows, and ends the command without a further message.
# The shell would ignore SIGINT for a command in the background.
is_cancelled() {
    REFOLD_LOG=info is_interrupted env --default-signal=INT "$@" && grep -q ": CANCELLED (-2); " "$kept/err" &&
        ! grep -v "^refold INFO " "$kept/err"
}

# check_watch COMMAND...: checks the program, with the sandbox in the environment.
check_watch() {
    check "it prints each change and the nodes" changes "$@" running
    check "it accepts a finished run" shows "^  Start: Success, 403 ms$" 0 "$@" 6a106ba44480b80424a65289
    check "it prints the times of the last poll" grep -qE \
        "^last poll in [0-9.]+ ms \(connect [0-9.]+ ms, first byte [0-9.]+ ms, transfer [0-9.]+ ms\), attempts 1$" "$kept/out"
    check "it prints no numbers where none were sent" prints_no_numbers "$@"
    check "it exits with 3 for a failed run" shows ": ERRORED, 62.5 %$" 3 "$@" errored
    check "it prints the output of a failed node" grep -q '^    {"error":{.*"error_code":"EXTERNAL_API_ERROR"' "$kept/out"
    check "it exits with 3 for a stopped run" shows ": STOPPED" 3 "$@" stopped
    check "it reports an error" reports "Execution not found; request id " "$@" no-such-id
    check "it reports an invalid id" reports "execution_id" "$@" ..
    check "it reports a timeout" reports "had not ended after 1300 ms" "$@" --timeout 1.3 stuck
    check "it prints nothing while nothing changes" [ "$(wc -l <"$kept/out")" -eq 1 ]
    check "it prints 100 % for 100 alone" shows ", 99.9999996 %$" 3 "$@" nearly-complete
    check "it requires an id" reports "usage: " "$@"
    check "it requires a number of seconds" reports "--timeout" "$@" --timeout soon completed
    REFOLD_API_KEY=tk_wrong check "it reports a wrong key" reports ": " "$@" completed
    REFOLD_API_KEY='' check "it reports missing credentials" reports "api_key" "$@" completed
    check "it prints hostile texts harmlessly" prints_harmlessly "$@"
    REFOLD_LOG=info check "it logs" runs 0 "$@" completed
    check "the log has the call" grep -q "^refold INFO call 1 .*: execution completed: OK, COMPLETED; " "$kept/err"
    check "it misses its reader" misses_its_reader "$@" completed
    check "it stops polling without a reader" misses_its_reader "$@" stuck
    check "SIGINT cancels it" is_cancelled "$@" stuck
}
