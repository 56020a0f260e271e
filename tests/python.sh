#!/bin/sh
# Holds examples/python/refold.py to what it promises: its types to mypy, its behaviour to its own tests, against the
# sandbox. PYTHON names another interpreter than python3. All it makes lies under target/. The last line is
# `N passed, M failed`.
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
mkdir -p "$work"
# The last mypy that knows Python 3.9.
mypy=1.18.2
if [ ! -e "$work/mypy-$mypy" ]; then
    rm -rf "$work/venv"
    "$python" -m venv "$work/venv" &&
        "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "mypy==$mypy" || exit 1
    touch "$work/mypy-$mypy"
fi

has_types() {
    (cd examples/python && "../../$work/venv/bin/python" -m mypy --strict --python-version 3.9 \
        --cache-dir "../../$work/mypy-cache" refold.py test_refold.py get.py)
}

check types has_types

stop_sandbox_at_exit
start_sandbox "$work" --run-seconds 0.5
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
unset REFOLD_LIBRARY
(cd examples/python && exec "$python" -X dev -W error::ResourceWarning -m unittest -v test_refold) \
    >"$work/log" 2>&1 3>&- 4<&- </dev/null
status=$?
sed -E 's/^(FAIL|ERROR): /FAIL /' "$work/log"
# "Ran 40 tests in 12.3s", then "OK" or "FAILED (failures=1, errors=2)".
ran=$(sed -nE 's/^Ran ([0-9]+) tests? in .*/\1/p' "$work/log")
wrong=$(grep -cE '^(FAIL|ERROR): ' "$work/log")
if [ "$wrong" -gt "${ran:-0}" ]; then # what fails beside the tests, or in several parts of one
    ran=$wrong
fi
count_tests $((${ran:-0} - wrong)) "$wrong" "$status"

sum_up
