#!/bin/sh
# Tests the Go package in examples/go against the sandbox, with the race detector and the checks of cgo's pointer rules,
# and its program. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/prefix.sh
. tests/support/go.sh
use_go || exit 1
need cc gcc libc6-dev || exit 1
need pkg-config pkg-config || exit 1

root=$(pwd)
work=$root/target/go
rm -rf "$work/run"
mkdir -p "$work/run"
make_prefix "$work/prefix" || exit 1
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"
case $(go env GOVERSION) in
    go1.19* | go1.20*) export GODEBUG=cgocheck=2 ;;
    *) export GOEXPERIMENT=cgocheck2 ;;
esac

is_formatted() {
    [ -z "$(gofmt -l examples/go)" ] || { gofmt -d examples/go && return 1; }
}

# Counts the tests of the package, each by itself.
test_package() {
    go test -race -count=1 -timeout=300s -v . >"$work/run/package" 2>&1
    status=$?
    grep -vE '^(=== |--- PASS)' "$work/run/package" | sed 's/^--- FAIL: /FAIL /'
    package_passed=$(grep -c '^--- PASS' "$work/run/package")
    package_failed=$(grep -c '^--- FAIL' "$work/run/package")
    passed=$((passed + package_passed))
    failed=$((failed + package_failed))
    if [ "$status" -ne 0 ] && [ "$package_failed" -eq 0 ]; then
        failed=$((failed + 1))
        echo "FAIL the package's tests ended with status $status"
    fi
}

# runs STATUS ARGUMENT...: what the program prints is kept.
runs() {
    wanted=$1
    shift
    "$work/run/refold-watch" "$@" >"$work/run/out" 2>"$work/run/err" 3>&- 4<&-
    got=$?
    [ "$got" -eq "$wanted" ] || { echo "status $got" && cat "$work/run/out" "$work/run/err" && return 1; }
}

# One line on standard error that holds the words.
complains() {
    words=$1
    shift
    runs 1 "$@" && [ "$(wc -l <"$work/run/err")" -eq 1 ] && grep -qF "$words" "$work/run/err"
}

stop_sandbox_at_exit
start_sandbox "$work/run" --run-seconds 1
check "gofmt" is_formatted
cd examples/go || exit 1
check "go vet" go vet ./...
test_package
check "the program compiles" go build -o "$work/run/refold-watch" ./cmd/refold-watch
check "the program shows a run to its end" runs 0 running-program
check "the program shows the end" grep -q ": COMPLETED, 100 %$" "$work/run/out"
check "the program shows a finished run" runs 0 6a106ba44480b80424a65289
check "the program shows its node" grep -q "^Start *Success *403ms$" "$work/run/out"
check "the program tells a failed run" runs 3 errored
check "the program tells an error" complains "Execution not found" nobody
check "the program gives up in time" complains "deadline exceeded" -timeout 300ms stuck
check "the program takes one id" runs 2

# Ctrl-C, once the wait has begun.
"$work/run/refold-watch" stuck >"$work/run/out" 2>"$work/run/err" 3>&- 4<&- &
watch=$!
tail -n +1 -f --pid="$watch" "$work/run/out" | head -n 1 >/dev/null
kill -INT "$watch"
wait "$watch"
check "the program is interrupted by SIGINT" [ $? -eq 130 ]

sum_up
