#!/bin/sh
# Runs the programs built by build.sh and sums up: the last line is `N passed, M failed`, and the exit status is 0 only
# if nothing failed.
#
#     sh tests/support/run_c.sh [--valgrind] [PROGRAM[:TEST[,TEST...]] ...]      all of target/ctests (or $OUT)
#
# JOBS programs run at a time: 1 unless it is set. RUNNER is a command that runs programs of other processors.
#
# With CHECK_LOG=1, which is the default except under valgrind, most tests log at the level DEBUG, and fail if a line has
# a secret (tests/support/logs.h).
#
# A program also fails if it writes to standard error, or anything but its report to standard output, because neither
# the tests nor the library may print. A program or test that does not exist is a failure.
#
# Under valgrind, some checks have to be off:
# - Valgrind cannot follow the assembly of TLS and takes its digests for undefined: programs whose servers speak TLS run
#   without checks for undefined values.
# - In the child of a fork, memory that only the parent's threads referred to counts as leaked: programs that fork run
#   without leak checks.
# - A program with a malloc of its own calls the C library's, which valgrind must replace in its stead.
# These programs cannot run under valgrind at all:
#   memory   limits the address space, of which valgrind needs more
#   numbers  sets floating-point modes and traps that valgrind does not emulate
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-$root/target/ctests}
mode=native
without=
if [ "${1:-}" = --valgrind ]; then
    shift
    mode=valgrind
    without='memory numbers'
fi

# Runs one PROGRAM[:TEST...]; the last line that it prints is `PROGRAM: N passed, M failed`.
run() {
    program=${1%%:*}
    tests=$(printf '%s' "${1#"$program"}" | tr ':,' '  ')
    tool=${RUNNER-}
    if [ "$mode" = valgrind ]; then
        tool="valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect --error-exitcode=99 --fair-sched=yes"
        if grep -q '\.certificate = \|"phases\.h"' "$root/tests/c/$program.c"; then
            tool="$tool --undef-value-errors=no"
        fi
        if grep -q '[^_]fork()' "$root/tests/c/$program.c"; then
            tool="$tool --leak-check=no"
        fi
        if grep -q '^void \*malloc(' "$root/tests/c/$program.c"; then
            tool="$tool --soname-synonyms=somalloc=nouserintercepts"
        fi
    fi
    # shellcheck disable=SC2086
    $tool "$out/$program" $tests >"$log/$program.out" 2>"$log/$program.err" </dev/null
    status=$?
    grep '^FAIL ' "$log/$program.out"
    missing=0
    for test in $tests; do
        if ! grep -q "^TEST($test)" "$root/tests/c/$program.c"; then
            printf 'FAIL %s: there is no test %s\n' "$program" "$test"
            missing=$((missing + 1))
        fi
    done
    summary=$(tail -n 1 "$log/$program.out" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$summary" ]; then
        printf 'FAIL %s: ended without a summary, status %s\n' "$program" "$status"
        head -n 60 "$log/$program.err"
        summary="$(grep -c '^ok ' "$log/$program.out") 1"
    elif grep -qv '^ok \|^FAIL \|^[0-9]* passed, [0-9]* failed$' "$log/$program.out"; then
        printf 'FAIL %s: printed more than its report\n' "$program"
        summary="${summary% *} $((${summary#* } + 1))"
    elif [ "$missing" -gt 0 ]; then
        summary="${summary% *} $((${summary#* } + missing))"
    elif [ -s "$log/$program.err" ] || { [ "$status" -ne 0 ] && [ "${summary#* }" -eq 0 ]; }; then
        printf 'FAIL %s: status %s, standard error:\n' "$program" "$status"
        head -n 60 "$log/$program.err"
        summary="${summary% *} $((${summary#* } + 1))"
    fi
    printf '%s: %s\n' "$program" "${summary% *} passed, ${summary#* } failed"
}

# With `NUMBER PROGRAM[:TEST...]`: see below.
if [ "${1:-}" = --one ]; then
    log=$out/reports
    run "${2#* }" >"$log/${2%% *}.report"
    exit
fi

if [ $# -eq 0 ]; then
    for source in "$root"/tests/c/*.c; do
        program=$(basename "$source" .c)
        case " $without " in
            *" $program "*) ;;
            *) set -- "$@" "$program" ;;
        esac
    done
fi

mkdir -p "$out/reports"
out=$(cd "$out" && pwd)
log=$out/reports
export OUT="$out" CHECK_CERTIFICATES="$out/certificates"
if [ "$mode" = valgrind ]; then
    export CHECK_PATIENCE="${CHECK_PATIENCE:-10}" CHECK_VALGRIND=1
else
    export CHECK_LOG="${CHECK_LOG:-1}"
fi
sh "$here/certificates.sh" "$CHECK_CERTIFICATES" || exit 1

[ "$mode" = native ] || mode_option=--valgrind
rm -f "$log"/*.report
printf '%s\n' "$@" | awk '{ print NR, $0 }' | xargs -P "${JOBS:-1}" -I '{}' sh "$0" ${mode_option-} --one '{}'
passed=0
failed=0
number=0
for _ in "$@"; do
    number=$((number + 1))
    report=$log/$number.report
    summary=$(sed -nE '$s/^[^ ]+: ([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$report")
    cat "$report"
    summary=${summary:-0 1}
    passed=$((passed + ${summary% *}))
    failed=$((failed + ${summary#* }))
done
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
