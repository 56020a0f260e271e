# shellcheck shell=sh
# Shell functions, to be sourced: checks that are counted.

passed=0
failed=0

# check NAME COMMAND...: the command succeeds.
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

# The last line of a test, and its status.
sum_up() {
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
