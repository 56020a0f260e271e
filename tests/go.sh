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
need_library || exit 1

root=$(pwd)
work=$root/target/go
kept=$work/run
PATH=$kept:$PATH
rm -rf "$kept"
mkdir -p "$kept"
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
    go test -race -count=1 -timeout=300s -v . >"$kept/package" 2>&1
    status=$?
    grep -vE '^(=== |--- PASS)' "$kept/package" | sed 's/^--- FAIL: /FAIL /'
    count_tests "$(grep -c '^--- PASS' "$kept/package")" "$(grep -c '^--- FAIL' "$kept/package")" "$status"
}

# One line on standard error that holds the words.
complains() {
    words=$1
    shift
    runs 1 refold-watch "$@" && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF "$words" "$kept/err"
}

# Shows an execution of which the server tells neither how far it is nor how long its nodes ran.
shows_no_numbers() {
    runs 0 "$1" null-node-fields && ! grep -q '[0-9]' "$kept/out"
}

stop_sandbox_at_exit
start_sandbox "$kept" --run-seconds 1
check "gofmt" is_formatted
cd examples/go || exit 1
check "go vet" go vet ./...
test_package
for program in refold-get refold-watch; do
    check "$program compiles" go build -o "$kept/$program" "./cmd/$program"
    check "$program shows no numbers where there are none" shows_no_numbers "$program"
done
check "the program shows a run to its end" runs 0 refold-watch running-program
check "the program shows the end" grep -q ": COMPLETED, 100 %$" "$kept/out"
check "the program shows a finished run" runs 0 refold-watch 6a106ba44480b80424a65289
check "the program shows its node" grep -q "^Start *Success *403ms$" "$kept/out"
check "the program tells a failed run" runs 3 refold-watch errored
check "the program tells an error" complains "Execution not found" nobody
check "the program gives up in time" complains "deadline exceeded" -timeout 300ms stuck
check "the program takes one id" runs 2 refold-watch

check "the program is interrupted by SIGINT" is_interrupted refold-watch stuck

sum_up
