#!/bin/sh
# Runs the programs that build.sh made, and sums up: the last line is `N passed, M failed`; the exit status tells, too.
#
#     sh tests/support/run_c.sh [--valgrind] [PROGRAM[:TEST,TEST ...] ...]      all of target/ctests (or $OUT)
#
# A program that writes to standard error, or to standard output what is no report, has failed as well, for neither the
# tests nor the library may. Valgrind cannot follow the assembly of TLS: it takes what a digest gives for undefined. So
# programs whose servers speak TLS run without that one check. In the child of a fork it takes for leaked what only the
# threads of its parent held: programs that fork are not asked about leaks. Where a program brings a malloc of its own,
# valgrind has to take the place of that of the C library, which is called by it. One cannot run in it at all:
#   memory  limits the address space, of which valgrind takes more
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-$root/target/ctests}
log=$out/log
tool=
without=
if [ "${1:-}" = --valgrind ]; then
    shift
    tool="valgrind -q --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
        --error-exitcode=99 --fair-sched=yes"
    without=memory
    CHECK_PATIENCE=${CHECK_PATIENCE:-10}
    CHECK_VALGRIND=1
    export CHECK_PATIENCE CHECK_VALGRIND
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

mkdir -p "$log"
out=$(cd "$out" && pwd)
log=$out/log
CHECK_CERTIFICATES=$out/certificates
export CHECK_CERTIFICATES
sh "$here/certificates.sh" "$CHECK_CERTIFICATES" || exit 1

passed=0
failed=0
for entry in "$@"; do
    program=${entry%%:*}
    tests=$(printf '%s' "${entry#"$program"}" | tr ':,' '  ')
    lenient=
    if [ -n "$tool" ] && grep -q '\.certificate = \|"phases\.h"' "$root/tests/c/$program.c"; then
        lenient=--undef-value-errors=no
    fi
    if [ -n "$tool" ] && grep -q '[^_]fork()' "$root/tests/c/$program.c"; then
        lenient="$lenient --leak-check=no"
    fi
    if [ -n "$tool" ] && grep -q '^void \*malloc(' "$root/tests/c/$program.c"; then
        lenient="$lenient --soname-synonyms=somalloc=nouserintercepts"
    fi
    # shellcheck disable=SC2086
    $tool $lenient "$out/$program" $tests >"$log/$program.out" 2>"$log/$program.err" </dev/null
    status=$?
    grep '^FAIL ' "$log/$program.out"
    summary=$(tail -n 1 "$log/$program.out" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$summary" ]; then
        printf 'FAIL %s: ended without a summary, status %s\n' "$program" "$status"
        summary="$(grep -c '^ok ' "$log/$program.out") 1"
    elif grep -qv '^ok \|^FAIL \|^[0-9]* passed, [0-9]* failed$' "$log/$program.out"; then
        printf 'FAIL %s: printed what is no report\n' "$program"
        summary="${summary% *} $((${summary#* } + 1))"
    elif [ -s "$log/$program.err" ] || { [ "$status" -ne 0 ] && [ "${summary#* }" -eq 0 ]; }; then
        printf 'FAIL %s: status %s, on standard error:\n' "$program" "$status"
        head -n 60 "$log/$program.err"
        summary="${summary% *} $((${summary#* } + 1))"
    fi
    printf '%s: %s\n' "$program" "${summary% *} passed, ${summary#* } failed"
    passed=$((passed + ${summary% *}))
    failed=$((failed + ${summary#* }))
done
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
