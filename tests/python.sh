#!/bin/sh
# Checks the types of examples/python with mypy, and runs its tests against the sandbox, in the loops of asyncio and uvloop.
# PYTHON selects an interpreter other than python3. All output goes to target/. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
python=${PYTHON:-python3}
need "$python" python3 || exit 1
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "ensurepip of $python" python3-venv || exit 1
fi
need_library || exit 1

work=target/tests/python
kept=$work
mkdir -p "$work"
# The last versions that support Python 3.9.
mypy=1.18.2
uvloop=0.22.1
if [ ! -e "$work/mypy-$mypy-uvloop-$uvloop" ]; then
    rm -rf "$work/venv"
    "$python" -m venv "$work/venv" &&
        "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "mypy==$mypy" "uvloop==$uvloop" ||
        exit 1
    touch "$work/mypy-$mypy-uvloop-$uvloop"
fi

types_are_correct() {
    (cd examples/python && "../../$work/venv/bin/python" -m mypy --strict --python-version 3.9 \
        --cache-dir "../../$work/mypy-cache" refold test_refold.py test_async.py get.py watch.py)
}

check "mypy --strict" types_are_correct

stop_sandbox_at_exit
start_sandbox "$work" --run-seconds 0.5
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
unset REFOLD_LIBRARY
(cd examples/python && exec "../../$work/venv/bin/python" -X dev -W error::ResourceWarning -m unittest -v test_refold test_async) \
    >"$work/log" 2>&1 3>&- 4<&- </dev/null
status=$?
sed -E 's/^(FAIL|ERROR): /FAIL /' "$work/log"
# "Ran 40 tests in 12.3s", then "OK" or "FAILED (failures=1, errors=2)".
ran=$(sed -nE 's/^Ran ([0-9]+) tests? in .*/\1/p' "$work/log")
failures=$(grep -cE '^(FAIL|ERROR): ' "$work/log")
if [ "$failures" -gt "${ran:-0}" ]; then # failures outside of tests, or several subtests of one test
    ran=$failures
fi
count_tests $((${ran:-0} - failures)) "$failures" "$status"

export PYTHONPATH=examples/python PYTHONIOENCODING=utf-8
for program in examples/python/get.py examples/python/watch.py "-m refold" "-m refold --wait"; do
    # shellcheck disable=SC2086 # a list
    check "$program prints hostile texts harmlessly" prints_harmlessly "$python" $program
    # shellcheck disable=SC2086 # a list
    check "$program logs hostile texts harmlessly" prints_harmlessly "$python" $program --verbose
    # shellcheck disable=SC2086 # a list
    check "$program misses its reader" misses_its_reader "$python" $program completed
    # shellcheck disable=SC2086 # a list
    check "$program misses its output" misses_its_output "$python" $program completed
done

check "-m refold --json misses its reader" misses_its_reader "$python" -m refold --json completed

sum_up
